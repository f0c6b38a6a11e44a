"""One job with all that is shown of it: its attempts, what they cost, and whose texts are kept.

It is asked for more often than anything else, so one connection reads all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import RowMapping

from jobs.model.cost import CostSum
from jobs.model.records import Attempt, Job
from jobs.store.costs import add_costs, cost_of_attempt
from jobs.store.database import Database
from jobs.store.job_statements import read_row, select_attempts, select_job, select_kept_texts

_LONG = ("request", "message", "accept", "cells")


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job, and beside it what of it may be long, as it is stored: to decode 9 MB keeps every thread waiting."""

    job: Job
    as_stored: Mapping[str, str]
    """Its `request`, `message`, `accept` and `cells` as JSON, of those that it has."""


@dataclass(frozen=True, slots=True)
class WholeJob:
    """A job with its request, and every attempt at it, the first one first."""

    stored: StoredJob
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
    return WholeJob(_stored(row), found, add_costs(map(cost_of_attempt, found)), kept)


def read_stored_job(database: Database, job_id: str, *, project: str) -> StoredJob | None:
    """One job; None when it belongs to another project."""
    with database.read() as connection:
        row = read_row(connection, select_job, job_id, project)
    return _stored(row) if row is not None else None


def _stored(row: RowMapping) -> StoredJob:
    as_stored: dict[str, str] = {name: row[name] for name in _LONG if row[name]}
    short: dict[str, Any] = {**row, **dict.fromkeys(_LONG)}
    return StoredJob(Job.from_row(cast("RowMapping", short)), as_stored)
