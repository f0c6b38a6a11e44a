"""A batch as the API shows it."""

from typing import Any

from api.forms.costs import cost_json
from api.forms.jobs import retention_json, whole_seconds
from jobs.model.batch_records import Batch
from jobs.model.cost import NO_COST


def batch_json(batch: Batch) -> dict[str, Any]:
    """The batch as OpenAI's Batch object; times are whole Unix seconds, as there."""
    times = {name: whole_seconds(at) for name, at in batch.times.items()}
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
        "max_concurrency": batch.max_concurrency,
        "output_expires_after": _output_expiry_json(batch.output_seconds),
        **times,
        "expires_after": retention_json(batch.retention),
        "delete_at": whole_seconds(batch.delete_at),
        "metadata": batch.metadata,
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
            "in_progress": batch.in_progress,
            "incomplete": batch.incomplete,
        },
        "usage": _usage_json(batch.usage) if batch.usage else None,
        **cost_json(batch.cost or NO_COST),
    }


def _output_expiry_json(seconds: int | None) -> dict[str, Any] | None:
    """How long the output files are kept, in OpenAI's form; None: nothing was said."""
    return {"anchor": "created_at", "seconds": seconds} if seconds is not None else None


def _usage_json(usage: dict[str, Any]) -> dict[str, Any]:
    """The usage with 0 for the details that are not known: the SDK's types want numbers, and a strict client refuses a
    null. The jobs have null.
    """
    details = {name: value for name, value in usage.items() if isinstance(value, dict)}
    known = {name: {kind: count or 0 for kind, count in value.items()} for name, value in details.items()}
    return {**usage, **known}
