"""A job and an attempt as values: what a row means, and how the API shows it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import RowMapping

from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.tables import USAGE


def seconds(moment: datetime | None) -> float | None:
    """A time as Unix seconds with milliseconds, as the API gives it."""
    return None if moment is None else round(moment.timestamp(), 3)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts and who counted them. Unknown is None, never 0."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    source: str
    """`upstream`, `tokenizer` or `estimate`."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self | None:
        """The usage in a row of `jobs` or `attempts`; None when nothing is known."""
        if row["usage_source"] is None:
            return None
        return cls(**{name: row[name] for name in USAGE}, source=row["usage_source"])

    def as_columns(self) -> dict[str, Any]:
        """The same as columns of `jobs` or `attempts`."""
        return {**{name: getattr(self, name) for name in USAGE}, "usage_source": self.source}

    def as_json(self) -> dict[str, Any]:
        """The same as the API shows it."""
        return {**{name: getattr(self, name) for name in USAGE}, "source": self.source}


@dataclass(frozen=True, slots=True)
class Job:
    """One generation, without its text. Its fields are the columns of `jobs`."""

    id: str
    project: str
    batch_id: str | None
    custom_id: str | None
    model: str
    status: JobStatus
    priority: int
    max_attempts: int
    on_interrupt: str
    attempt: int
    worker: str | None
    lease_until: datetime | None
    due_at: datetime
    hinted_at: datetime | None
    cancel_requested_at: datetime | None
    failures: int
    crashes: int
    rate_limits: int
    drains: int
    created_at: datetime
    started_at: datetime | None
    first_delta_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    finish_reason: str | None
    incomplete: str | None
    """Why the text of a completed job is cut short; None for a whole one."""
    text_attempt: int | None
    """The attempt whose text is stored, once the job has ended."""
    bytes: int | None
    sha256: str | None
    usage: Usage | None
    text_tokens: int | None
    text_tokens_source: str | None
    upstream_id: str | None
    upstream_model: str | None
    error_code: str | None
    error_message: str | None
    error_status: int | None
    """The HTTP status with which the upstream refused it, if that is why it ended."""
    upstream: str | None
    """Where it is reserved or runs, or where its last attempt ended it; None while it waits."""
    refusals: int
    refused_at: datetime | None
    metadata: dict[str, str]
    request: dict[str, Any] | None
    """The chat-completions body; None when it was not read."""
    message: dict[str, Any] | None
    """What came beside the text; None when there was nothing, or when it was not read."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        """A job from a row of `jobs`, with or without its `request` and `message`."""
        made = ("usage", "request", "message", "status")
        plain = {name: row[name] for name in cls.__slots__ if name not in made}
        request, message = (json.loads(row[name]) if row.get(name) else None for name in ("request", "message"))
        status, usage = JobStatus(row["status"]), Usage.from_row(row)
        return cls(**plain, status=status, usage=usage, request=request, message=message)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in FINAL

    def as_json(self) -> dict[str, Any]:
        """The job as the API shows it. Times are Unix seconds."""
        shown: dict[str, Any] = {
            "id": self.id,
            "object": "job",
            "status": str(self.status),
            "batch_id": self.batch_id,
            "custom_id": self.custom_id,
            "model": self.model,
            "upstream": self.upstream,
            "metadata": self.metadata,
            "priority": self.priority,
            "max_attempts": self.max_attempts,
            "attempt": self.attempt,
            "failures": self.failures,
            "crashes": self.crashes,
            "rate_limits": self.rate_limits,
            "drains": self.drains,
            "created_at": seconds(self.created_at),
            "due_at": seconds(self.due_at) if self.status is JobStatus.QUEUED else None,
            "started_at": seconds(self.started_at),
            "first_delta_at": seconds(self.first_delta_at),
            "finished_at": seconds(self.finished_at),
            "expires_at": seconds(self.expires_at),
            "cancel_requested_at": seconds(self.cancel_requested_at),
            "finish_reason": self.finish_reason,
            "incomplete": {"reason": self.incomplete} if self.incomplete else None,
            "text_attempt": self.text_attempt,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "usage": self.usage.as_json() if self.usage else None,
            "text_tokens": self.text_tokens,
            "text_tokens_source": self.text_tokens_source,
            "upstream_id": self.upstream_id,
            "upstream_model": self.upstream_model,
            "error": {"code": self.error_code, "message": self.error_message} if self.error_code else None,
        }
        if self.request is not None:
            shown["request"] = self.request
        if self.message is not None:
            shown["message"] = self.message
        return shown


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job: worker, times, outcome, and what it cost."""

    attempt: int
    worker: str
    started_at: datetime
    first_delta_at: datetime | None
    finished_at: datetime | None
    outcome: AttemptOutcome | None
    error_code: str | None
    error_message: str | None
    deltas: int | None
    bytes: int | None
    continued_bytes: int | None
    upstream: str | None
    usage: Usage | None

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        """An attempt from its row."""
        plain = {name: row[name] for name in cls.__slots__ if name not in ("usage", "outcome")}
        outcome = AttemptOutcome(row["outcome"]) if row["outcome"] else None
        return cls(**plain, outcome=outcome, usage=Usage.from_row(row))

    def as_json(self) -> dict[str, Any]:
        """The attempt as the API shows it. `outcome` is null while it runs."""
        return {
            "attempt": self.attempt,
            "worker": self.worker,
            "upstream": self.upstream,
            "started_at": seconds(self.started_at),
            "first_delta_at": seconds(self.first_delta_at),
            "finished_at": seconds(self.finished_at),
            "outcome": str(self.outcome) if self.outcome else None,
            "error": {"code": self.error_code, "message": self.error_message} if self.error_code else None,
            "deltas": self.deltas,
            "bytes": self.bytes,
            "continued_bytes": self.continued_bytes,
            "usage": self.usage.as_json() if self.usage else None,
        }
