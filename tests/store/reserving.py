"""Reservations as dispatch makes them, with and without its pace, and how many jobs are in flight then."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat
from typing import Any
from unittest import mock

from sqlalchemy import func, or_, select, update

from jobs.dispatch.lanes import Lanes
from jobs.lifecycle.lease import Claimed, claim
from jobs.model.endings import MAX_CRASHES
from jobs.model.status import JobStatus
from jobs.pace.steady import SteadyLane
from jobs.store.database import Database
from jobs.tables import jobs
from jobs.upstreams import UNDECLARED, Upstreams, UpstreamSpec

HINT_SECONDS = 30.0

_lock = threading.Lock()
_inside: list[Any] = []


class Unpaced(SteadyLane):
    """A lane that takes whatever it is given."""

    def room(self, in_flight: int, now: float, lead: float = 0.0) -> int:
        return 1_000_000

    def reserve(self, tokens: int, now: float, lead: float = 0.0, estimated: int | None = None) -> float | None:
        return now


@contextmanager
def unpaced() -> Iterator[None]:
    """Every lane takes whatever it is given. Threads may do this at the same time: the last one puts it back."""
    with _lock:
        _inside.append(mock.patch("jobs.dispatch.lane_rows.SteadyLane", Unpaced))
        if len(_inside) == 1:
            _inside[0].start()
    try:
        yield
    finally:
        with _lock:
            if len(_inside) == 1:
                _inside[0].stop()
                _inside.clear()
            else:
                _inside.pop()


def upstream(name: str, **declared: Any) -> UpstreamSpec:
    """An upstream to reserve for, which nobody asks anything."""
    return UpstreamSpec(name=name, url="", **declared)


ONE, OTHER = upstream("one"), upstream("other")


def lanes_of(database: Database, hint_seconds: float, *specs: UpstreamSpec, **weights: float) -> Lanes:
    """The rounds of a process with these upstreams, and these weights of projects."""
    return Lanes(database, hint_seconds, lambda: Upstreams(specs or (UNDECLARED,), weights))


def take_due(
    database: Database, room: int, hint_seconds: float, most_crashes: int = MAX_CRASHES, *specs: UpstreamSpec
) -> list[str]:
    """What one round of a process with so many free streams reserves, where no pace holds it up."""
    with unpaced():
        return lanes_of(database, hint_seconds, *specs).reserve(room, most_crashes).reserved


def reserved_by(database: Database, specs: list[UpstreamSpec], room: int) -> list[str]:
    return lanes_of(database, HINT_SECONDS, *specs).reserve(room, MAX_CRASHES).reserved


def in_flight(database: Database) -> int:
    held = jobs.c.status.in_(["queued", "in_progress"]), jobs.c.upstream.is_not(None)
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).where(*held)) or 0)


def reserve(database: Database, *job_ids: str, upstream: str = "default") -> None:
    """Reserve these jobs, those of them that are queued and that nobody has."""
    nobodys = or_(jobs.c.upstream.is_(None), jobs.c.hinted_at.is_(None))
    free = jobs.c.id.in_(job_ids), jobs.c.status == JobStatus.QUEUED, nobodys
    with database.write() as connection:
        connection.execute(update(jobs).where(*free).values(upstream=upstream, hinted_at=database.now()))


def claim_now(database: Database, job_id: str, worker: str, lease_seconds: float, **given: Any) -> Claimed | None:
    """A claim of a job that is reserved first, if nobody has it."""
    reserve(database, job_id)
    return claim(database, job_id, worker, lease_seconds, **given)


def clock_at(now: float) -> AbstractContextManager[object]:
    """The clock by which rounds measure running turns stands at this time. To make a mock takes as long as a query."""
    return mock.patch("jobs.dispatch.running_turns.monotonic", repeat(now).__next__)


def reserve_at(now: float, lanes: Lanes, most: int) -> list[str]:
    """What a round at this time of a play reserves: the clock by which it measures running turns is the play's, too."""
    with clock_at(now):
        return lanes.reserve(most, MAX_CRASHES).reserved
