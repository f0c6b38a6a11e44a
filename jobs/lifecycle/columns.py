"""What a transition writes into the columns of a job, its attempt and its text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs.model.cost import cost_columns
from jobs.model.endings import AttemptResult, JobError
from jobs.model.segments import dump_segments
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.strict_json import dump_json

_OF_BOTH = (
    "first_delta_at", "bytes", "text_tokens", "text_tokens_source", "reasoning_text_tokens",
    "reasoning_text_tokens_source",
)  # fmt: skip
_OF_JOB = (*_OF_BOTH, "finish_reason", "sha256", "reasoning_sha256", "upstream_id", "upstream_model")
_OF_ATTEMPT = (*_OF_BOTH, "deltas")
"""What of an attempt's result goes into columns of the same names."""


def final_changes(now: datetime, status: JobStatus, attempt: int, written: AttemptResult) -> dict[str, Any]:
    """Of a job that ends."""
    return {
        "status": status,
        "finished_at": now,
        "incomplete": written.incomplete if status is JobStatus.COMPLETED else None,
        "message": message_json(written.message),
        "text_attempt": attempt,
        "reasoning_bytes": written.reasoning_bytes or None,
        **{name: getattr(written, name) for name in _OF_JOB},
        **(written.usage.as_columns() if written.usage else {}),
    }


def job_changes(changes: dict[str, Any], error: JobError | None) -> dict[str, Any]:
    """Of a job that leaves its worker."""
    return {"lease_until": None, **changes, **why(error), "error_status": error.status if error else None}


def message_json(message: Mapping[str, Any] | None) -> str | None:
    """What came beside the text, as it is stored."""
    # In ASCII: whatever an upstream sent, no database refuses it, and no text is lost for it.
    return dump_json(message) if message else None


def attempt_changes(
    now: datetime, outcome: AttemptOutcome, written: AttemptResult, error: JobError | None
) -> dict[str, Any]:
    """Of an attempt that ends."""
    return {
        "finished_at": now,
        "outcome": outcome,
        "segments": dump_segments(written.segments),
        **{name: getattr(written, name) for name in _OF_ATTEMPT},
        **(written.usage.as_columns() if written.usage else {}),
        **cost_columns(written.cost),
        **why(error),
        **({"rejections": dump_json(list(error.rejections))} if error and error.rejections else {}),
    }


def why(error: JobError | None) -> dict[str, Any]:
    return {"error_code": error.code if error else None, "error_message": error.message if error else None}


def text_row(job_id: str, attempt: int, written: AttemptResult) -> dict[str, Any]:
    own = {"job_id": job_id, "attempt": attempt, "text": written.text}
    return own | {"reasoning": written.reasoning, "deltas": written.deltas}
