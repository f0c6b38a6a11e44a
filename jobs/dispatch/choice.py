"""Which jobs of a lane are next. Each stream is for a project; of that the higher priority goes first, its batches take
turns, and none has more jobs in flight than its `max_concurrency`; a batch's jobs go in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, cycle
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Update, and_, bindparam, select, update

from jobs.dispatch.due import count_in_flight_of_batches, moment, using
from jobs.dispatch.group_queries import starts_in_lane
from jobs.dispatch.groups import Group, WaitingGroups, find_waiting_groups
from jobs.dispatch.start_rule import StartRule
from jobs.tables import batches, jobs

_BATCHES_PER_ROUND = 64
_PROJECTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Chosen:
    """A job that is next."""

    id: str
    project: str
    batch_id: str | None


@dataclass(slots=True)
class LaneTurns:
    """When the jobs without a batch of each project were served last in a lane."""

    before: Any = None
    """The turns of the projects as a version before has them there; it may go on with them."""
    alone_at: dict[str, float] = field(default_factory=dict)


class Choosing:
    """One choice, in one transaction that holds the lane. `rule` says which jobs may start, with these `values`."""

    def __init__(
        self,
        connection: Connection,
        model: str,
        rule: StartRule,
        values: Mapping[str, Any],
        turns: LaneTurns,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._rule = rule
        self._values = {**values, "of_model": model}
        self._turns = turns
        self._now = now
        self._room_of_batch: dict[str | None, int] = {}
        """Of the batches with a `max_concurrency`; counted when the first of them has a job that is next."""
        self._unseen: list[str] = []
        self._seen: dict[str, Sequence[RowMapping]] = {}
        """Of projects that are soon next, the groups: found with those of another one, and not used yet."""

    def choose(self, grants: Sequence[str], projects: Sequence[str], room: int) -> Iterator[Chosen]:
        """Up to `room` jobs, in the order in which they are to start: one for each of `grants`, and in turn of all
        `projects` for those that have none that is due.
        """
        queues = {project: self._jobs_of(project, room) for project in projects}
        self._unseen = list(dict.fromkeys([*(name for name in grants if name in queues), *projects]))
        in_turn = chain(grants, cycle(projects))
        while room > 0 and queues:
            project = next(in_turn)
            if project not in queues:
                continue
            chosen = next(queues[project], None)
            if chosen is None:
                del queues[project]
                continue
            room -= 1
            yield chosen

    def note_served(self, chosen: Sequence[Chosen]) -> None:
        """Record whose turn that was inside the projects, once the jobs are reserved."""
        served_at: dict[str, datetime] = {}
        for place, job in enumerate(chosen):
            # A microsecond apart, so that their order is kept.
            at = self._now + timedelta(microseconds=place + 1)
            if job.batch_id is None:
                self._turns.alone_at[job.project] = at.timestamp()
            else:
                served_at[job.batch_id] = at
        if served_at:
            # A row that another process has locked is left: that its turn is not noted costs nobody much.
            # Locked by id, as everybody does who takes many rows.
            noted = [{"of_batch": batch_id, "served_at": served_at[batch_id]} for batch_id in sorted(served_at)]
            self._connection.execute(_noting_turns(), noted)

    def _find_rooms(self, batch_ids: Sequence[str]) -> dict[str | None, int]:
        """How many more jobs these batches with a `max_concurrency` may start; none, if another one has locked it.

        They are locked, because their jobs may be in several lanes, and each has its own lock.
        """
        locked = self._connection.execute(_free_batches(), {"ids": batch_ids})
        room: dict[str | None, int] = dict.fromkeys(batch_ids, 0)
        room |= {row.id: row.max_concurrency for row in locked}
        for batch_id, count in count_in_flight_of_batches(self._connection, batch_ids).items():
            room[batch_id] -= count
        return room

    def _jobs_of(self, project: str, room: int) -> Iterator[Chosen]:
        priority: int | None = None
        while True:
            waiting = self._find_waiting(project, priority, room)
            priority = waiting.priority
            if priority is None:
                return
            yield from self._in_turn(project, priority, waiting.groups, room)

    def _find_waiting(self, project: str, below: int | None, room: int) -> WaitingGroups:
        while True:
            # What this choice has taken from a batch at a higher priority may have filled it.
            full = {batch_id for batch_id, left in self._room_of_batch.items() if batch_id and left <= 0}
            rows = self._seen.pop(project, None)
            if rows is None:
                together = self._next_to_see(project, room if below is None else 1)
                asked = (together, below, min(max(room, 2), _BATCHES_PER_ROUND), full)
                self._seen.update(find_waiting_groups(self._connection, self._rule, self._values, *asked))
                rows = self._seen.pop(project)
            waiting = WaitingGroups.of(rows, self._turns.alone_at.get(project))
            unknown = waiting.capped - self._room_of_batch.keys()
            if not unknown:
                return waiting
            # Of a batch that is known already, what this choice has taken is not in the rows.
            self._room_of_batch |= self._find_rooms(sorted(unknown))

    def _next_to_see(self, project: str, room: int) -> list[str]:
        """This project, and with it others that nobody has looked at yet and that are next as far as one can tell."""
        others = [other for other in self._unseen if other != project][: min(room, _PROJECTS_AT_ONCE) - 1]
        self._unseen = [other for other in self._unseen if other != project and other not in others]
        return [project, *others]

    def _in_turn(self, project: str, priority: int, groups: Sequence[Group], room: int) -> Iterator[Chosen]:
        """The jobs of one priority, one of each group in turn."""
        each = room // max(1, len(groups)) + 1
        turns = [self._of_group(project, priority, group, each) for group in groups]
        while turns:
            for turn in list(turns):
                job = next(turn, None)
                if job is None:
                    turns.remove(turn)
                else:
                    yield job

    def _of_group(self, project: str, priority: int, group: Group, page: int) -> Iterator[Chosen]:
        """The jobs of a batch, or those without one, in the order of submission; read in pages after the first."""
        batch_id = group.batch_id
        some = _page(self._rule, is_alone=batch_id is None)
        asked = {**self._values, "of_project": project, "of_batch": batch_id, "of_priority": priority, "most": page}
        ids: Sequence[str] = [group.first]
        while ids:
            for job_id in ids:
                if batch_id in self._room_of_batch:
                    if self._room_of_batch[batch_id] <= 0:
                        return
                    self._room_of_batch[batch_id] -= 1
                yield Chosen(job_id, project, batch_id)
            ids = self._connection.scalars(some, {**asked, "after": ids[-1]}).all()


@cache
def _page(rule: StartRule, *, is_alone: bool) -> Select[Any]:
    """Jobs of a batch, or of a project without one."""
    if is_alone:
        of_group = and_(jobs.c.batch_id.is_(None), jobs.c.project == bindparam("of_project"))
    else:
        of_group = jobs.c.batch_id == bindparam("of_batch")
    here = and_(of_group, starts_in_lane(rule), jobs.c.priority == bindparam("of_priority"))
    some = select(jobs.c.id).where(here, jobs.c.id > bindparam("after"))
    some = some.with_hint(jobs, **using("jobs_alone" if is_alone else "jobs_by_batch"))
    return some.order_by(jobs.c.id).limit(bindparam("most"))


@cache
def _free_batches() -> Select[Any]:
    """Those of some batches that nobody else has locked, locked now, by id as everybody does."""
    some = select(batches.c.id, batches.c.max_concurrency).where(batches.c.id.in_(bindparam("ids", expanding=True)))
    return some.order_by(batches.c.id).with_for_update(skip_locked=True)


@cache
def _noting_turns() -> Update:
    free = select(batches.c.id).where(batches.c.id == bindparam("of_batch")).with_for_update(skip_locked=True)
    return update(batches).where(batches.c.id.in_(free)).values(dispatched_at=moment("served_at"))
