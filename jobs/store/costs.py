"""Sums of costs and tokens, from the rows of attempts that have ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, and_, case, func, select

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
    jobs that were submitted before the end of that time.
    """
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
        .where(jobs.c.project == project, jobs.c.created_at < ended_to)
        .where(attempts.c.finished_at >= ended_from, attempts.c.finished_at < ended_to)
        .group_by(*keys, attempts.c.cost_currency)
        .order_by(*keys, attempts.c.cost_currency)
    )
    groups: dict[tuple[str, str | None], list[RowMapping]] = {}
    with database.read() as connection:
        for row in connection.execute(wanted).mappings():
            groups.setdefault((row["model"], row["upstream"]), []).append(row)
    return [
        ModelUsage(
            model,
            upstream,
            attempts=sum(int(row["number"]) for row in rows),
            tokens={name: _add(row[name] for row in rows) for name in USAGE},
            unknown=sum(int(row["without_usage"]) for row in rows),
            cost=_sum(rows),
        )
        for (model, upstream), rows in groups.items()
    ]


def _add(counts: Iterable[Any]) -> int | None:
    known = [int(count) for count in counts if count is not None]
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
