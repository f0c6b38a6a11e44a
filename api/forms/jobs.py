"""A job and its attempts as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.forms.costs import attempt_cost_json
from api.http.errors import RawJson
from jobs.acceptance.rules import MAX_REPAIRS
from jobs.model.records import Attempt, Job, Usage
from jobs.model.retention import Retention
from jobs.model.segments import Segment, load_segments
from jobs.model.status import JobStatus
from jobs.store.whole_jobs import StoredJob
from jobs.tables import USAGE

_SHORT = 16 * 1024
"""The most characters of what a job shows where there is no room for all of it: four such and the rest are no large
answer."""


def seconds(moment: datetime | None) -> float | None:
    """A time as Unix seconds with milliseconds, as the API gives it."""
    return None if moment is None else round(moment.timestamp(), 3)


def whole_seconds(moment: datetime | None) -> int | None:
    """A time as whole Unix seconds, as OpenAI's objects have it."""
    return None if moment is None else int(moment.timestamp())


def usage_json(usage: Usage) -> dict[str, Any]:
    """Token counts as the API shows them."""
    return {**{name: getattr(usage, name) for name in USAGE}, "source": usage.source}


def reasoning_json(job: Job) -> dict[str, Any] | None:
    """The proof of the stored reasoning and its tokens; None without one."""
    if not job.reasoning_bytes:
        return None
    proof = {"bytes": job.reasoning_bytes, "sha256": job.reasoning_sha256}
    return proof | {"tokens": job.reasoning_text_tokens, "tokens_source": job.reasoning_text_tokens_source}


def retention_json(retention: Retention | None) -> dict[str, Any] | None:
    """What the submission said; None: nothing."""
    return {"anchor": retention.anchor, "seconds": retention.seconds} if retention is not None else None


def job_json(job: Job) -> dict[str, Any]:
    """The job as the API shows it. Times are Unix seconds."""
    shown: dict[str, Any] = {
        "id": job.id,
        "object": "job",
        "status": str(job.status),
        "batch_id": job.batch_id,
        "custom_id": job.custom_id,
        "model": job.model,
        "upstream": job.upstream,
        "only_upstream": job.only_upstream,
        "metadata": job.metadata,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "on_interrupt": job.on_interrupt,
        "on_length": "stop" if job.max_continuations is None else "continue",
        "max_continuations": job.max_continuations,
        "attempt": job.attempt,
        "failures": job.failures,
        "crashes": job.crashes,
        "rate_limits": job.rate_limits,
        "drains": job.drains,
        "on_reject": job.on_reject or "fail",
        "max_repairs": MAX_REPAIRS if job.max_repairs is None else job.max_repairs,
        "repairs": job.repairs or 0,
        "created_at": seconds(job.created_at),
        "due_at": seconds(job.due_at) if job.status is JobStatus.QUEUED else None,
        "started_at": seconds(job.started_at),
        "first_delta_at": seconds(job.first_delta_at),
        "finished_at": seconds(job.finished_at),
        "expires_at": seconds(job.expires_at),
        "expires_after": retention_json(job.retention),
        "delete_at": seconds(job.delete_at),
        "cancel_requested_at": seconds(job.cancel_requested_at),
        "finish_reason": job.finish_reason,
        "incomplete": {"reason": job.incomplete} if job.incomplete else None,
        "text_attempt": job.text_attempt,
        "bytes": job.bytes,
        "sha256": job.sha256,
        "usage": usage_json(job.usage) if job.usage else None,
        "text_tokens": job.text_tokens,
        "text_tokens_source": job.text_tokens_source,
        "reasoning": reasoning_json(job),
        "upstream_id": job.upstream_id,
        "upstream_model": job.upstream_model,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
    }
    if job.request is not None:
        shown["request"] = job.request
        shown["accept"] = job.accept
    if job.cells is not None:
        shown["cells"] = job.cells
    if job.message is not None:
        shown["message"] = job.message
    return shown


def stored_job_json(stored: StoredJob) -> dict[str, Any]:
    """The same with all that is stored of it, for a `JsonAnswer`."""
    return {**job_json(stored.job), "accept": None, **{name: RawJson(text) for name, text in stored.as_stored.items()}}


def short_job_json(stored: StoredJob) -> dict[str, Any]:
    """The same with null for what is long of it."""
    short = {name: RawJson(text) if len(text) <= _SHORT else None for name, text in stored.as_stored.items()}
    return {**job_json(stored.job), "accept": None, **short}


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """The attempt as the API shows it. `outcome` is null while it runs."""
    return {
        "attempt": attempt.attempt,
        "worker": attempt.worker,
        "upstream": attempt.upstream,
        "started_at": seconds(attempt.started_at),
        "first_delta_at": seconds(attempt.first_delta_at),
        "finished_at": seconds(attempt.finished_at),
        "outcome": str(attempt.outcome) if attempt.outcome else None,
        "error": {"code": attempt.error_code, "message": attempt.error_message} if attempt.error_code else None,
        "rejections": attempt.rejections,
        "deltas": attempt.deltas,
        "bytes": attempt.bytes,
        "continued_bytes": attempt.continued_bytes,
        "segments": [segment_json(segment) for segment in load_segments(attempt.segments)] or None,
        "usage": usage_json(attempt.usage) if attempt.usage else None,
        "cost": attempt_cost_json(attempt),
    }


def segment_json(segment: Segment) -> dict[str, Any]:
    """What one request wrote of a text, as the API shows it."""
    return {
        "attempt": segment.attempt,
        "offset": segment.offset,
        "bytes": segment.bytes,
        "upstream": segment.upstream,
        "finish_reason": segment.finish_reason,
        "usage": usage_json(segment.usage) if segment.usage else None,
        "cut": segment.cut or None,
        "doubtful": segment.doubtful,
    }


def segments_json(job: Job, attempts: Sequence[Attempt]) -> list[dict[str, Any]] | None:
    """The segments of the stored text, or of the text so far; None: one request wrote it."""
    number = job.text_attempt or job.attempt
    stored = next((attempt.segments for attempt in attempts if attempt.attempt == number), None)
    return [segment_json(segment) for segment in load_segments(stored)] or None
