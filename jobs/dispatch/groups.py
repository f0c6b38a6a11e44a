"""Whose jobs may start in a lane: the batches of a project that have one, and its jobs without a batch, as a group."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    RowMapping,
    and_,
    bindparam,
    cast,
    literal_column,
    null,
    or_,
    select,
)

from jobs.dispatch.due import QUEUED, using
from jobs.dispatch.start_rule import StartRule
from jobs.tables import batches, jobs

IN_PROGRESS = batches.c.status == literal_column("'in_progress'")

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Group:
    """A batch that has a job that may start, or the jobs without a batch: then `batch_id` is None."""

    batch_id: str | None
    first: str
    """The first of its jobs that may start."""
    served_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """The groups of one project that have jobs of its highest priority, in the order of their turns.

    Without groups, all jobs of that priority wait for something else; without a priority, there is no job.
    """

    priority: int | None
    groups: Sequence[Group]
    capped: frozenset[str]
    """Those of the batches that have a `max_concurrency`."""

    @classmethod
    def of(cls, rows: Sequence[RowMapping], alone_at: float | None) -> Self:
        """From the rows of `find_waiting_groups`; `alone_at` is when the jobs without a batch had their last turn."""
        found = [row for row in rows if row["id"] is not None]
        [alone] = (row for row in rows if row["id"] is None)
        # Those that nobody has served yet are equals, whichever came first: the earlier deadline goes first.
        unserved = min((row["dispatched_at"] for row in found if _is_unserved(row)), default=_NEVER)
        groups = []
        for row in found:
            served_at = unserved if _is_unserved(row) else row["dispatched_at"]
            groups.append(Group(row["id"], row["first"], served_at, row["expires_at"] or _NEVER))
        if alone["first"] is not None:
            at = datetime.fromtimestamp(alone_at, UTC) if alone_at else _LONG_AGO
            groups.append(Group(None, alone["first"], at, _NEVER))
        groups.sort(key=lambda group: (group.served_at, group.expires_at, group.batch_id or ""))
        capped = frozenset(row["id"] for row in found if row["max_concurrency"] is not None)
        return cls(alone["priority"], groups, capped)


def _is_unserved(row: RowMapping) -> bool:
    return bool(row["dispatched_at"] == row["in_progress_at"])


def is_of_model(model: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a batch may have jobs of this model."""
    return or_(batches.c.model.is_(None), batches.c.model == model)


def find_waiting_groups(
    connection: Connection,
    rule: StartRule,
    values: Mapping[str, Any],
    project: str,
    below: int | None,
    most: int,
    without: Collection[str],
) -> Sequence[RowMapping]:
    """A row for each of up to `most` batches that have a job that may start, and one without an id for the jobs that
    have no batch. All are of the highest priority that a job of the project waits with (below `below`, if given).
    """
    asked = {"of_project": project, "below": below, "most": most, "without": list(without)}
    statement = _waiting_groups(rule, is_below=below is not None, is_without=bool(without))
    return connection.execute(statement, {**values, **asked}).mappings().all()


@cache
def _waiting_groups(rule: StartRule, *, is_below: bool, is_without: bool) -> CompoundSelect[Any]:
    """A turn needs this of each project, so it is one statement: each way to the database costs more than what it
    finds.
    """
    may_start = starts_in_lane(rule)
    model: BindParameter[str] = bindparam("of_model")
    project: BindParameter[str] = bindparam("of_project")
    of_project = and_(QUEUED, jobs.c.model == model, jobs.c.project == project)
    if is_below:
        of_project = and_(of_project, jobs.c.priority < bindparam("below"))
    waiting = select(jobs.c.priority).where(of_project).order_by(jobs.c.priority.desc()).limit(1).correlate(None)
    highest = waiting.with_hint(jobs, **using("jobs_waiting")).scalar_subquery()
    here = and_(may_start, jobs.c.priority == highest)
    first = select(jobs.c.id).order_by(jobs.c.id).limit(1)
    of_batch = first.where(jobs.c.batch_id == batches.c.id, here).with_hint(jobs, **using("jobs_by_batch"))
    alone = first.where(jobs.c.batch_id.is_(None), jobs.c.project == project, here)
    alone = alone.with_hint(jobs, **using("jobs_alone"))
    columns = (batches.c.id, batches.c.dispatched_at, batches.c.expires_at, batches.c.in_progress_at)
    running = select(*columns, batches.c.max_concurrency, of_batch.scalar_subquery().label("first"))
    running = running.where(IN_PROGRESS, batches.c.project == project, is_of_model(model))
    if is_without:
        running = running.where(batches.c.id.not_in(bindparam("without", expanding=True)))
    each = running.subquery()
    in_turn = select(each).where(each.c.first.is_not(None)).order_by(each.c.dispatched_at).limit(bindparam("most"))
    of_batches = in_turn.subquery()
    of_alone = select(*[null()] * (len(columns) + 1), alone.scalar_subquery(), highest)
    return select(*of_batches.c, cast(null(), Integer).label("priority")).union_all(of_alone)


def starts_in_lane(rule: StartRule) -> ColumnElement[bool]:
    """Whether a job of the lane's model may start."""
    return and_(QUEUED, jobs.c.model == bindparam("of_model"), rule.holds())
