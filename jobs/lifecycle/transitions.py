"""The transitions that a running worker makes, each one guarded UPDATE. `jobs/model/status.py` says where the others
are.

A transition out of `in_progress` names the attempt it belongs to. The attempt is the fence: a claim takes the next
number and no number is used twice, so a worker that was thought dead changes no row when it wakes up.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from jobs.dispatch.due import WENT_TO
from jobs.lifecycle.columns import attempt_changes, final_changes, job_changes, text_row
from jobs.model.endings import CANCELLED, EXPIRED, AttemptResult, JobError
from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.rejected_texts import keep_rejected
from jobs.store.stored_texts import store_completed_texts, store_last_text
from jobs.tables import attempts, jobs
from jobs.webhooks.events import add_job_events, has_listener


def finish(database: Database, job_id: str, attempt: int, written: AttemptResult) -> bool:
    """Store the text of a job that has completed. False: the lease was lost, and the text must be thrown away."""
    changes = final_changes(database.now(), JobStatus.COMPLETED, attempt, written)
    return _leave(database, job_id, attempt, AttemptOutcome.COMPLETED, written, changes)


def finish_many(database: Database, finished: Sequence[tuple[str, int, AttemptResult]]) -> list[bool | None]:
    """`finish` for several jobs and attempts in one transaction.

    None: not stored; finish it alone. That is so for a lost lease, for a row that another process has locked (the
    others must not wait), and for a text without usage.
    """
    with database.write() as connection:
        now = database.now()
        held = _lock_held(connection, [job_id for job_id, _, _ in finished])
        # Rows without usage set fewer columns, so they cannot share this executemany.
        stored = [item for item in finished if (item[0], item[1]) in held and item[2].usage is not None]
        if stored:
            ends, own, final_texts = [], [], []
            for job_id, attempt, written in stored:
                of = {"of_job": job_id, "of_attempt": attempt}
                ends.append(job_changes(final_changes(now, JobStatus.COMPLETED, attempt, written), None) | of)
                own.append(attempt_changes(now, AttemptOutcome.COMPLETED, written, None) | of)
                final_texts.append(text_row(job_id, attempt, written))
            connection.execute(_leaving(), ends)
            connection.execute(_ending(), own)
            store_completed_texts(connection, final_texts)
            if heard := [job_id for job_id, attempt, _ in stored if held[job_id, attempt]]:
                add_job_events(connection, now, heard)
    done = {job_id for job_id, _, _ in stored}
    return [True if job_id in done else None for job_id, _, _ in finished]


def _lock_held(connection: Connection, job_ids: Sequence[str]) -> dict[tuple[str, int], bool]:
    """Lock those of these jobs that run and nobody else has locked, by id, as everybody does; with their attempts, and
    whether a webhook hears of their end.
    """
    rows = connection.execute(_running(), {"ids": list(job_ids)})
    return {(row.id, row.attempt): row.has_listener for row in rows}


def fail(database: Database, job_id: str, attempt: int, written: AttemptResult, error: JobError) -> bool:
    """End a job as failed, charge it one failure and keep what was written. False: the lease was lost."""
    changes = final_changes(database.now(), JobStatus.FAILED, attempt, written)
    changes["failures"] = jobs.c.failures + 1
    return _leave(database, job_id, attempt, _outcome_of(error), written, changes, error)


def cancel_running(database: Database, job_id: str, attempt: int, written: AttemptResult) -> bool:
    """End a running job as cancelled and keep what was written. False: the lease was lost."""
    changes = final_changes(database.now(), JobStatus.CANCELLED, attempt, written)
    return _leave(database, job_id, attempt, AttemptOutcome.CANCELLED, written, changes, CANCELLED)


def expire_running(database: Database, job_id: str, attempt: int, written: AttemptResult) -> bool:
    """End a running job whose `expires_at` has passed and keep what was written. False: the lease was lost."""
    changes = final_changes(database.now(), JobStatus.EXPIRED, attempt, written)
    return _leave(database, job_id, attempt, AttemptOutcome.EXPIRED, written, changes, EXPIRED)


def retry(
    database: Database,
    job_id: str,
    attempt: int,
    written: AttemptResult,
    error: JobError,
    due_at: datetime,
    *,
    last: Callable[[Connection], object] = lambda _: None,
) -> bool:
    """Queue a job again for `due_at` after a failure, and charge it one. False: the lease was lost.

    `last` is called at the end of the transaction.
    """
    changes = _queued(due_at, failures=jobs.c.failures + 1)
    return _leave(database, job_id, attempt, _outcome_of(error), written, changes, error, last)


def ask_for_repair(database: Database, job_id: str, attempt: int, written: AttemptResult, error: JobError) -> bool:
    """Queue a job again to have this text repaired, counted apart from failures. False: the lease was lost."""
    changes = _queued(database.now(), repairs=func.coalesce(jobs.c.repairs, 0) + 1, rejected_attempt=attempt)
    keep = partial(keep_rejected, job_id=job_id, attempt=attempt, text=written.text)
    return _leave(database, job_id, attempt, AttemptOutcome.NOT_ACCEPTED, written, changes, error, keep)


def _outcome_of(error: JobError) -> AttemptOutcome:
    return AttemptOutcome.NOT_ACCEPTED if error.rejections else AttemptOutcome.FAILED


def wait_for_limit(
    database: Database,
    job_id: str,
    attempt: int,
    written: AttemptResult,
    error: JobError,
    due_at: datetime,
    *,
    alone: bool = False,
) -> bool:
    """Queue a job again for `due_at` when the upstream rate-limits; nothing is charged. False: the lease was lost.

    `alone`: others were accepted since it was last refused, so it counts as the job's own refusal.
    """
    changes = _queued(due_at, refusals=jobs.c.refusals + int(alone), refused_at=database.now())
    changes["rate_limits"] = jobs.c.rate_limits + 1
    return _leave(database, job_id, attempt, AttemptOutcome.RATE_LIMITED, written, changes, error)


def hold_back(
    database: Database,
    job_id: str,
    attempt: int,
    written: AttemptResult,
    error: JobError,
    due_at: datetime,
    *,
    refused: bool,
) -> bool:
    """Queue a job again that failed by its upstream's fault; nothing is charged. False: the lease was lost.

    `refused` counts it among those that the upstream refused while it took others: too many of these end a job.
    """
    changes = _queued(due_at, refusals=jobs.c.refusals + int(refused), refused_at=database.now())
    return _leave(database, job_id, attempt, AttemptOutcome.HELD, written, changes, error)


def release(database: Database, job_id: str, attempt: int, written: AttemptResult) -> bool:
    """Give a running job back because this worker drains; nothing is charged. False: the lease was lost."""
    changes = _queued(database.now(), drains=jobs.c.drains + 1)
    return _leave(database, job_id, attempt, AttemptOutcome.RELEASED, written, changes)


def leave_lane(database: Database, job_id: str, attempt: int) -> bool:
    """Free the place in its lane of a running job whose stream has ended, while its text waits for its check.

    Where it was is kept as `last_upstream`, and the empty `upstream` is that of no lane, also for a version before.
    """
    mine = (jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == JobStatus.IN_PROGRESS)
    with database.write() as connection:
        left = update(jobs).where(*mine, jobs.c.upstream > "")
        connection.execute(left.values(last_upstream=jobs.c.upstream, upstream=""))
    return True


UNRESERVED = {"hinted_at": None, "last_upstream": WENT_TO, "upstream": None, "reserved_tokens": None,
              "release_requested_at": None}  # fmt: skip
"""What becomes of the place that a running job had, when it goes back to the queue."""


def _queued(due_at: datetime, **counted: object) -> dict[str, Any]:
    """The changes of a job that goes back to the queue, with what is counted for it."""
    return {"status": JobStatus.QUEUED, "due_at": due_at, **UNRESERVED, **counted}


def _leave(
    database: Database,
    job_id: str,
    attempt: int,
    outcome: AttemptOutcome,
    written: AttemptResult,
    changes: dict[str, Any],
    error: JobError | None = None,
    last: Callable[[Connection], object] = lambda _: None,
) -> bool:
    """Take a job out of `in_progress`: the job, its attempt and its text, in one transaction behind the fence."""
    with database.write() as connection:
        of_attempt = {"of_job": job_id, "of_attempt": attempt}
        left = _leave_row(connection, job_changes(changes, error), of_attempt)
        if left is None:
            # A caller tries again after a commit that was carried out but reported an error: then its own outcome is
            # there. A rescued attempt has the outcome `lost`, which no worker writes for itself.
            own = select(attempts.c.outcome).where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
            return connection.scalar(own) == outcome
        connection.execute(_ending(), attempt_changes(database.now(), outcome, written, error) | of_attempt)
        store_last_text(connection, changes["status"], text_row(job_id, attempt, written))
        if left.has_listener and changes["status"] in FINAL:
            add_job_events(connection, database.now(), [job_id])
        last(connection)
    return True


def _leave_row(connection: Connection, changes: Mapping[str, Any], of_attempt: Mapping[str, Any]) -> Row[Any] | None:
    """Change the job's row behind the fence; whether a webhook hears of its end. None: the lease was lost."""
    computed = {name: value for name, value in changes.items() if isinstance(value, ColumnElement)}
    plain = {name: value for name, value in changes.items() if name not in computed}
    leave = _leaving_one()
    if computed:
        leave = leave.values(computed)
    return connection.execute(leave, {**plain, **of_attempt}).one_or_none()


# These statements are built once: to build one takes longer than SQLite takes to run it.


@cache
def _leaving() -> Update:
    """The fence: the attempt is the current one, and runs."""
    job_id: BindParameter[str] = bindparam("of_job")
    attempt: BindParameter[int] = bindparam("of_attempt")
    fence = and_(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == JobStatus.IN_PROGRESS)
    return update(jobs).where(fence)


@cache
def _leaving_one() -> ReturningUpdate[Any]:
    return _leaving().returning(has_listener())


@cache
def _ending() -> Update:
    return update(attempts).where(
        attempts.c.job_id == bindparam("of_job"), attempts.c.attempt == bindparam("of_attempt")
    )


@cache
def _running() -> Select[Any]:
    wanted = select(jobs.c.id, jobs.c.attempt, has_listener())
    running = wanted.where(jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.status == JobStatus.IN_PROGRESS)
    return running.order_by(jobs.c.id).with_for_update(skip_locked=True)
