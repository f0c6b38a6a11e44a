"""Erase: take ended jobs and batches out of every table, in rounds so short that nobody waits for one.

A batch is first moved to the project `NOBODY`, so that every read misses it at once. Its jobs go in rounds after that;
if the process that began stops, the dispatch loop of any worker goes on.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from jobs.dispatch.due import Hint
from jobs.dispatch.holds import HoldKind, forget_hold
from jobs.intake.idempotency import erase_keys
from jobs.model.status import BATCH_FINAL, FINAL
from jobs.store.database import Database
from jobs.store.files import forget_bytes
from jobs.store.job_requests import read_long_requests
from jobs.store.metadata_pairs import remove_pairs
from jobs.tables import (
    attempts,
    batches,
    files,
    holds,
    job_requests,
    jobs,
    lanes,
    longest_texts,
    lost_texts,
    rejected_texts,
    responses,
    texts,
    webhook_deliveries,
    webhooks,
)
from jobs.webhooks.events import MOST_DELIVERIES
from jobs.webhooks.keys import BY_KEY, as_given

NOBODY = ""
"""The project of what was deleted and is not erased yet. No key can belong to it."""

DELETED_MESSAGE = "the upstream's words were deleted with the job that they were about"

JOBS_AT_ONCE = 200
ROUND_SECONDS = 0.05
"""What one round erases: so many jobs, or what it manages in this time. On SQLite every other writer waits for it."""

_CLOCKS_APART = timedelta(minutes=1)
"""How far the clocks of two workers may differ. They use the database's clock: the difference is far smaller."""

_JOBS_PER_STATEMENT = 5
_LONG = 1 << 16
"""A job with more bytes than this in its request or text has its own statements: 9 MB take as long as a round."""

_EMPTY_WEBHOOK: dict[str, Any] = {
    "project": NOBODY, "url": "", "name": "", "secret": "", "old_secret": None, "pause_reason": None,
    "events": [], "hears_jobs": False, "hears_responses": False,
}  # fmt: skip

_OF_JOBS = (texts, longest_texts, lost_texts, rejected_texts, attempts, responses, job_requests)


def erase_job(database: Database, job_id: str) -> bool:
    """Erase a job that has ended, and whose batch has, too. False: it has not."""
    with database.write() as connection:
        # The batch before its jobs, as a retry locks them.
        batch_id = connection.scalar(select(jobs.c.batch_id).where(jobs.c.id == job_id))
        if batch_id is not None:
            own = select(batches.c.status, batches.c.output_file_id, batches.c.error_file_id)
            batch = connection.execute(own.where(batches.c.id == batch_id).with_for_update()).one_or_none()
            if batch is not None:
                if batch.status not in BATCH_FINAL:
                    return False
                forget_bytes(connection, [batch.output_file_id, batch.error_file_id])
        ended = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.status.in_(FINAL)).with_for_update()
        found = list(connection.scalars(ended))
        erase_jobs(connection, found)
    database.mark_erased()
    return bool(found)


def delete_batch(database: Database, batch_id: str) -> bool:
    """Hide a batch that has ended, and erase it with its jobs and its output files. False: it has not ended."""
    if not hide_batch(database, batch_id):
        return False
    while not _erase_some(database, batch_id):
        pass
    return True


def hide_batch(database: Database, batch_id: str) -> bool:
    """Hide a batch that has ended, and erase its output files; the rest is for `go_on_erasing`. False: it has not."""
    with database.write() as connection:
        ended = (batches.c.id == batch_id, batches.c.status.in_(BATCH_FINAL))
        found = select(batches.c.project, batches.c.output_file_id, batches.c.error_file_id).where(*ended)
        batch = connection.execute(found.with_for_update()).one_or_none()
        if batch is None:
            return False
        if batch.project == NOBODY:  # another process has just hidden it
            return True
        connection.execute(update(batches).where(*ended).values(project=NOBODY))
        # The files name the project too, and a secret must not outlive its batch.
        outputs = [name for name in (batch.output_file_id, batch.error_file_id) if name is not None]
        connection.execute(delete(files).where(files.c.id.in_(outputs)))
        # Its webhook keeps its id alone, by which its deliveries are found: there may be one for each job. Found by its
        # project, too, as the index has it.
        mine = (webhooks.c.project == batch.project, webhooks.c.batch_id == batch_id)
        connection.execute(update(webhooks).where(*mine).values(_EMPTY_WEBHOOK | {"paused_at": database.now()}))
        erase_keys(connection, [batch_id])
        forget_hold(connection, batch_id)  # of a batch that ended under an earlier version
    database.mark_erased()
    return True


def go_on_erasing(database: Database) -> bool:
    """One round for a batch that is hidden and not erased yet. False: there is none."""
    with database.read() as connection:  # nearly always there is none
        begun = connection.scalar(select(batches.c.id).where(batches.c.project == NOBODY).limit(1))
    if begun is not None:
        _erase_some(database, begun)
    return begun is not None


