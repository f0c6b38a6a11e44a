"""A batch as the API shows it."""

from typing import Any

from jobs.model.batch_records import Batch


def batch_json(batch: Batch) -> dict[str, Any]:
    """The batch as OpenAI's Batch object; times are whole Unix seconds, as there."""
    times = {name: int(at.timestamp()) if at else None for name, at in batch.times.items()}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "status": str(batch.status),
        "model": batch.model,
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "warnings": batch.warnings or [],
        "input_file_id": batch.input_file_id,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "completion_window": batch.completion_window,
        **times,
        "metadata": batch.metadata,
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
            "in_progress": batch.in_progress,
            "incomplete": batch.incomplete,
        },
        "usage": batch.usage,
    }
