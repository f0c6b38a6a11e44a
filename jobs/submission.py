"""Submit: the one transaction that accepts jobs. The row is the outbox; hints follow after the commit."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from jobs.database import Database
from jobs.ids import new_ids
from jobs.status import BatchStatus, JobStatus
from jobs.tables import DEFAULT_PROJECT, batches, idempotency_keys, jobs

_ROWS_PER_INSERT = 500


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to submit. `request` is the chat-completions body as it goes upstream."""

    request: Mapping[str, Any]
    custom_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    max_attempts: int = 3
    on_interrupt: str = "restart"
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The client's key for one submission, and the fingerprint of what it submitted with it."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, body: bytes) -> "IdempotencyKey":
        """The key, with the SHA-256 of the body as it came."""
        return cls(key, sha256(body).hexdigest())


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submission made: the ids, and those of them that are hinted now. Nothing is hinted for a repeated key."""

    id: str
    hinted: Sequence[str]
    repeated: bool = False


class KeyReusedError(Exception):
    """An `Idempotency-Key` came again with another body."""


def submit_job(
    database: Database,
    job: NewJob,
    *,
    project: str = DEFAULT_PROJECT,
    idempotency_key: IdempotencyKey | None = None,
) -> Accepted:
    """Store one job. A repeated key gives the job that it made the first time, or `KeyReusedError`."""
    with database.write() as connection:
        now = database.now()
        job_id = new_ids("job", 1, now)[0]
        known = _hold_key(connection, database, project, idempotency_key, job_id)
        if known is not None:
            return Accepted(known, (), repeated=True)
        connection.execute(insert(jobs), [_row(job_id, project, None, job, now, hinted_at=now)])
    return Accepted(job_id, (job_id,))


def submit_batch(
    database: Database,
    new_jobs: Sequence[NewJob],
    *,
    project: str = DEFAULT_PROJECT,
    metadata: Mapping[str, str],
    completion_window: str | None = None,
    completion_seconds: float | None = None,
    idempotency_key: IdempotencyKey | None = None,
    hint_first: int = 32,
) -> Accepted:
    """Store a batch whole or not at all. Raises `KeyReusedError`.

    The first `hint_first` jobs are marked as hinted, for the caller to hint now; dispatch hints the others in turn.
    """
    with database.write() as connection:
        now = database.now()
        batch_id = new_ids("batch", 1, now)[0]
        ids = new_ids("job", len(new_jobs), now)
        known = _hold_key(connection, database, project, idempotency_key, batch_id)
        if known is not None:
            return Accepted(known, (), repeated=True)
        expires_at = now + timedelta(seconds=completion_seconds) if completion_seconds is not None else None
        connection.execute(
            insert(batches).values(
                id=batch_id,
                project=project,
                status=BatchStatus.IN_PROGRESS,
                endpoint="/v1/chat/completions",
                metadata=dict(metadata),
                completion_window=completion_window,
                created_at=now,
                in_progress_at=now,
                expires_at=expires_at,
                dispatched_at=now,
                total=len(new_jobs),
            )
        )
        rows = (
            _row(
                job_id,
                project,
                batch_id,
                job,
                now,
                hinted_at=now if place < hint_first else None,
                expires_at=expires_at,
            )
            for place, (job_id, job) in enumerate(zip(ids, new_jobs, strict=True))
        )
        for chunk in _chunks(rows):
            connection.execute(insert(jobs), chunk)
    return Accepted(batch_id, ids[:hint_first])


def _hold_key(
    connection: Connection,
    database: Database,
    project: str,
    idempotency_key: IdempotencyKey | None,
    resource_id: str,
) -> str | None:
    """Take the key for this submission; the resource that it stands for already, if there is one."""
    if idempotency_key is None:
        return None
    dialect = sqlite if database.is_sqlite else postgresql
    taken = connection.execute(
        dialect.insert(idempotency_keys)
        .values(
            project=project,
            key=idempotency_key.key,
            fingerprint=idempotency_key.fingerprint,
            resource_id=resource_id,
            created_at=database.now(),
        )
        # PostgreSQL waits here for a submission with the same key that has not committed yet.
        .on_conflict_do_nothing(index_elements=[idempotency_keys.c.project, idempotency_keys.c.key])
        # Not the row count: of an INSERT on PostgreSQL, SQLAlchemy says -1.
        .returning(idempotency_keys.c.key)
    )
    if taken.one_or_none() is not None:
        return None
    row = connection.execute(
        select(idempotency_keys.c.fingerprint, idempotency_keys.c.resource_id).where(
            idempotency_keys.c.project == project, idempotency_keys.c.key == idempotency_key.key
        )
    ).one()
    if row.fingerprint != idempotency_key.fingerprint:
        raise KeyReusedError
    return str(row.resource_id)


def _row(
    job_id: str,
    project: str,
    batch_id: str | None,
    job: NewJob,
    now: datetime,
    hinted_at: datetime | None,
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "id": job_id,
        "project": project,
        "batch_id": batch_id,
        "custom_id": job.custom_id,
        "model": job.request["model"],
        "status": JobStatus.QUEUED,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "on_interrupt": job.on_interrupt,
        "attempt": 0,
        "due_at": now,
        "hinted_at": hinted_at,
        "failures": 0,
        "crashes": 0,
        "rate_limits": 0,
        "drains": 0,
        "created_at": now,
        "expires_at": job.expires_at or expires_at,
        "metadata": dict(job.metadata),
        "request": json.dumps(job.request, separators=(",", ":")),
    }


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    rows = iter(rows)
    while chunk := list(islice(rows, _ROWS_PER_INSERT)):
        yield chunk