def erase_some_jobs(database: Database, which: ColumnElement[bool], index: Hint) -> int:
    """One round for some jobs that belong to no batch. `index` has few rows. Returns how many it erased."""
    with database.write() as connection:
        alone = (jobs.c.batch_id.is_(None), jobs.c.status.in_(FINAL), which)
        some = select(jobs.c.id).with_hint(jobs, **index).where(*alone).limit(JOBS_AT_ONCE)
        count = _erase_in_time(connection, list(connection.scalars(some.with_for_update(skip_locked=True))))
    database.mark_erased()
    return count


def _erase_some(database: Database, batch_id: str) -> bool:
    """Erase some jobs of a batch, and after the last the batch. True: all is gone."""
    with database.write() as connection:
        some = select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id).limit(JOBS_AT_ONCE)
        found = list(connection.scalars(some.with_for_update()))
        _erase_in_time(connection, found)
        if found or _erase_deliveries(connection, batch_id):
            return False
        connection.execute(delete(webhooks).where(*_webhook_of(batch_id)))
        connection.execute(delete(batches).where(batches.c.id == batch_id, batches.c.project == NOBODY))
    database.mark_erased()
    return True


def _erase_deliveries(connection: Connection, batch_id: str) -> bool:
    """Erase some deliveries of the batch's webhook. False: there is none left."""
    key = (webhook_deliveries.c.webhook_id, webhook_deliveries.c.event_id)
    own = select(webhooks.c.id).where(*_webhook_of(batch_id))
    some = select(*key).where(webhook_deliveries.c.webhook_id.in_(own)).limit(MOST_DELIVERIES)
    found = [(row.webhook_id, row.event_id) for row in connection.execute(some)]
    if found:
        connection.execute(delete(webhook_deliveries).where(BY_KEY), as_given(found))
    return bool(found)


def _webhook_of(batch_id: str) -> tuple[ColumnElement[bool], ...]:
    return webhooks.c.project == NOBODY, webhooks.c.batch_id == batch_id


def _erase_in_time(connection: Connection, job_ids: Sequence[str]) -> int:
    """Erase these jobs in turn, until the time of a round is over; at least one. Returns how many."""
    until = monotonic() + ROUND_SECONDS
    done = 0
    for some in _portions(job_ids, _find_long(connection, job_ids)):
        erase_jobs(connection, some)
        done += len(some)
        if monotonic() >= until:
            break
    return done


def _portions(job_ids: Sequence[str], long: Collection[str]) -> Iterator[list[str]]:
    """The first job alone, and each long one; others a few at a time.

    An earlier version stored long requests in the rows of their jobs, and nobody knows which these are. As the first
    job is alone, a round of them ends after one.
    """
    some: list[str] = []
    for place, job_id in enumerate(job_ids):
        is_alone = place == 0 or job_id in long
        if some and (is_alone or len(some) == _JOBS_PER_STATEMENT):
            yield some
            some = []
        some.append(job_id)
        if is_alone:
            yield some
            some = []
    if some:
        yield some


def _find_long(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Those with a long request or a long text."""
    written = jobs.c.bytes + func.coalesce(jobs.c.reasoning_bytes, 0)
    wrote = connection.scalars(select(jobs.c.id).where(jobs.c.id.in_(job_ids), written > _LONG))
    asked = read_long_requests(connection, job_ids)
    return {*wrote, *(job_id for job_id, one in asked.items() if one.bytes > _LONG)}


def erase_jobs(connection: Connection, job_ids: Sequence[str]) -> None:
    """Delete all rows of these jobs, which have ended and are locked."""
    if not job_ids:
        return
    remove_pairs(connection, job_ids)
    erase_keys(connection, job_ids)
    _erase_quotes(connection, job_ids)
    for table in _OF_JOBS:
        connection.execute(delete(table).where(table.c.job_id.in_(job_ids)))
    connection.execute(delete(jobs).where(jobs.c.id.in_(job_ids)))


def _erase_quotes(connection: Connection, job_ids: Sequence[str]) -> None:
    """An upstream's error may quote a prompt, and the latest one is kept for people in its lane and its hold, too.
    Others may have been told the same: what was noted before or after these jobs ran is not theirs, and stays.
    """
    of_them = (attempts.c.job_id.in_(job_ids), attempts.c.error_message.is_not(None))
    when = select(attempts.c.error_message, func.min(attempts.c.started_at), func.max(attempts.c.finished_at))
    for message, began, ended in connection.execute(when.where(*of_them).group_by(attempts.c.error_message)).all():
        least, most = began - _CLOCKS_APART, (ended or began) + _CLOCKS_APART
        of_lane = (lanes.c.error_message == message, lanes.c.error_at.between(least, most))
        connection.execute(update(lanes).where(*of_lane).values(error_message=DELETED_MESSAGE))
        # A failed probe changes the message of a hold that has begun earlier.
        of_hold = (holds.c.kind == HoldKind.UPSTREAM, holds.c.held_by == "system", holds.c.message == message)
        connection.execute(update(holds).where(*of_hold, holds.c.since <= most).values(message=DELETED_MESSAGE))
