"""Retry by hand: jobs that ended without a whole text run again, in place.

A job keeps its id and its history, and its next attempt takes the next number. No number is used twice, so neither a
watcher nor a zombie of an earlier attempt can confuse the two. The text that a job has is kept until the job completes
(`jobs/store/stored_texts.py`): if the new attempts write less, it is stored again.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from jobs.dispatch.due import BY_ID
from jobs.lifecycle.erase import NOBODY
from jobs.live.status_changes import StatusChange
from jobs.model.cut_short import IS_CUT_SHORT
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.batch_counts import count_jobs
from jobs.store.database import Database
from jobs.store.files import forget_bytes
from jobs.store.pages import in_portions
from jobs.tables import USAGE, batches, jobs

RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.CANCELLED})
"""A completed job is never run again, unless its text was cut short: it has been paid for and may have been read."""

MOST_RETRIED = 500
"""In one transaction."""

FAILURES = frozenset({JobStatus.FAILED, JobStatus.EXPIRED})
"""What is retried unless the user says otherwise. A cancelled job was not wanted."""

_FORGOTTEN = (
    "finished_at", "first_delta_at", "finish_reason", "incomplete", "text_attempt", "message", "bytes", "sha256",
    *USAGE, "usage_source", "text_tokens", "text_tokens_source", "upstream_id",
    "reasoning_bytes", "reasoning_sha256", "reasoning_text_tokens", "reasoning_text_tokens_source",
    "upstream_model", "error_code", "error_message", "error_status", "repairs", "rejected_attempt",
    "hinted_at", "lease_until", "cancel_requested_at", "refused_at",
    "upstream", "last_upstream", "reserved_tokens", "release_requested_at",
)  # fmt: skip
"""What a job has no more when it runs again: its result, its place, and requests to end it."""

_FROM_ZERO = ("failures", "crashes", "rate_limits", "drains", "refusals")


class BatchCancellingError(Exception):
    """The batch is being cancelled: it must have ended before its jobs can run again."""


def retry_batch(
    database: Database, batch_id: str, statuses: Collection[JobStatus] = FAILURES, *, incomplete: bool = False
) -> list[StatusChange]:
    """Queue the jobs of a batch again that ended in one of these statuses, and open the batch. `incomplete` adds the
    completed ones whose text was cut short.

    The counts of failures and crashes start again from zero, and the completion window opens again. Empty when there is
    nothing to retry, so a second call changes nothing. Raises `BatchCancellingError`.
    """
    return _retry(database, batch_id, jobs.c.batch_id == batch_id, _ended(statuses, incomplete=incomplete))


def retry_job(database: Database, job_id: str, batch_id: str | None) -> StatusChange | None:
    """Queue a job again that has failed, expired, been cancelled or been cut short; None for any other job.

    Its batch, if it has one, is opened again. Raises `BatchCancellingError`.
    """
    changes = _retry(database, batch_id, jobs.c.id == job_id, _ended(RETRYABLE, incomplete=True))
    return changes[0] if changes else None


def count_retryable(database: Database, batch_id: str) -> dict[str, int]:
    """How many jobs of a batch can be retried, by status; `incomplete` are those whose text was cut short."""
    with database.read() as connection:
        counts = count_jobs(connection, [batch_id]).get(batch_id, {})
        cut_short = select(func.count()).where(jobs.c.batch_id == batch_id, IS_CUT_SHORT)
        counts["incomplete"] = connection.scalars(cut_short).one()
    return {name: count for name, count in counts.items() if count and name in {*RETRYABLE, "incomplete"}}


def _ended(statuses: Collection[JobStatus], *, incomplete: bool) -> ColumnElement[bool]:
    """Jobs that ended so. Only a completed job has `incomplete`."""
    in_status = jobs.c.status.in_(statuses)
    return or_(in_status, IS_CUT_SHORT) if incomplete else in_status


def _retry(
    database: Database, batch_id: str | None, which: ColumnElement[bool], ended: ColumnElement[bool]
) -> list[StatusChange]:
    """In rounds: on SQLite everybody waits for a transaction, and 50,000 jobs in one took 5 s. Whoever ends here leaves
    the others as they ended, to be retried again.
    """
    with database.read() as connection:
        ids = connection.scalars(select(jobs.c.id).where(which, ended).order_by(jobs.c.id)).all()
    queued: list[StatusChange] = []
    rounds = list(in_portions(ids, MOST_RETRIED)) or [[]]  # without a job, one that looks whether it is being cancelled
    for some in rounds:
        try:
            queued += _retry_some(database, batch_id, some, ended, goes_on=bool(queued))
        except BatchCancellingError:
            if not queued:
                raise
            break  # since the last round: what is queued ends with the others
    return queued


def _retry_some(
    database: Database, batch_id: str | None, ids: Sequence[str], ended: ColumnElement[bool], *, goes_on: bool
) -> list[StatusChange]:
    """One round. `goes_on` says that an earlier round has opened the batch: if somebody cancelled it since, we stop."""
    now = database.now()
    with database.write() as connection:
        expires_at = None
        outputs: list[str | None] = []
        if batch_id is not None:
            # The batch is locked first, so that nobody ends it after its jobs are queued and before it is opened.
            batch = connection.execute(select(batches).where(batches.c.id == batch_id).with_for_update()).one_or_none()
            if batch is None or batch.project == NOBODY:  # it is being erased
                return []
            if batch.status == BatchStatus.CANCELLING or (goes_on and batch.status == BatchStatus.CANCELLED):
                raise BatchCancellingError
            outputs = [batch.output_file_id, batch.error_file_id]
            if batch.expires_at is not None and batch.in_progress_at is not None:
                expires_at = now + (batch.expires_at - batch.in_progress_at)
        values: dict[str, Any] = dict.fromkeys(_FORGOTTEN) | dict.fromkeys(_FROM_ZERO, 0)
        values |= {"status": JobStatus.QUEUED, "due_at": now, "expires_at": expires_at}
        # Locked by id, as everybody does who takes many rows.
        locked = select(jobs.c.id).with_hint(jobs, **BY_ID).where(jobs.c.id.in_(ids), ended)
        locked = locked.order_by(jobs.c.id).with_for_update()
        queued = connection.execute(
            update(jobs)
            .with_hint(**BY_ID)
            .where(jobs.c.id.in_(locked), ended)
            .values(values)
            .returning(jobs.c.id, jobs.c.batch_id, jobs.c.attempt)
        ).all()
        if queued and batch_id is not None:
            _open(connection, batch_id, {"in_progress_at": now, "expires_at": expires_at})
            forget_bytes(connection, outputs)
    return [StatusChange(row.id, row.batch_id, row.attempt, JobStatus.QUEUED) for row in queued]


def _open(connection: Connection, batch_id: str, times: dict[str, Any]) -> None:
    """Take a batch back to `in_progress`. Until it ends again, its counts are counted from its jobs."""
    ends = ("finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")
    frozen = ("completed", "failed", "incomplete", "usage")
    connection.execute(
        update(batches)
        .where(batches.c.id == batch_id)
        .values(status=BatchStatus.IN_PROGRESS, **times, **dict.fromkeys(ends + frozen))
    )
