"""One job with all that is shown of it: its attempts, what they cost, and whose texts are kept.

It is asked for more often than anything else, so its statements are built once, and one connection reads all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Select, bindparam, select

from jobs.model.cost import CostSum
from jobs.model.records import Attempt, Job
from jobs.store.costs import cost_of
from jobs.store.database import Database
from jobs.store.kept_texts import select_kept
from jobs.store.projects import keep_seconds_of
from jobs.tables import attempts, jobs


@dataclass(frozen=True, slots=True)
class WholeJob:
    """A job with its request, and every attempt at it, the first one first."""

    job: Job
    attempts: Sequence[Attempt]
    cost: CostSum
    """What it has cost so far, its failed attempts included."""
    kept_texts: Sequence[int]
    """The attempts of which a text is stored, in order."""


def read_whole_job(database: Database, job_id: str, *, project: str) -> WholeJob | None:
    """One job; None when it belongs to another project."""
    with database.read() as connection:
        row = connection.execute(_job(), {"job": job_id, "of_project": project}).mappings().one_or_none()
        if row is None:
            return None
        found = [Attempt.from_row(one) for one in connection.execute(_attempts(), {"job": job_id}).mappings()]
        kept = sorted(connection.scalars(_kept(), {"job": job_id}))
    return WholeJob(Job.from_row(row), found, cost_of(found), kept)


@cache
def _job() -> Select[Any]:
    mine = jobs.c.id == bindparam("job"), jobs.c.project == bindparam("of_project")
    return select(jobs, keep_seconds_of(jobs)).where(*mine)


@cache
def _attempts() -> Select[Any]:
    return select(attempts).where(attempts.c.job_id == bindparam("job")).order_by(attempts.c.attempt)


@cache
def _kept() -> CompoundSelect[Any]:
    return select_kept(bindparam("job"))
