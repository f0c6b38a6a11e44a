"""Which jobs are due, and which are in flight."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypedDict

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from jobs.tables import batches, jobs
from jobs.tables.column_types import UtcDateTime

# Literals: SQLite uses a partial index only for a status that stands in the statement.
QUEUED = jobs.c.status == literal_column("'queued'")
RUNNING = jobs.c.status == literal_column("'in_progress'")
RESERVED = and_(QUEUED, jobs.c.upstream.is_not(None))
WENT_TO = case((jobs.c.upstream == "", jobs.c.last_upstream), else_=jobs.c.upstream)
"""The upstream of a job's latest attempt: where its text waited for its check, its row has left the lane."""


class Hint(TypedDict):
    """What `with_hint` takes."""

    text: str
    dialect_name: str


def using(index: str) -> Hint:
    """A hint for SQLite, which knows nothing of how many rows a status has and takes another index. PostgreSQL does."""
    return {"text": f"INDEXED BY {index}", "dialect_name": "sqlite"}


BY_ID = using("sqlite_autoindex_jobs_1")
"""For many ids and one status: of 50,000 queued jobs, SQLite else reads each to find 200 of them (22 ms, not 1)."""


def moment(name: str) -> BindParameter[datetime]:
    """A time in a statement that is built once: to build one takes longer than SQLite takes to run it."""
    return bindparam(name, type_=UtcDateTime)


def is_due(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether a job may run now: what dispatch reserves and what a claim takes."""
    return and_(
        QUEUED,
        jobs.c.due_at <= now,
        jobs.c.cancel_requested_at.is_(None),
        or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now),
    )


def is_being_cancelled() -> ColumnElement[bool]:
    """Whether the batch of a job is: then it must not start, although nobody has come to the job itself yet."""
    cancelling = select(batches.c.id).where(batches.c.status == literal_column("'cancelling'"))
    # A list that is made once, and nearly always empty: EXISTS would look for the batch of each job.
    return func.coalesce(jobs.c.batch_id, "").in_(cancelling)


@dataclass(slots=True)
class InFlight:
    """How many jobs of a lane run, have a fresh reservation, and have one that counts no more."""

    running: int = 0
    reserved: int = 0
    void: int = 0

    @property
    def total(self) -> int:
        """What counts against the lane's window."""
        return self.running + self.reserved


def is_fresh(lost_at: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether a reservation counts, which was hinted after `lost_at`: its hint may still come. One that a claim has
    refused has no `hinted_at`.
    """
    return and_(jobs.c.hinted_at.is_not(None), jobs.c.hinted_at > lost_at)


def count_in_flight(
    connection: Connection, now: datetime, hint_seconds: float, upstream: str | None = None, model: str | None = None
) -> dict[tuple[str, str], InFlight]:
    """What is in flight, by upstream and model: in all lanes, in those of an upstream, or in one."""
    count = _counting(of_upstream=upstream is not None, of_model=upstream is not None and model is not None)
    values = {"lost_at": now - timedelta(seconds=hint_seconds), "of_upstream": upstream, "of_model": model}
    counted: dict[tuple[str, str], InFlight] = {}
    for of_upstream, of_model, *counts in connection.execute(count, values):
        lane = counted.setdefault((of_upstream, of_model), InFlight())
        lane.running, lane.reserved, lane.void = (
            before + int(more) for before, more in zip((lane.running, lane.reserved, lane.void), counts, strict=True)
        )
    return counted


@cache
def _counting(*, of_upstream: bool, of_model: bool) -> CompoundSelect[Any]:
    of_lane: Sequence[ColumnElement[bool]] = (jobs.c.upstream > "",)
    if of_upstream:
        of_lane = (jobs.c.upstream == bindparam("of_upstream"),)
        if of_model:
            of_lane = (*of_lane, jobs.c.model == bindparam("of_model"))
    key = (jobs.c.upstream, jobs.c.model)
    fresh = func.sum(case((is_fresh(moment("lost_at")), 1), else_=0))
    running = select(*key, func.count(), literal(0), literal(0)).where(RUNNING, *of_lane).group_by(*key)
    running = running.with_hint(jobs, **using("jobs_running"))
    reserved = select(*key, literal(0), fresh, func.count() - fresh).where(RESERVED, *of_lane).group_by(*key)
    reserved = reserved.with_hint(jobs, **using("jobs_reserved"))
    # One statement: a claim that commits between two of them would be in neither.
    return running.union_all(reserved)


def count_in_flight_of_batches(connection: Connection, batch_ids: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch_id, count in connection.execute(_counting_batches(), {"ids": batch_ids}):
        counts[batch_id] += count
    return counts


@cache
def _counting_batches() -> CompoundSelect[Any]:
    of_batches = jobs.c.batch_id.in_(bindparam("ids", expanding=True))
    reserved = and_(QUEUED, jobs.c.upstream > "", jobs.c.hinted_at.is_not(None))
    # One statement: a claim that commits between two of them would be in neither.
    return union_all(
        *(
            select(jobs.c.batch_id, func.count()).where(state, of_batches).group_by(jobs.c.batch_id)
            for state in (RUNNING, reserved)
        )
    )
