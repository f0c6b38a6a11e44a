"""Which jobs of a lane are next. Projects share by weight; inside a project the higher priority goes first, its batches
take turns, and none has more jobs in flight than its `max_concurrency`; a batch's jobs go in order.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    update,
)

from jobs.dispatch.due import QUEUED, RUNNING, using
from jobs.dispatch.fair import Turns
from jobs.tables import batches, jobs

_BATCHES_PER_ROUND = 64
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_IN_PROGRESS = batches.c.status == literal_column("'in_progress'")


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
        self._room_of_batch: dict[str | None, int] = self._find_capped()

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
            ids = self._connection.scalars(free.with_for_update(skip_locked=True)).all()
            of_id: BindParameter[str] = bindparam("of_id")
            noted = update(batches).where(batches.c.id == of_id).values(dispatched_at=bindparam("at"))
            if ids:
                self._connection.execute(noted, [{"of_id": one, "at": served_at[one]} for one in ids])

    def _find_capped(self) -> dict[str | None, int]:
        """How many more jobs the batches with a `max_concurrency` may start, those that this transaction could lock.

        They are locked, because their jobs may be in several lanes, and each has its own lock.
        """
        capped = select(batches.c.id, batches.c.max_concurrency).where(
            _IN_PROGRESS, batches.c.max_concurrency.is_not(None),
            or_(batches.c.model.is_(None), batches.c.model == self._model),
        )  # fmt: skip
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
        last: int | None = None
        while True:
            highest = select(jobs.c.priority).where(QUEUED, jobs.c.model == self._model, jobs.c.project == project)
            if last is not None:
                highest = highest.where(jobs.c.priority < last)
            last = self._connection.scalar(highest.order_by(jobs.c.priority.desc()).limit(1))
            if last is None:
                return
            yield from self._in_turn(project, last, room)

    def _in_turn(self, project: str, priority: int, room: int) -> Iterator[Chosen]:
        """The jobs of one priority, one of each batch in turn; those without a batch are as one batch."""
        here = and_(self._may_start, jobs.c.priority == priority)
        # What this choice has taken from a batch at a higher priority may have filled it.
        full = self._held_batches | {
            batch_id for batch_id, left in self._room_of_batch.items() if batch_id and left <= 0
        }
        waiting = (
            select(batches.c.id, batches.c.dispatched_at, batches.c.expires_at, batches.c.in_progress_at)
            .where(_IN_PROGRESS, batches.c.project == project, batches.c.id.not_in(full))
            .where(select(jobs.c.id).where(jobs.c.batch_id == batches.c.id, here).exists())
            .order_by(batches.c.dispatched_at)
            .limit(min(max(room, 2), _BATCHES_PER_ROUND))
        )
        rows = self._connection.execute(waiting).all()
        # Those that nobody has served yet are equals, whichever came first: the earlier deadline goes first.
        unserved = min((row.dispatched_at for row in rows if row.dispatched_at == row.in_progress_at), default=_NEVER)
        groups: list[tuple[datetime, datetime, str | None]] = []
        for row in rows:
            served_at = unserved if row.dispatched_at == row.in_progress_at else row.dispatched_at
            groups.append((served_at, row.expires_at or _NEVER, row.id))
        alone_at = self._turns.alone_at.get(project)
        groups.append((datetime.fromtimestamp(alone_at, UTC) if alone_at else _LONG_AGO, _NEVER, None))
        groups.sort(key=lambda group: (group[0], group[1], group[2] or ""))
        each = room // len(groups) + 1
        turns = [self._of_group(project, here, batch_id, each) for _, _, batch_id in groups]
        while turns:
            for turn in list(turns):
                one = next(turn, None)
                if one is None:
                    turns.remove(turn)
                else:
                    yield one

    def _of_group(self, project: str, here: ColumnElement[bool], batch_id: str | None, page: int) -> Iterator[Chosen]:
        """The jobs of a batch, or those without one, in the order of submission; read in pages."""
        after = ""
        while True:
            if batch_id is None:
                some = select(jobs.c.id).where(jobs.c.batch_id.is_(None), jobs.c.project == project, here)
                some = some.with_hint(jobs, **using("jobs_alone"))
            else:
                some = select(jobs.c.id).where(jobs.c.batch_id == batch_id, here)
                some = some.with_hint(jobs, **using("jobs_by_batch"))
            ids = self._connection.scalars(some.where(jobs.c.id > after).order_by(jobs.c.id).limit(page)).all()
            for job_id in ids:
                if batch_id in self._room_of_batch:
                    if self._room_of_batch[batch_id] <= 0:
                        return
                    self._room_of_batch[batch_id] -= 1
                yield Chosen(job_id, project, batch_id)
            if len(ids) < page:
                return
            after = ids[-1]
