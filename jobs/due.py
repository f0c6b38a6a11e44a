"""Which jobs are due, and which of them to hint next: a bounded number, by priority, round robin over the batches."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import random, randrange

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from jobs.database import Database
from jobs.status import BatchStatus, JobStatus
from jobs.tables import batches, jobs, pauses
from jobs.transitions import MAX_CRASHES

_BATCHES_PER_ROUND = 64


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a job may be claimed now: what dispatch hints and what a claim takes."""
    return and_(
        jobs.c.status == JobStatus.QUEUED,
        jobs.c.due_at <= now,
        jobs.c.cancel_requested_at.is_(None),
        or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now),
        jobs.c.model.not_in(select(pauses.c.model).where(pauses.c.until_at > now)),
    )


def take_due(database: Database, room: int, hint_seconds: float, *, most_crashes: int = MAX_CRASHES) -> list[str]:
    """Mark up to `room` due jobs as hinted and return their ids; the caller sends the hints after this has committed.

    `room` is how many jobs the caller could start at once. Hints of the last `hint_seconds` that nobody has claimed yet
    count against it, so the queue never holds many more hints than there are free streams, and a batch of 50,000 cannot
    sit in front of one of ten. Jobs with more than `most_crashes` crashes are left out: this worker would refuse them.
    """
    now = database.now()
    stale = now - timedelta(seconds=hint_seconds)
    unhinted = or_(jobs.c.hinted_at.is_(None), jobs.c.hinted_at <= stale)
    due = and_(is_due(now), unhinted, jobs.c.crashes <= most_crashes)
    with database.read() as connection:
        waiting = connection.scalar(
            select(func.count()).where(jobs.c.status == JobStatus.QUEUED, jobs.c.hinted_at > stale)
        )
        room -= waiting or 0
        if room <= 0:
            return []
        groups = _due_by_batch(connection, due, room)
    chosen = list(_round_robin(groups, room))
    if not chosen:
        return []
    with database.write() as connection:
        # Locked by id, as everybody does who takes many rows. Rows that another process has locked, it is hinting.
        free = select(jobs.c.id).where(jobs.c.id.in_([job_id for job_id, _ in chosen]), due)
        taken = set(connection.scalars(free.order_by(jobs.c.id).with_for_update(skip_locked=True)))
        connection.execute(update(jobs).where(jobs.c.id.in_(taken)).values(hinted_at=now))
        touched = {batch_id for job_id, batch_id in chosen if batch_id is not None and job_id in taken}
        served = select(batches.c.id).where(batches.c.id.in_(touched)).order_by(batches.c.id)
        served_ids = connection.scalars(served.with_for_update(skip_locked=True)).all()
        connection.execute(update(batches).where(batches.c.id.in_(served_ids)).values(dispatched_at=now))
    return [job_id for job_id, _ in chosen if job_id in taken]


_Group = list[tuple[int, str, str | None]]


def _due_by_batch(connection: Connection, due: ColumnElement[bool], room: int) -> list[_Group]:
    """Up to `room` due jobs of each batch that has waited longest, and of the jobs without a batch."""
    longest_waiting = (
        select(batches.c.id, batches.c.dispatched_at)
        .where(batches.c.status == BatchStatus.IN_PROGRESS)
        .where(select(jobs.c.id).where(jobs.c.batch_id == batches.c.id, due).exists())
        .order_by(batches.c.dispatched_at)
        .limit(_BATCHES_PER_ROUND)
    )
    waiting = connection.execute(longest_waiting).all()
    # In random order where batches were served together, and with the jobs without a batch in a random place: with room
    # for one or two jobs at a time, a group that always came first would get all of it.
    turns: list[str | None] = [row.id for row in sorted(waiting, key=lambda row: (row.dispatched_at, random()))]
    turns.insert(randrange(len(turns) + 1), None)
    groups = []
    for batch_id in turns:
        rows = connection.execute(
            select(jobs.c.priority, jobs.c.id, jobs.c.batch_id)
            .where(jobs.c.batch_id == batch_id, due)
            .order_by(jobs.c.priority.desc(), jobs.c.id)
            .limit(room)
        ).all()
        groups.append([(row.priority, row.id, row.batch_id) for row in rows])
    return groups


def _round_robin(groups: list[_Group], room: int) -> Iterator[tuple[str, str | None]]:
    """One job of each group in turn, the higher priorities of all groups before the lower ones of any."""
    for priority in sorted({item[0] for group in groups for item in group}, reverse=True):
        turns = [iter([item for item in group if item[0] == priority]) for group in groups]
        while turns and room > 0:
            for turn in list(turns):
                item = next(turn, None)
                if item is None:
                    turns.remove(turn)
                elif room > 0:
                    room -= 1
                    yield item[1], item[2]
