"""One job with all that is shown of it: its attempts, what they cost, and whose texts are kept.

It is asked for more often than anything else, so one connection reads all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.model.cost import CostSum
from jobs.model.records import Attempt, Job
from jobs.store.costs import add_costs, cost_of_attempt
from jobs.store.database import Database
from jobs.store.job_statements import read_row, select_attempts, select_job, select_kept_texts


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
    of_job = {"job": job_id}
    with database.read() as connection:
        row = read_row(connection, select_job, job_id, project)
        if row is None:
            return None
        found = [Attempt.from_row(one) for one in connection.execute(select_attempts(), of_job).mappings()]
        kept = sorted(connection.scalars(select_kept_texts(), of_job))
    return WholeJob(Job.from_row(row), found, add_costs(map(cost_of_attempt, found)), kept)
