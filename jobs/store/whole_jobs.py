"""One job with all that is shown of it: its attempts, what they cost, and whose texts are kept.

It is asked for more often than anything else, so one connection reads all of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Select, case, func, select

from jobs.model.cost import CostSum
from jobs.model.records import Attempt, Job
from jobs.store.costs import add_costs, cost_of_attempt
from jobs.store.database import Database
from jobs.store.job_requests import asked_bytes, job_columns
from jobs.store.job_statements import read_row, select_attempts, select_job, select_kept_texts, select_owned
from jobs.store.projects import keep_seconds_of
from jobs.store.text_bytes import byte_length
from jobs.tables import jobs, responses, texts

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


class LongJobError(Exception):
    """What of a job may be long is longer than wanted. It was not read."""


def read_whole_job(database: Database, job_id: str, *, project: str, most_bytes: int | None = None) -> WholeJob | None:
    """One job; None when it belongs to another project. Raises `LongJobError` for one with more than `most_bytes` of
    request and the like.
    """
    of_job = {"job": job_id}
    with database.read() as connection:
        stored = _read(connection, job_id, project, most_bytes)
        if stored is None:
            return None
        found = [Attempt.from_row(one) for one in connection.execute(select_attempts(), of_job).mappings()]
        kept = sorted(connection.scalars(select_kept_texts(), of_job))
    return WholeJob(stored, found, add_costs(map(cost_of_attempt, found)), kept)


def read_stored_job(
    database: Database, job_id: str, *, project: str, most_bytes: int | None = None
) -> StoredJob | None:
    """The same without its attempts."""
    with database.read() as connection:
        return _read(connection, job_id, project, most_bytes)


def read_size(database: Database, job_ids: Collection[str]) -> int:
    """How many bytes these jobs have in all that of them may be long: requests, texts, and what was asked for a
    Response."""
    with database.read() as connection:
        length = partial(byte_length, is_sqlite=connection.dialect.name == "sqlite")
        long = (jobs.c.message, texts.c.text, texts.c.reasoning, responses.c.request)
        size: Any = sum((func.coalesce(length(column), 0) for column in long), asked_bytes())
        of_jobs = jobs.outerjoin(texts, texts.c.job_id == jobs.c.id).outerjoin(
            responses, responses.c.job_id == jobs.c.id
        )
        sizes = connection.scalars(select(size).select_from(of_jobs).where(jobs.c.id.in_(job_ids)))
        return sum(map(int, sizes))


def _read(connection: Connection, job_id: str, project: str, most_bytes: int | None) -> StoredJob | None:
    if most_bytes is None:
        row = read_row(connection, select_job, job_id, project)
    else:
        statement = partial(_select_short, is_sqlite=connection.dialect.name == "sqlite", most_bytes=most_bytes)
        row = read_row(connection, statement, job_id, project)
        if row is not None and row["long_bytes"] > most_bytes:
            raise LongJobError
    return _stored(row) if row is not None else None


@cache
def _select_short(is_owned: bool, *, is_sqlite: bool, most_bytes: int) -> Select[Any]:
    """A job, with what may be long where that is not longer than this: the size of 9 MB is known sooner than they."""
    size = asked_bytes() + func.coalesce(byte_length(jobs.c.message, is_sqlite=is_sqlite), 0)
    long = (column for column in job_columns() if column.name in _LONG)
    short = [case((size <= most_bytes, column)).label(column.name) for column in long]
    others = job_columns(*_LONG)
    return select_owned(select(*others, *short, size.label("long_bytes"), keep_seconds_of(jobs)), is_owned)


def _stored(row: RowMapping) -> StoredJob:
    as_stored: dict[str, str] = {name: row[name] for name in _LONG if row[name]}
    short: dict[str, Any] = {**row, **dict.fromkeys(_LONG)}
    return StoredJob(Job.from_row(cast("RowMapping", short)), as_stored)
