"""Sums of costs and tokens, from the rows of attempts that have ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, and_, case, func, select

from jobs.model.cost import CostSum, KnownCost
from jobs.model.records import Attempt
from jobs.store.database import Database
from jobs.tables import USAGE, attempts, jobs

_ENDED = attempts.c.finished_at.is_not(None)
_IS_UNKNOWN = attempts.c.cost_nanos.is_(None)
_IS_ESTIMATED = and_(~_IS_UNKNOWN, attempts.c.usage_source != "upstream")
_COST = (
    attempts.c.cost_currency.label("currency"),
    func.sum(attempts.c.cost_nanos).label("nanos"),
    func.sum(case((_IS_UNKNOWN, 1), else_=0)).label("unknown"),
    func.sum(case((_IS_ESTIMATED, 1), else_=0)).label("estimated"),
)

JOBS_AT_ONCE = 20_000
"""The attempts of how many jobs one read for the usage of a project goes over."""


def sum_costs(connection: Connection, of: Column[Any], ids: Sequence[str]) -> dict[str, CostSum]:
    """What each job or batch has cost so far: `of` is the column of their ids. One without an ended attempt is left
    out.
    """
    wanted = select(of.label("id"), *_COST).where(of.in_(ids), _ENDED).group_by(of, attempts.c.cost_currency)
    rows: dict[str, list[RowMapping]] = {}
    for row in connection.execute(wanted.order_by(attempts.c.cost_currency)).mappings():
        rows.setdefault(row["id"], []).append(row)
    return {key: _sum(own) for key, own in rows.items()}


def read_costs(database: Database, job_ids: Sequence[str]) -> dict[str, CostSum]:
    """What each of some jobs has cost so far, its failed attempts included."""
    with database.read() as connection:
        return sum_costs(connection, attempts.c.job_id, job_ids)


def cost_of_attempt(attempt: Attempt) -> CostSum:
    """The same of one attempt that was read."""
    if attempt.finished_at is None:
        return CostSum()
    if attempt.cost is None:
        return CostSum(unknown=1)
    if attempt.cost.currency is None:
        return CostSum()
    is_estimated = attempt.usage is not None and attempt.usage.source != "upstream"
    return CostSum((KnownCost(attempt.cost.currency, attempt.cost.nanos, is_estimated),))


def _sum(rows: Iterable[RowMapping]) -> CostSum:
    """Rows of one sum, one for each currency; the row without a currency has what is unknown, and what was free."""
    known, unknown = [], 0
    for row in rows:
        unknown += int(row["unknown"])
        if row["currency"] is not None:
            known.append(KnownCost(row["currency"], int(row["nanos"]), bool(row["estimated"])))
    return CostSum(tuple(known), unknown)


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What the ended attempts of one model at one upstream have used."""

    model: str
    upstream: str | None
    attempts: int
    tokens: Mapping[str, int | None]
    """By the names of `USAGE`; None where no attempt knows."""
    unknown: int
    """How many of the attempts have an unknown usage."""
    cost: CostSum


def read_project_usage(database: Database, project: str, ended_from: datetime, ended_to: datetime) -> list[ModelUsage]:
    """What a project has used by attempts that ended in this time, by model and upstream. It reads the attempts of all
    jobs that were submitted before the end of that time, some at a time: SQLite keeps all that is written while one
    read lasts.
    """
    ended = (jobs.c.created_at < ended_to, attempts.c.finished_at >= ended_from, attempts.c.finished_at < ended_to)
    parts: dict[tuple[str, str | None], list[ModelUsage]] = {}
    after: str | None = ""
    while after is not None:
        of_project = (jobs.c.project == project, jobs.c.id > after)
        one = select(jobs.c.id).where(*of_project).order_by(jobs.c.id).offset(JOBS_AT_ONCE - 1).limit(1)
        with database.read() as connection:
            last = connection.scalar(one)
            some = (*of_project, jobs.c.id <= last) if last else of_project
            for part in _usage_of(connection, *some, *ended):
                parts.setdefault((part.model, part.upstream), []).append(part)
        after = last
    return [_add_usage(parts[key]) for key in sorted(parts, key=lambda key: (key[0], key[1] or ""))]


def _usage_of(connection: Connection, *which: ColumnElement[bool]) -> Iterator[ModelUsage]:
    """One for each model, upstream and currency."""
    keys = (jobs.c.model, attempts.c.upstream)
    wanted = (
        select(
            *keys,
            *_COST,
            func.count().label("number"),
            func.sum(case((attempts.c.usage_source.is_(None), 1), else_=0)).label("without_usage"),
            *(func.sum(attempts.c[name]).label(name) for name in USAGE),
        )
        .join(jobs, jobs.c.id == attempts.c.job_id)
        # By its own choice SQLite read all jobs of the project again for each of these reads.
        .with_hint(jobs, "INDEXED BY jobs_of_project", "sqlite")
        .where(*which)
        .group_by(*keys, attempts.c.cost_currency)
    )
    for row in connection.execute(wanted).mappings():
        tokens = {name: None if row[name] is None else int(row[name]) for name in USAGE}
        number, unknown = int(row["number"]), int(row["without_usage"])
        yield ModelUsage(row["model"], row["upstream"], number, tokens, unknown, _sum([row]))


def _add_usage(parts: Sequence[ModelUsage]) -> ModelUsage:
    return ModelUsage(
        parts[0].model,
        parts[0].upstream,
        attempts=sum(part.attempts for part in parts),
        tokens={name: _add(part.tokens[name] for part in parts) for name in USAGE},
        unknown=sum(part.unknown for part in parts),
        cost=add_costs(part.cost for part in parts),
    )


def _add(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def add_costs(costs: Iterable[CostSum]) -> CostSum:
    """Several sums as one."""
    known: dict[str, KnownCost] = {}
    unknown = 0
    for cost in costs:
        unknown += cost.unknown
        for part in cost.known:
            before = known.get(part.currency, KnownCost(part.currency, 0, estimated=False))
            estimated = before.estimated or part.estimated
            known[part.currency] = KnownCost(part.currency, before.nanos + part.nanos, estimated)
    return CostSum(tuple(known[currency] for currency in sorted(known)), unknown)
