"""A job and an attempt as values: what a row means, and how the API shows it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import RowMapping

from jobs.model.cost import Cost
from jobs.model.cut_short import why_cut_short
from jobs.model.retention import Retention, delete_at
from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.tables import USAGE


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
    reasoning_bytes: int | None
    reasoning_sha256: str | None
    reasoning_text_tokens: int | None
    reasoning_text_tokens_source: str | None
    upstream_id: str | None
    upstream_model: str | None
    error_code: str | None
    error_message: str | None
    error_status: int | None
    """The HTTP status with which the upstream refused it, if that is why it ended."""
    max_continuations: int | None
    """How often it may ask for the rest of its text at the token limit; None: not at all."""
    upstream: str | None
    """Where it is reserved or runs, or where its last attempt ended it; None while it waits."""
    only_upstream: str | None
    """The one upstream that may run it; None: any that takes its model."""
    refusals: int
    refused_at: datetime | None
    on_reject: str | None
    """What becomes of a text that is not accepted; None, of an older version: it fails."""
    max_repairs: int | None
    repairs: int | None
    """How often it asked for a repair; None: never."""
    traceparent: str | None
    """The trace of the request that submitted it."""
    retention: Retention | None
    """How long it is kept after all; None: as its project says, or as long as its batch."""
    delete_at: datetime | None
    """When it is to be deleted, where its project's default was read, too; None: not known yet, or never."""
    metadata: dict[str, str]
    request: dict[str, Any] | None
    """The chat-completions body; None when it was not read."""
    message: dict[str, Any] | None
    """What came beside the text; None when there was nothing, or when it was not read."""
    accept: dict[str, Any] | None
    """The rules for the text; None when there are none, or when they were not read."""
    cells: dict[str, str] | None
    """The row of a table that it was made of, by column; None when it was made of none, or when it was not read."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        """A job from a row of `jobs`, with or without its `request`, `message`, `accept` and `cells`."""
        as_json = ("request", "message", "accept", "cells")
        made = (*as_json, "usage", "status", "retention", "delete_at", "upstream", "incomplete")
        plain = {name: row[name] for name in cls.__slots__ if name not in made}
        decoded: dict[str, Any] = {name: json.loads(row[name]) if row.get(name) else None for name in as_json}
        status = JobStatus(row["status"])
        gone = delete_at(row, row["finished_at"] if status in FINAL else None) if row["batch_id"] is None else None
        kept = Retention.from_row(row)
        # It has left its lane, while its text waited for its check.
        upstream = row["last_upstream"] if row["upstream"] == "" else row["upstream"]
        return cls(
            **plain,
            **decoded,
            status=status,
            upstream=upstream,
            incomplete=why_cut_short(row),
            usage=Usage.from_row(row),
            retention=kept,
            delete_at=gone,
        )

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


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
    rejections: list[dict[str, Any]] | None
    """Why its text was not accepted; None when it was, or when nothing was asked of it."""
    deltas: int | None
    bytes: int | None
    continued_bytes: int | None
    upstream: str | None
    segments: str | None
    """As they are stored; `jobs/model/segments.py` reads them."""
    usage: Usage | None
    cost: Cost | None
    """None: unknown, or it runs."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        made = ("usage", "outcome", "rejections", "cost")
        plain = {name: row[name] for name in cls.__slots__ if name not in made}
        outcome = AttemptOutcome(row["outcome"]) if row["outcome"] else None
        rejections = json.loads(row["rejections"]) if row["rejections"] else None
        cost, usage = Cost.from_row(row), Usage.from_row(row)
        return cls(**plain, outcome=outcome, usage=usage, rejections=rejections, cost=cost)
