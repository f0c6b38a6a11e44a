"""The jobs of a batch in groups that are small enough to be read at once, however long their texts are: the reader may
be slow, and there may be many.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, func, select

from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.job_requests import asked_bytes
from jobs.tables import jobs, texts

Also = Literal["request", "cells"]
"""What of a job is long, and read only where it is asked for."""

T = TypeVar("T")

_ROWS_AT_ONCE = 200
_BYTES_AT_ONCE = 1024 * 1024
_UNKNOWN_TEXT_BYTES = 16 * 1024
"""A running job has no length yet, and its text may have grown by so much when it is read."""


def groups_of_batch(
    database: Database, batch_id: str, statuses: Collection[JobStatus], *, also: Collection[Also] = ()
) -> Iterator[list[str]]:
    """The ids of the jobs that have one of these statuses, in input order: a few hundred, or those of whose texts (and
    what is `also` read) a megabyte is reached, or one that is longer.
    """
    size = _row_bytes(also).label("size")
    last, most = "", _ROWS_AT_ONCE
    while True:
        wanted = select(jobs.c.id, size).where(*_of_batch(batch_id, statuses), jobs.c.id > last)
        with database.read() as connection:
            page = connection.execute(wanted.order_by(jobs.c.id).limit(most)).all()
        if not page:
            return
        group = _first_group(page)
        yield group
        if len(group) == len(page) < most:
            return
        # Sizes beyond the group are read again: while the reader took its time, running jobs may have ended with long
        # texts. So not many more are read than the next group will have.
        last, most = group[-1], min(_ROWS_AT_ONCE, 2 * len(group))


def stream_batch(
    database: Database,
    batch_id: str,
    statuses: Collection[JobStatus],
    read: Callable[[Sequence[str]], Sequence[T]],
    *,
    also: Collection[Also] = (),
) -> Iterator[T]:
    """What `read` gives for the ids of each group, in input order; one group is in memory at a time."""
    for group in groups_of_batch(database, batch_id, statuses, also=also):
        found = list(reversed(read(group)))
        while found:
            yield found.pop()  # nothing here keeps one that was handed out


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
    checkpoint = select(func.length(texts.c.text)).where(texts.c.job_id == jobs.c.id).scalar_subquery()
    so_far = func.coalesce(checkpoint, 0) + _UNKNOWN_TEXT_BYTES
    written = func.coalesce(jobs.c.bytes, so_far) + func.coalesce(jobs.c.reasoning_bytes, 0)
    return written + asked_bytes(also) if also else written


def _first_group(page: Sequence[Any]) -> list[str]:
    group = [page[0].id]
    size = page[0].size
    for row in page[1:]:
        size += row.size
        if size > _BYTES_AT_ONCE:
            break
        group.append(row.id)
    return group
