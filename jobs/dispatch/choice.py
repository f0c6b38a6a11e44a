"""Which jobs of a lane are next. Projects share by weight; inside a project the higher priority goes first, its batches
take turns, and none has more jobs in flight than its `max_concurrency`; a batch's jobs go in order.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, update

from jobs.dispatch.due import QUEUED, RUNNING, using
from jobs.dispatch.fair import Turns
from jobs.dispatch.groups import IN_PROGRESS, Group, Waiting, is_of_model, waiting_groups
from jobs.tables import batches, jobs

_BATCHES_PER_ROUND = 64


@dataclass(frozen=True, slots=True)
class Chosen:
    """A job that is next."""

    id: str
    project: str
    batch_id: str | None


@dataclass(slots=True)
class LaneTurns:
    """Whose turn it is in a lane: among the projects, and of each, when its jobs without a batch were served last."""

    projects: Turns = field(default_factory=Turns)
    alone_at: dict[str, float] = field(default_factory=dict)


class Choosing:
    """One choice, in one transaction that holds the lane. `may_start` is what a job's row must fulfil."""

    def __init__(
        self,
        connection: Connection,
        model: str,
        may_start: ColumnElement[bool],
        turns: LaneTurns,
        now: datetime,
        *,
        held_batches: Collection[str] = (),
    ) -> None:
        self._connection = connection
        self._model = model
        self._may_start = and_(QUEUED, jobs.c.model == model, may_start)
        self._turns = turns
        self._now = now
        self._held_batches = set(held_batches)
        self._room_of_batch: dict[str | None, int] = {}
        """Of the batches with a `max_concurrency`; counted when the first of them has a job that is next."""

    def choose(self, projects: Sequence[str], weights: Mapping[str, float], room: int) -> Iterator[Chosen]:
        """Up to `room` jobs, in the order in which they are to start."""
        queues = {project: self._jobs_of(project, room) for project in projects}
        while room > 0 and queues:
            project = self._turns.projects.next(queues)
            chosen = next(queues[project], None)
            if chosen is None:
                del queues[project]
                continue
            self._turns.projects.take(project, weights.get(project, 1.0))
            room -= 1
            yield chosen

    def note_served(self, chosen: Sequence[Chosen]) -> None:
        """Record whose turn that was, once the jobs are reserved."""
        served_at: dict[str, datetime] = {}
        for place, one in enumerate(chosen):  # a microsecond apart, so that their order is kept
            at = self._now + timedelta(microseconds=place + 1)
            if one.batch_id is None:
                self._turns.alone_at[one.project] = at.timestamp()
            else:
                served_at[one.batch_id] = at
        if served_at:
            # A row that another process has locked is left: that its turn is not noted costs nobody much.
            free = select(batches.c.id).where(batches.c.id.in_(served_at)).order_by(batches.c.id)
            noted = update(batches).where(batches.c.id.in_(free.with_for_update(skip_locked=True)))
            self._connection.execute(noted.values(dispatched_at=case(served_at, value=batches.c.id)))

    def _find_rooms(self) -> dict[str | None, int]:
        """How many more jobs the batches with a `max_concurrency` may start, those that this transaction could lock.

        They are locked, because their jobs may be in several lanes, and each has its own lock.
        """
        capped = select(batches.c.id, batches.c.max_concurrency).where(
            IN_PROGRESS, batches.c.max_concurrency.is_not(None), is_of_model(self._model)
        ).with_hint(batches, **using("batches_capped"))  # fmt: skip
        found = self._connection.execute(capped.order_by(batches.c.id)).all()
        if not found:
            return {}
        locked = set(self._connection.scalars(
            select(batches.c.id).where(batches.c.id.in_([row.id for row in found])).order_by(batches.c.id)
            .with_for_update(skip_locked=True)
        ))  # fmt: skip
        room: dict[str | None, int] = {row.id: row.max_concurrency if row.id in locked else 0 for row in found}
        # One statement: a claim that commits between two of them would be in neither.
        reserved = and_(QUEUED, jobs.c.upstream > "", jobs.c.hinted_at.is_not(None))
        one, other = (
            select(jobs.c.batch_id, func.count()).where(state, jobs.c.batch_id.in_(room)).group_by(jobs.c.batch_id)
            for state in (RUNNING, reserved)
        )
        for batch_id, count in self._connection.execute(one.union_all(other)):
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

    def _find_waiting(self, project: str, below: int | None, room: int) -> Waiting:
        while True:
            # What this choice has taken from a batch at a higher priority may have filled it.
            full = {batch_id for batch_id, left in self._room_of_batch.items() if batch_id and left <= 0}
            most, without = min(max(room, 2), _BATCHES_PER_ROUND), full | self._held_batches
            groups = waiting_groups(self._model, project, self._may_start, below, most, without)
            rows = self._connection.execute(groups).mappings().all()
            waiting = Waiting.of(rows, self._turns.alone_at.get(project))
            unknown = waiting.capped - self._room_of_batch.keys()
            if not unknown:
                return waiting
            # Of a batch that is known already, what this choice has taken is not in the rows.
            self._room_of_batch = dict.fromkeys(unknown, 0) | self._find_rooms() | self._room_of_batch

    def _in_turn(self, project: str, priority: int, groups: Sequence[Group], room: int) -> Iterator[Chosen]:
        """The jobs of one priority, one of each group in turn."""
        here = and_(self._may_start, jobs.c.priority == priority)
        each = room // max(1, len(groups)) + 1
        turns = [self._of_group(project, here, group, each) for group in groups]
        while turns:
            for turn in list(turns):
                one = next(turn, None)
                if one is None:
                    turns.remove(turn)
                else:
                    yield one

    def _of_group(self, project: str, here: ColumnElement[bool], group: Group, page: int) -> Iterator[Chosen]:
        """The jobs of a batch, or those without one, in the order of submission; read in pages after the first."""
        batch_id = group.batch_id
        if batch_id is None:
            some = select(jobs.c.id).where(jobs.c.batch_id.is_(None), jobs.c.project == project, here)
            some = some.with_hint(jobs, **using("jobs_alone"))
        else:
            some = select(jobs.c.id).where(jobs.c.batch_id == batch_id, here)
            some = some.with_hint(jobs, **using("jobs_by_batch"))
        some = some.order_by(jobs.c.id).limit(page)
        ids: Sequence[str] = [group.first]
        while ids:
            for job_id in ids:
                if batch_id in self._room_of_batch:
                    if self._room_of_batch[batch_id] <= 0:
                        return
                    self._room_of_batch[batch_id] -= 1
                yield Chosen(job_id, project, batch_id)
            ids = self._connection.scalars(some.where(jobs.c.id > ids[-1])).all()
