"""How an attempt ends: what it wrote, and why it wrote no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.model.cost import Cost
from jobs.model.records import Usage
from jobs.model.segments import Segment

MAX_CRASHES = 3
"""A job under which this many workers have died is poison: it ends as `worker_lost`."""


WRITTEN_ANEW = frozenset(("schema_mismatch", "not_accepted", "repetition", "check_failed"))
"""Errors of a text that was whole, or that would only go on with its loop: the next attempt writes it anew, and
continues nothing."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why an attempt did not complete, as the job's row and the API say it."""

    code: str
    message: str
    status: int | None = None
    """The HTTP status with which the upstream refused, when that is the reason."""
    rejections: Sequence[Mapping[str, Any]] = ()
    """Why its text was not accepted, each as a `Rejection`."""


CANCELLED = JobError("cancelled", "the job was cancelled")
EXPIRED = JobError("expired", "the job had not ended when its completion window closed")
WORKER_LOST = JobError("worker_lost", "the worker that ran the job died or was cut off each time it was tried")


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What an attempt wrote, at its end."""

    text: str
    bytes: int
    sha256: str
    deltas: int
    first_delta_at: datetime | None
    usage: Usage | None = None
    text_tokens: int | None = None
    text_tokens_source: str | None = None
    finish_reason: str | None = None
    incomplete: str | None = None
    """Why the text is cut short although the attempt completed; None for a whole one."""
    message: Mapping[str, Any] | None = None
    """What came beside the text, as JSON (`jobs/model/message.py`)."""
    reasoning: str = ""
    reasoning_bytes: int = 0
    reasoning_sha256: str | None = None
    """None without any reasoning."""
    reasoning_text_tokens: int | None = None
    reasoning_text_tokens_source: str | None = None
    segments: tuple[Segment, ...] = ()
    """What each request wrote of the text, if they were several."""
    upstream_id: str | None = None
    upstream_model: str | None = None
    cost: Cost | None = None
    """None: unknown."""
