"""Submit: the one transaction that accepts jobs. The row is the outbox; dispatch is woken after the commit."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from jobs.intake.idempotency import IdempotencyKey, hold_key
from jobs.model.ids import new_id, new_ids
from jobs.model.retention import Retention
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.job_requests import NewRow, insert_long, new_row
from jobs.store.metadata_pairs import add_pairs
from jobs.store.pages import in_portions
from jobs.tables import DEFAULT_PROJECT, batches, jobs, responses, webhooks
from jobs.trace_context import TRACEPARENT
from jobs.webhooks.endpoints import NewWebhook, endpoint_row

_KEPT = {"keep_seconds": None, "keep_from": None, "erase_at": None}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to submit. `request` is the chat-completions body as it goes upstream."""

    request: Mapping[str, Any]
    custom_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    max_attempts: int = 3
    on_interrupt: str = "restart"
    max_continuations: int | None = None
    """How often it may ask for the rest of its text at the token limit; None: not at all."""
    expires_at: datetime | None = None
    only_upstream: str | None = None
    """The one upstream that may run it."""
    accept: Mapping[str, Any] | None = None
    """What its text must satisfy (`jobs/acceptance/rules.py`)."""
    on_reject: str = "fail"
    max_repairs: int = 2
    cells: Mapping[str, str] | None = None
    """The row of a table that it was made of, by column."""
    response: Mapping[str, Any] | None = None
    """What the client sent, if it is a Response of a batch (`jobs/lifecycle/responses.py`)."""
    retention: Retention | None = None
    """How long it is kept, if it belongs to no batch; None: as its project says."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submission made. After it has committed, the caller wakes dispatch, which reserves and hints the jobs."""

    id: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a batch says beside its jobs."""

    project: str = DEFAULT_PROJECT
    input_file_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    completion_window: str | None = None
    completion_seconds: float | None = None
    output_seconds: int | None = None
    idempotency_key: IdempotencyKey | None = None
    max_concurrency: int | None = None
    """How many of its jobs may run at once."""
    endpoint: str = "/v1/chat/completions"
    """What the requests are for, and in what form the outputs are."""
    webhook: NewWebhook | None = None
    """Whom to tell of what happens to it."""
    retention: Retention | None = None
    """How long it is kept with its jobs; None: as its project says."""

    def expires_at(self, begun_at: datetime) -> datetime | None:
        """When the completion window closes, for a batch that was begun at this time."""
        return None if self.completion_seconds is None else begun_at + timedelta(seconds=self.completion_seconds)


def submit_job(
    database: Database,
    job: NewJob,
    *,
    project: str = DEFAULT_PROJECT,
    idempotency_key: IdempotencyKey | None = None,
    response: Mapping[str, Any] | None = None,
) -> Accepted:
    """Store one job. A repeated key gives the job that it made the first time. Raises `KeyReusedError`.

    `response` is what the client sent, if it wants the job as a Response (`jobs/lifecycle/responses.py`).
    """
    with database.write() as connection:
        now = database.now()
        job_id = new_id("job", now)
        known = hold_key(connection, database, project, idempotency_key, job_id)
        if known is not None:
            return Accepted(known, repeated=True)
        insert_jobs(connection, [job_row(job_id, project, None, job, now)])
        if response is not None:
            row = _response_row(job_id, project, response, now)
            row["deleted_at"] = now if response.get("store") is False else None
            connection.execute(insert(responses).values(row))
    return Accepted(job_id)


def submit_batch(
    database: Database,
    new_jobs: Sequence[NewJob],
    options: BatchOptions = BatchOptions(),
    *,
    warnings: Sequence[Mapping[str, Any]] = (),
) -> Accepted:
    """Store a batch whole or not at all. Raises `KeyReusedError`."""
    with database.write() as connection:
        now = database.now()
        batch_id = new_id("batch", now)
        ids = new_ids("job", len(new_jobs), now)
        known = hold_key(connection, database, options.project, options.idempotency_key, batch_id)
        if known is not None:
            return Accepted(known, repeated=True)
        model = one_model({job.request["model"] for job in new_jobs})
        row = batch_row(batch_id, options, model, len(new_jobs), now, now)
        connection.execute(insert(batches).values({**row, "warnings": list(warnings) or None}))
        insert_webhook(connection, options, batch_id, now)
        expires_at = options.expires_at(now)
        rows = (
            job_row(job_id, options.project, batch_id, job, now, expires_at)
            for job_id, job in zip(ids, new_jobs, strict=True)
        )
        for some in in_portions(rows):
            insert_jobs(connection, some)
        insert_responses(connection, options.project, zip(ids, new_jobs, strict=True), now)
    return Accepted(batch_id)


def batch_row(
    batch_id: str, options: BatchOptions, model: str | None, total: int, begun_at: datetime, now: datetime
) -> dict[str, Any]:
    """A new batch as a row of `batches`. Its submission began at `begun_at`, which its window counts from."""
    return {
        "id": batch_id,
        "project": options.project,
        "status": BatchStatus.IN_PROGRESS,
        "endpoint": options.endpoint,
        "input_file_id": options.input_file_id,
        "output_seconds": options.output_seconds,
        "model": model,
        "metadata": dict(options.metadata),
        "completion_window": options.completion_window,
        "created_at": begun_at,
        "in_progress_at": now,
        "expires_at": options.expires_at(begun_at),
        "dispatched_at": now,
        "total": total,
        "max_concurrency": options.max_concurrency,
        **(options.retention.as_columns(begun_at) if options.retention else {}),
    }


def insert_webhook(connection: Connection, options: BatchOptions, batch_id: str, now: datetime) -> None:
    """Insert the endpoint of a new batch, if it is to have one."""
    wanted = options.webhook
    if wanted is not None:
        row = endpoint_row(now, project=options.project, url=wanted.url, events=wanted.events, batch_id=batch_id)
        connection.execute(insert(webhooks).values(row))


def one_model(models: Collection[str]) -> str | None:
    """The model of a whole batch; None when its jobs have several."""
    return next(iter(models)) if len(models) == 1 else None


def insert_jobs(connection: Connection, rows: Sequence[NewRow]) -> None:
    """Insert new jobs, whose rows `job_row` has made, and the pairs of their metadata, by which lists find them."""
    own = [row.job for row in rows]
    connection.execute(insert(jobs), own)
    insert_long(connection, rows)
    add_pairs(connection, own)


def insert_responses(
    connection: Connection, project: str, new_jobs: Iterable[tuple[str, NewJob]], now: datetime
) -> None:
    """Insert what was asked for with those of the new jobs that are Responses."""
    asked = ((job_id, job.response) for job_id, job in new_jobs)
    rows = (_response_row(job_id, project, response, now) for job_id, response in asked if response is not None)
    for some in in_portions(rows):
        connection.execute(insert(responses), some)


def _response_row(job_id: str, project: str, response: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    asked = json.dumps(response, separators=(",", ":"))
    return {"job_id": job_id, "project": project, "request": asked, "created_at": now}


def job_row(
    job_id: str,
    project: str,
    batch_id: str | None,
    job: NewJob,
    now: datetime,
    expires_at: datetime | None = None,
) -> NewRow:
    row = {
        "id": job_id,
        "project": project,
        "batch_id": batch_id,
        "custom_id": job.custom_id,
        "model": job.request["model"],
        "status": JobStatus.QUEUED,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "on_interrupt": job.on_interrupt,
        "max_continuations": job.max_continuations,
        "attempt": 0,
        "due_at": now,
        "failures": 0,
        "crashes": 0,
        "rate_limits": 0,
        "drains": 0,
        "created_at": now,
        "expires_at": job.expires_at or expires_at,
        "only_upstream": job.only_upstream,
        "on_reject": job.on_reject,
        "max_repairs": job.max_repairs,
        "traceparent": TRACEPARENT.get(),
        # Said of every row: those of one statement have the same columns.
        **(job.retention.as_columns(now) if job.retention else _KEPT),
        "metadata": dict(job.metadata),
        "request": json.dumps(job.request, separators=(",", ":")),
        "accept": json.dumps(job.accept, separators=(",", ":")) if job.accept else None,
        "cells": json.dumps(job.cells, separators=(",", ":")) if job.cells else None,
    }
    return new_row(row, job.request)
