"""The turns at each upstream that are not over: for how long they run, and which of them nobody will ever report.

The turn of a text whose worker was killed has no end, and neither has that of a job that was taken back or cancelled
before it began. Were they kept, a project whose texts become longer would pay the rise for each of them.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from math import inf
from time import monotonic
from typing import Any

from sqlalchemy import Select, bindparam, select

from jobs.dispatch.due import RESERVED, RUNNING, using
from jobs.model.fair_turns import Turns
from jobs.store.database import Database
from jobs.tables import jobs

LOOK_SECONDS = 1.0
LOOK_SECONDS_PER_STREAM = 0.001
"""How often a process looks at them all; less often where there are many streams. A row takes 5 us."""

LOST_SECONDS = 10.0
"""Turns that are more than there are jobs in flight for so long are lost. The report of an end takes about a second."""

Of = tuple[str, str]
"""An upstream and a project."""


class RunningTurns:
    """Used by the rounds of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_at = self._looked_at = -inf
        self._begun: dict[tuple[str, datetime | None], float] = {}
        """When each turn began that ran at the last look, by the clock of this process, which nobody sets."""
        self._in_flight = Counter[Of]()
        self.continued = Counter[Of]()
        """How many texts of each may go on in a next request."""
        self._too_many: dict[Of, tuple[float, float]] = {}
        """Since when there are more turns than jobs in flight, and how many more there were at least."""

    def look(self, turns: Mapping[str, Turns]) -> dict[Of, list[float]] | None:
        """For how many seconds the turns of each project run. None: it is alone, or the last look was just now."""
        now, moment = self._database.now(), monotonic()
        # Where several upstreams share the streams of a process, they count at one where nobody else waits, too.
        is_shared = len(turns) > 1 or any(some.has_several() for some in turns.values())
        if not is_shared:
            self.continued = Counter()
        if not is_shared or moment < self._look_at:
            return None
        names = {"names": list(turns)}
        with self._database.read() as connection:
            running = connection.execute(_running(), names).all()
            reserved = connection.execute(_reserved(), names).all()
        self._look_at = moment + max(LOOK_SECONDS, LOOK_SECONDS_PER_STREAM * len(running))
        # After a step of the clock the rows' times are of another one. A turn that is new began since the last look.
        since, self._looked_at = moment - self._looked_at, moment
        begun: dict[tuple[str, datetime | None], float] = {}
        seconds: dict[Of, list[float]] = {}
        for row in running:
            lasts = min(since, max(0.0, (now - (row.hinted_at or now)).total_seconds()))
            turn = row.id, row.hinted_at
            begun[turn] = self._begun.get(turn, moment - lasts)
            seconds.setdefault((row.upstream, row.project), []).append(moment - begun[turn])
        self._begun = begun
        self.continued = Counter((row.upstream, row.project) for row in running if row.max_continuations)
        self._in_flight = Counter((row.upstream, row.project) for row in (*running, *reserved))
        return seconds

    def find_lost(self, turns: Mapping[str, Turns]) -> dict[Of, float]:
        """After a look: how many turns of a project can be open, of those for which that is too many."""
        now, found = monotonic(), dict[Of, float]()
        too_many: dict[Of, tuple[float, float]] = {}
        for name, some in turns.items():
            for project, count in some.count_open().items():
                of = name, project
                more = count - self._in_flight[of]
                if more < 1:
                    continue
                since, fewest = self._too_many.get(of, (now, more))
                too_many[of] = since, min(fewest, more)
                if now - since >= LOST_SECONDS:
                    found[of] = count - too_many.pop(of)[1]
        self._too_many = too_many
        return found


@cache
def _running() -> Select[Any]:
    columns = (jobs.c.id, jobs.c.upstream, jobs.c.project, jobs.c.hinted_at, jobs.c.max_continuations)
    some = select(*columns).where(RUNNING, _of_some())
    return some.with_hint(jobs, **using("jobs_running"))


@cache
def _reserved() -> Select[Any]:
    some = select(jobs.c.upstream, jobs.c.project).where(RESERVED, _of_some())
    return some.with_hint(jobs, **using("jobs_reserved"))


def _of_some() -> Any:
    return jobs.c.upstream.in_(bindparam("names", expanding=True))
