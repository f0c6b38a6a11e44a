"""The counts of a batch's jobs by status, and their cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from jobs.model.cost import NO_COST
from jobs.model.status import FINAL, JobStatus
from jobs.store.costs import sum_costs
from jobs.tables import USAGE, attempts, jobs


def count_failed(counts: Mapping[str, int]) -> int:
    """How many of the jobs counted by `count_jobs` ended without a completed text."""
    return sum(counts.get(status, 0) for status in FINAL - {JobStatus.COMPLETED})


def count_jobs(connection: Connection, batch_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many jobs of each batch are in each status."""
    counts: dict[str, dict[str, int]] = {}
    rows = connection.execute(
        select(jobs.c.batch_id, jobs.c.status, func.count())
        .where(jobs.c.batch_id.in_(batch_ids))
        .group_by(jobs.c.batch_id, jobs.c.status)
    )
    for batch_id, status, count in rows:
        counts.setdefault(batch_id, {})[status] = count
    return counts


def count_incomplete(connection: Connection, batch_ids: Sequence[str]) -> dict[str, int]:
    """How many completed jobs of each batch were cut short; a batch without any is left out."""
    cut_short = select(jobs.c.batch_id, func.count()).where(
        jobs.c.batch_id.in_(batch_ids), jobs.c.incomplete.is_not(None)
    )
    return {row.batch_id: row[1] for row in connection.execute(cut_short.group_by(jobs.c.batch_id))}


def batch_sums(connection: Connection, batch_id: str) -> dict[str, Any]:
    """The columns of what a batch has cost so far, for its end."""
    costs = sum_costs(connection, attempts.c.batch_id, [batch_id])
    return {"usage": sum_batch_usage(connection, batch_id), "cost": costs.get(batch_id, NO_COST).as_json()}


def sum_batch_usage(connection: Connection, batch_id: str) -> dict[str, Any] | None:
    """What a batch has cost: the usage of every attempt of its jobs, added up as OpenAI's Batch object has it.

    A count that no attempt knows is None, never 0, and the whole is None when nothing is known.
    """
    sums = [func.sum(attempts.c[name]) for name in USAGE]
    row = connection.execute(select(*sums).where(attempts.c.batch_id == batch_id)).one()
    known = [None if value is None else int(value) for value in row]
    if known == [None] * len(USAGE):
        return None
    input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens = known
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": total_tokens,
    }
