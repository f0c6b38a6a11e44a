"""The statement that finds the batches of some projects that have a job that may start, for either database.

A turn asks for it with several projects, because each way to the database costs more than what it finds. It is built
once. PostgreSQL plans it each time, which takes longer than to run it, and the longer the more often it names the jobs,
which have many indexes; so there each project is joined to what it has. SQLite has no such join, and plans fast.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)

from jobs.dispatch.due import QUEUED, RUNNING, using
from jobs.dispatch.holds import is_batch_held
from jobs.dispatch.start_rule import StartRule
from jobs.tables import batches, jobs

IN_PROGRESS = batches.c.status == literal_column("'in_progress'")

_COLUMNS = ("id", "dispatched_at", "expires_at", "in_progress_at", "max_concurrency")


def is_of_model(model: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a batch may have jobs of this model."""
    return or_(batches.c.model.is_(None), batches.c.model == model)


def starts_in_lane(rule: StartRule) -> ColumnElement[bool]:
    """Whether a job of the lane's model may start."""
    return and_(jobs.c.model == bindparam("of_model"), rule.holds())


@cache
def groups_on_sqlite(rule: StartRule, projects: int, *, is_below: bool, is_without: bool) -> CompoundSelect[Any]:
    """Of so many projects: the values `project_0` and so on."""
    both = []
    for place in range(projects):
        project: BindParameter[str] = bindparam(f"project_{place}")
        highest = _highest(project, is_below=is_below).scalar_subquery()
        first = _first_of_batch(rule, highest).scalar_subquery().label("first")
        each = select(*_columns(), first).where(_is_running(project, is_without=is_without)).subquery()
        in_turn = select(each).where(each.c.first.is_not(None)).order_by(each.c.dispatched_at).limit(bindparam("most"))
        at: ColumnElement[int] = literal_column(str(place), Integer).label("place")
        both.append(select(*in_turn.subquery().c, _NO_PRIORITY, at))
        both.append(select(*_NO_BATCH, _first_alone(rule, project, highest).scalar_subquery(), highest, at))
    return union_all(*both)


@cache
def groups_on_postgresql(rule: StartRule, *, is_below: bool, is_without: bool) -> CompoundSelect[Any]:
    """Of the projects in the array `projects`."""
    asked = func.unnest(bindparam("projects", type_=ARRAY(Text)))
    names = asked.table_valued("project", with_ordinality="number", name="asked").render_derived()
    highest = _highest(names.c.project, is_below=is_below).scalar_subquery().label("priority")
    each = select(names.c.project, cast(names.c.number - 1, Integer).label("place"), highest).cte("each")
    first = _first_of_batch(rule, each.c.priority).correlate(batches, each).lateral("first_of_batch")
    running = select(*_columns(), first.c.id.label("first")).join_from(batches, first, true())
    running = running.where(_is_running(each.c.project, is_without=is_without)).correlate(each)
    in_turn = running.order_by(batches.c.dispatched_at).limit(bindparam("most")).lateral("in_turn")
    of_batches = select(*in_turn.c, _NO_PRIORITY, each.c.place).join_from(each, in_turn, true())
    alone = _first_alone(rule, each.c.project, each.c.priority).scalar_subquery()
    return union_all(of_batches, select(*_NO_BATCH, alone, each.c.priority, each.c.place))


_NO_PRIORITY = cast(null(), Integer).label("priority")
_NO_BATCH = [null()] * len(_COLUMNS)


def _columns() -> list[ColumnElement[Any]]:
    return [batches.c[name] for name in _COLUMNS]


def _highest(project: ColumnElement[str], *, is_below: bool) -> Select[Any]:
    of_project = and_(QUEUED, jobs.c.model == bindparam("of_model"), jobs.c.project == project)
    if is_below:
        of_project = and_(of_project, jobs.c.priority < bindparam("below"))
    highest = select(jobs.c.priority).where(of_project).order_by(jobs.c.priority.desc()).limit(1)
    return highest.with_hint(jobs, **using("jobs_waiting"))


def _is_running(project: ColumnElement[str], *, is_without: bool) -> ColumnElement[bool]:
    running = and_(IN_PROGRESS, batches.c.project == project, is_of_model(bindparam("of_model")), not_(is_batch_held()))
    if not is_without:
        return running
    # Some are full: there may be thousands, and to learn so of each takes a lock. A reservation more is seen there.
    started = select(func.count()).where(jobs.c.batch_id == batches.c.id, RUNNING).scalar_subquery()
    has_room = or_(batches.c.max_concurrency.is_(None), started < batches.c.max_concurrency)
    return and_(running, has_room, batches.c.id.not_in(bindparam("without", expanding=True)))


def _first_of_batch(rule: StartRule, priority: ColumnElement[int]) -> Select[Any]:
    of_batch = and_(jobs.c.batch_id == batches.c.id, starts_in_lane(rule), jobs.c.priority == priority)
    first = select(jobs.c.id).where(of_batch).order_by(jobs.c.id).limit(1)
    return first.with_hint(jobs, **using("jobs_by_batch"))


def _first_alone(rule: StartRule, project: ColumnElement[str], priority: ColumnElement[int]) -> Select[Any]:
    alone = and_(jobs.c.batch_id.is_(None), jobs.c.project == project, starts_in_lane(rule))
    first = select(jobs.c.id).where(alone, jobs.c.priority == priority).order_by(jobs.c.id).limit(1)
    return first.with_hint(jobs, **using("jobs_alone"))
