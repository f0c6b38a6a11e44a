"""The jobs of a batch in groups that are small enough to be read at once, however long their texts are: the reader may
be slow, and there may be many.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select

from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import jobs

Also = Literal["request", "cells"]
"""What of a job is long, and read only where it is asked for."""

_ROWS_AT_ONCE = 200
_BYTES_AT_ONCE = 1024 * 1024
_UNKNOWN_TEXT_BYTES = 16 * 1024
"""A running job has no length yet, and may end before it is read."""


def groups_of_batch(
    database: Database, batch_id: str, statuses: Collection[JobStatus], *, also: Collection[Also] = ()
) -> Iterator[list[str]]:
    """The ids of the jobs that have one of these statuses, in input order: a few hundred, or those of whose texts (and
    what is `also` read) a megabyte is reached, or one that is longer.
    """
    size = _row_bytes(also).label("size")
    last = ""
    while True:
        wanted = select(jobs.c.id, size).where(*_of_batch(batch_id, statuses), jobs.c.id > last)
        with database.read() as connection:
            page = connection.execute(wanted.order_by(jobs.c.id).limit(_ROWS_AT_ONCE)).all()
        yield from _grouped(page)
        if len(page) < _ROWS_AT_ONCE:
            return
        last = page[-1].id


def most_bytes_at_once(
    database: Database,
    batch_id: str,
    statuses: Collection[JobStatus] = frozenset(JobStatus),
    *,
    also: Collection[Also] = (),
) -> int:
    """How many bytes the largest of these groups may have."""
    size = _row_bytes(also)
    wanted = select(func.max(size), func.sum(size)).where(*_of_batch(batch_id, statuses))
    with database.read() as connection:
        longest, together = connection.execute(wanted).one()
    return max(int(longest or 0), min(int(together or 0), _BYTES_AT_ONCE))


def _of_batch(batch_id: str, statuses: Collection[JobStatus]) -> Iterator[ColumnElement[bool]]:
    yield jobs.c.batch_id == batch_id
    if len(statuses) < len(JobStatus):
        yield jobs.c.status.in_(statuses)


def _row_bytes(also: Collection[Also]) -> ColumnElement[int]:
    texts = func.coalesce(jobs.c.bytes, _UNKNOWN_TEXT_BYTES) + func.coalesce(jobs.c.reasoning_bytes, 0)
    return sum((func.coalesce(func.length(jobs.c[name]), 0) for name in also), texts)


def _grouped(page: Sequence[Any]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for row in page:
        if group and size + row.size > _BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(row.id)
        size += row.size
    if group:
        yield group
