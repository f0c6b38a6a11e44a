"""Transitions that no running worker makes for itself: cancel, expire and rescue.

Conditional updates only, so any number of processes may run them at once.
"""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, not_, select, update

from jobs.dispatch.due import BY_ID, is_being_cancelled
from jobs.dispatch.upstream_holds import free_probes
from jobs.lifecycle.columns import why
from jobs.lifecycle.lost import keep_lost_texts
from jobs.lifecycle.transitions import UNRESERVED
from jobs.live.status_changes import EMPTY_SHA256, StatusChange
from jobs.model.endings import CANCELLED, EXPIRED, MAX_CRASHES, WORKER_LOST, JobError
from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.stored_texts import NO_TEXT, StoredText, end_with_longest
from jobs.store.text_bytes import first_with_bytes
from jobs.tables import attempts, jobs
from jobs.webhooks.events import add_job_events, first_with_deliveries, has_listener

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Compared with it, "is set" is a range, which SQLite looks up in an index; for IS NOT NULL it would not."""

MOST_ENDED = 200
"""How many queued jobs end in one transaction. The window of a batch of 50,000 closes for all of them at once, and
nobody else could write to SQLite for as long as that took."""

_MOST_RESCUED = 500
"""In one transaction."""


def cancel_job(database: Database, job_id: str) -> StatusChange | None:
    """Cancel a job: a queued one ends here, a running one is asked to, and its worker ends it within 2 s.

    None when there is no such job or it has ended; nothing is changed then.
    """
    with database.write() as connection:
        changes = ask_to_end(connection, database, jobs.c.id == job_id)
        changes += end_unstarted(connection, database, jobs.c.id == job_id, JobStatus.CANCELLED, CANCELLED)
    return changes[0] if changes else None


def expire_and_cancel_queued(database: Database) -> list[StatusChange]:
    """End up to `MOST_ENDED` queued jobs that must not run any more, the oldest first, or fewer whose texts are long.

    Call it again for the rest, until it ends none.

    They are past their `expires_at`, or somebody asked to cancel them while their attempt was ending for another
    reason. Running jobs are ended by their workers, and those of a cancelled batch by `jobs/lifecycle/cancel_batch.py`.
    """
    # A job that was cancelled in time ends as cancelled, although the cancel of its batch has not come to it yet.
    late = and_(jobs.c.expires_at <= database.now(), not_(is_being_cancelled()))
    expired = and_(jobs.c.status == JobStatus.QUEUED, late)
    asked = and_(jobs.c.status == JobStatus.QUEUED, jobs.c.cancel_requested_at > _LONG_AGO)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        for which in (asked, expired):  # apart, because an OR of the two reads every queued row
            if connection.scalar(select(jobs.c.id).where(which).limit(1)) is not None:
                break
        else:
            return []
    with database.write() as connection:
        changes = _end_some(
            connection, database, asked, jobs.c.cancel_requested_at, JobStatus.CANCELLED, CANCELLED, MOST_ENDED
        )
        left = MOST_ENDED - len(changes)
        changes += _end_some(connection, database, expired, jobs.c.expires_at, JobStatus.EXPIRED, EXPIRED, left)
    return changes


def has_expired_lease(database: Database) -> bool:
    """Whether a lease has run out. To read this costs others nothing; to take jobs keeps them from writing."""
    lost = select(jobs.c.id).where(jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.lease_until < database.now())
    with database.read() as connection:
        return connection.scalar(lost.limit(1)) is not None


def rescue_lost(database: Database, *, run_out_before: datetime | None = None) -> list[StatusChange]:
    """Take jobs whose lease has run out (before a time, if one is given) from their workers, and queue them again.

    A job that somebody wants cancelled ends as cancelled instead, one past its time as expired, and one under which
    `MAX_CRASHES` workers have died as failed (`worker_lost`). The checkpoint is kept, and copied for
    `jobs/lifecycle/lost.py`: counting its tokens takes longer than a rescue may.

    It takes up to `_MOST_RESCUED` at once, or fewer whose texts are long. Call it again for the rest, until it takes
    none.
    """
    return _rescue(database, jobs.c.lease_until < (run_out_before or database.now()))


def rescue_dead(database: Database, worker: str) -> list[StatusChange]:
    """Take all jobs from a worker whose process is known to be gone, although their leases have not run out."""
    changes: list[StatusChange] = []
    while some := _rescue(database, jobs.c.worker == worker):
        changes += some
    return changes


def _rescue(database: Database, which: ColumnElement[bool]) -> list[StatusChange]:
    now = database.now()
    with database.write() as connection:
        lost = connection.execute(
            select(jobs.c.id, jobs.c.attempt, jobs.c.crashes, jobs.c.cancel_requested_at, jobs.c.expires_at)
            .where(jobs.c.status == JobStatus.IN_PROGRESS, which)
            .order_by(jobs.c.id)
            .limit(_MOST_RESCUED)
            # A locked row is being renewed, ended or rescued at this moment.
            .with_for_update(skip_locked=True)
        ).all()
        changes = []
        first = first_with_deliveries(connection, first_with_bytes(connection, [(row.id, row.attempt) for row in lost]))
        for job_id, attempt, crashes, cancel_requested_at, expires_at in lost[: len(first)]:
            if cancel_requested_at is not None:
                status, error = JobStatus.CANCELLED, CANCELLED
            elif expires_at is not None and expires_at <= now:
                status, error = JobStatus.EXPIRED, EXPIRED
            elif crashes + 1 >= MAX_CRASHES:
                status, error = JobStatus.FAILED, WORKER_LOST
            else:
                status, error = JobStatus.QUEUED, None
            change = _rescue_one(connection, database, job_id, attempt, status, error)
            if change is not None:
                changes.append(change)
        # Before a longer text of an earlier attempt takes the place of the one that was lost.
        keep_lost_texts(connection, [(change.id, change.attempt) for change in changes])
        left = end_with_longest(connection, [change.id for change in changes if change.status in FINAL])
    free_probes(database, [change.id for change in changes])
    return [_with_text(change, left.get(change.id, NO_TEXT)) for change in changes]


def ask_to_end(connection: Connection, database: Database, which: ColumnElement[bool]) -> list[StatusChange]:
    """Ask these jobs to end, those that have not; returns those that run."""
    unfinished = jobs.c.status.in_([JobStatus.QUEUED, JobStatus.IN_PROGRESS])
    # Locked first, by id as everybody does who takes many rows.
    connection.execute(select(jobs.c.id).where(which, unfinished).order_by(jobs.c.id).with_for_update())
    connection.execute(
        update(jobs)
        .where(which, unfinished, jobs.c.cancel_requested_at.is_(None))
        .values(cancel_requested_at=database.now())
    )
    columns = (jobs.c.id, jobs.c.batch_id, jobs.c.attempt, jobs.c.status)
    running = connection.execute(select(*columns).where(which, jobs.c.status == JobStatus.IN_PROGRESS)).all()
    return [StatusChange(row.id, row.batch_id, row.attempt, JobStatus(row.status)) for row in running]


def _end_some(
    connection: Connection,
    database: Database,
    which: ColumnElement[bool],
    first: ColumnElement[datetime],
    status: JobStatus,
    error: JobError,
    limit: int,
) -> list[StatusChange]:
    # In the order of the index: to find the first by id, each call would read and sort all that are left.
    some = select(jobs.c.id, jobs.c.attempt).where(which).order_by(first).limit(limit)
    # A locked row is being claimed, cancelled or ended at this moment. Waiting for it while holding others could
    # deadlock with a cancel of the whole batch.
    found = connection.execute(some.with_for_update(skip_locked=True)).all()
    ids = first_with_deliveries(connection, first_with_bytes(connection, found))
    return end_unstarted(connection, database, jobs.c.id.in_(ids), status, error) if ids else []


def end_unstarted(
    connection: Connection,
    database: Database,
    which: ColumnElement[bool],
    status: JobStatus,
    error: JobError,
    asked_at: datetime | None = None,
) -> list[StatusChange]:
    """End queued jobs, given by their ids. They keep the text that an earlier attempt left, with its length and hash.

    `asked_at` is when somebody asked for it, if that does not stand in their rows yet.
    """
    rows = connection.execute(
        update(jobs)
        .with_hint(**BY_ID)
        .where(which, jobs.c.status == JobStatus.QUEUED)
        .values(
            status=status,
            finished_at=database.now(),
            cancel_requested_at=func.coalesce(jobs.c.cancel_requested_at, asked_at),
            bytes=0,
            sha256=EMPTY_SHA256,
            error_status=None,
            **why(error),
        )
        .returning(jobs.c.id, jobs.c.batch_id, jobs.c.attempt, has_listener())
    ).all()
    left = end_with_longest(connection, [row.id for row in rows if row.attempt > 0])
    if heard := [row.id for row in rows if row.has_listener]:
        add_job_events(connection, database.now(), heard)
    ended = [StatusChange(row.id, row.batch_id, row.attempt, status) for row in rows]
    return [_with_text(change, left.get(change.id, NO_TEXT)) for change in ended]


def _with_text(change: StatusChange, stored: StoredText) -> StatusChange:
    return replace(change, **asdict(stored))


def _rescue_one(
    connection: Connection, database: Database, job_id: str, attempt: int, status: JobStatus, error: JobError | None
) -> StatusChange | None:
    """Take one job from its worker. The caller has locked the row, so it has not changed since it was read."""
    now = database.now()
    ended: dict[str, Any] = {"finished_at": now, "bytes": 0, "sha256": EMPTY_SHA256} if status in FINAL else UNRESERVED
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == JobStatus.IN_PROGRESS)
        .values(
            status=status,
            lease_until=None,
            due_at=now,
            crashes=jobs.c.crashes + 1,
            error_status=None,
            **why(error),
            **ended,
        )
        .returning(jobs.c.batch_id, has_listener())
    ).one_or_none()
    if row is None:
        return None
    connection.execute(
        update(attempts)
        .where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
        .values(finished_at=now, outcome=AttemptOutcome.LOST, error_code=WORKER_LOST.code)
    )
    if row.has_listener and status in FINAL:
        add_job_events(connection, now, [job_id])
    return StatusChange(job_id, row.batch_id, attempt, status)
