"""Retention: delete what has ended and is kept no longer, by its own time or by that of its project.

`erase_at` of a row is the earliest time at which it can be due. The other times of the row say whether it is: a batch
that ran for longer than expected, or was retried, ended later. One that has not ended is never deleted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, select, update

from jobs.dispatch.due import BY_ID, Hint, using
from jobs.lifecycle.erase import erase_some_jobs, go_on_erasing, hide_batch
from jobs.model.ids import first_id
from jobs.model.retention import Retention
from jobs.model.status import BATCH_FINAL, FINAL
from jobs.store.database import Database
from jobs.store.projects import read_limited
from jobs.tables import batches, jobs

_AT_ONCE = 200

_NEXT_ID = timedelta(milliseconds=1)
"""Ids have whole milliseconds."""

_BATCH_ENDED_AT = func.coalesce(batches.c.finalizing_at, batches.c.failed_at)


def delete_some(database: Database) -> bool:
    """One round, so short that nobody waits for it. False: nothing is left to be deleted now."""
    if go_on_erasing(database):
        return True
    batch_id = _find_batch(database)
    if batch_id is not None:
        hide_batch(database, batch_id)  # somebody may have retried it since; then it stays
        return True
    return any(erase_some_jobs(database, which, index) for which, index in _due_jobs(database))


def _find_batch(database: Database) -> str | None:
    due = _find_due(database, batches, batches.c.status.in_(BATCH_FINAL), _BATCH_ENDED_AT)
    if due:
        return due[0]
    for project, before in _limits(database):
        # What was made later has not ended before it: so those that are kept are not read.
        oldest = (batches.c.project == project, batches.c.id < first_id("batch", before + _NEXT_ID))
        old = (batches.c.status.in_(BATCH_FINAL), batches.c.keep_seconds.is_(None), before >= _BATCH_ENDED_AT)
        wanted = select(batches.c.id).where(*oldest, *old).limit(1)
        with database.read() as connection:
            found = connection.scalar(wanted.with_hint(batches, **using("batches_of_project")))
        if found is not None:
            return str(found)
    return None


def _due_jobs(database: Database) -> Iterator[tuple[ColumnElement[bool], Hint]]:
    """What is true of jobs that are due, and the index by which SQLite finds them: by its own choice it read all jobs
    that have ended. Each is looked for first, because an erasing round takes the write lock.
    """
    own = _find_due(database, jobs, and_(jobs.c.status.in_(FINAL), jobs.c.batch_id.is_(None)), jobs.c.finished_at)
    if own:
        yield jobs.c.id.in_(own), BY_ID
    by_end = using("jobs_ended_alone")
    for project, before in _limits(database):
        old = and_(jobs.c.project == project, jobs.c.finished_at <= before, jobs.c.keep_seconds.is_(None))
        with database.read() as connection:
            found = select(jobs.c.id).where(old, jobs.c.batch_id.is_(None), jobs.c.status.in_(FINAL)).limit(1)
            is_found = connection.scalar(found.with_hint(jobs, **by_end)) is not None
        if is_found:
            yield old, by_end


def _limits(database: Database) -> Iterator[tuple[str, datetime]]:
    """The projects that do not keep everything, and before when something must have ended to be deleted."""
    for project, seconds in read_limited(database):
        yield project, database.now() - timedelta(seconds=seconds)


def _find_due(
    database: Database, table: Table, ended: ColumnElement[bool], ended_at: ColumnElement[datetime]
) -> list[str]:
    """The ids of some rows that are due by their own words. Those that ended later are looked at later."""
    now = database.now()
    columns: tuple[Any, ...] = (table.c.id, table.c.created_at, table.c.keep_seconds, table.c.keep_from)
    wanted = select(*columns, ended_at.label("ended_at")).where(table.c.erase_at <= now, ended).limit(_AT_ONCE)
    wanted = wanted.with_hint(table, **using(f"{table.name}_to_erase"))
    with database.read() as connection:
        rows = connection.execute(wanted).mappings().all()
    due, later = [], {}
    for row in rows:
        kept = Retention.from_row(row)
        at = kept.delete_at(row["created_at"], row["ended_at"]) if kept is not None else None
        if at is None or at <= now:
            due.append(str(row["id"]))
        else:
            later[row["id"]] = at
    if later:
        with database.write() as connection:
            for row_id, at in later.items():
                connection.execute(update(table).where(table.c.id == row_id).values(erase_at=at))
    return due
