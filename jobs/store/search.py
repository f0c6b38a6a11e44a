"""Search: which jobs a filter finds, newest or oldest first, a page at a time.

Among a million jobs a page must be found through an index, and each kind of filter has its own: see the indexes in
`jobs/tables/`. Common texts are found by walking one of them in order until the page is full. For a rare text that
walk would read every job, so after some length of it the index of texts is asked (`jobs/store/text_index.py`), and
that of names (`jobs/store/sought.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Select,
    String,
    UnaryExpression,
    case,
    cast,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.sql.operators import custom_op

from jobs.model.ids import first_id
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.metadata_pairs import pair_number
from jobs.store.pages import in_portions
from jobs.store.projects import keep_seconds_of
from jobs.store.sought import find_sought, is_sought
from jobs.tables import LIST_COLUMNS, drafts, jobs, metadata_pairs

_LONGEST_SUBMIT = timedelta(minutes=10)
_WALK = 2000
"""Scan this many jobs in order before asking the trigram index. A text that fills no page of 50 within them is in at
most one job of forty, so the index is never asked for a text that half of all jobs have."""
_WALK_ON_POSTGRESQL = 6000
"""PostgreSQL reads all texts that its index finds, those of other projects too: 5 s for 20,000 of 16 kB. So a project
with fewer jobs than this is walked whole.
"""
_IDS_PER_READ = 200
_FEW = 2000
"""A metadata pair with fewer jobs than this drives the query; a more common one is only checked on the jobs that
another column finds."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None means any. `text` stands somewhere in the text so far, whatever its case, or is the
    beginning of the `custom_id`.
    """

    batch_id: str | None = None
    status: JobStatus | None = None
    model: str | None = None
    custom_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    text: str | None = None
    alone: bool = False
    """Only jobs that belong to no batch."""


def list_jobs(
    database: Database,
    wanted: JobFilter,
    *,
    project: str | None,
    after: str | None,
    limit: int,
    newest_first: bool = True,
) -> tuple[list[Job], bool]:
    """A page of a project's jobs after the one with id `after`, and whether there are more.

    `project=None` means every project; only internal callers may pass it, never an endpoint.
    """
    with database.read() as connection:
        query = _query(connection, wanted, project, after, newest_first=newest_first)
        if wanted.text is None:
            rows = query.read(connection, limit + 1)
        else:
            rows = _read_with_text(connection, query, wanted.text, project, limit + 1)
    return [Job.from_row(row) for row in rows[:limit]], len(rows) > limit


@dataclass(frozen=True, slots=True)
class _Query:
    """All conditions on a job except that on its text. `key` is its id, in the table whose index gives the order."""

    rows: Select[Any]
    key: ColumnElement[str]
    newest_first: bool

    def read(self, connection: Connection, limit: int, *conditions: ColumnElement[bool]) -> list[RowMapping]:
        rows = self.rows.where(*conditions).order_by(self._order).limit(limit)
        return list(connection.execute(rows).mappings())

    def find_end_of_walk(self, connection: Connection, length: int) -> str | None:
        """The id at which a walk of this length ends; None when there are fewer jobs."""
        ids = self.rows.with_only_columns(self.key).order_by(self._order)
        return connection.scalar(ids.offset(length - 1).limit(1))

    @property
    def _order(self) -> ColumnElement[str]:
        return self.key.desc() if self.newest_first else self.key.asc()


def _read_with_text(
    connection: Connection, query: _Query, text: str, project: str | None, limit: int
) -> list[RowMapping]:
    is_sqlite = connection.dialect.name == "sqlite"
    wanted = is_sought(text, is_sqlite=is_sqlite)
    end = query.find_end_of_walk(connection, _WALK)
    if end is None:
        return query.read(connection, limit, wanted)
    walked = query.key >= end if query.newest_first else query.key <= end
    rows = query.read(connection, limit, wanted, walked)
    if len(rows) == limit:
        return rows
    candidates = None
    if is_sqlite or query.find_end_of_walk(connection, _WALK_ON_POSTGRESQL) is not None:
        candidates = find_sought(connection, text, beyond=end, newest_first=query.newest_first, project=project)
    if candidates is None:  # they are few, or the index cannot tell
        return rows + query.read(connection, limit - len(rows), wanted, ~walked)
    for some in in_portions(candidates, _IDS_PER_READ):
        rows += query.read(connection, limit - len(rows), wanted, jobs.c.id.in_(some))
        if len(rows) == limit:
            break
    return rows


def _query(
    connection: Connection, wanted: JobFilter, project: str | None, after: str | None, *, newest_first: bool
) -> _Query:
    """The query for a filter, in the form that makes each database use the right index."""
    is_sqlite = connection.dialect.name == "sqlite"
    columns: dict[str, Any] = {"project": project, "batch_id": wanted.batch_id, "custom_id": wanted.custom_id}
    columns |= {"status": wanted.status, "model": wanted.model}
    given = {name: value for name, value in columns.items() if value is not None}
    key: ColumnElement[str] = jobs.c.id
    query = select(*LIST_COLUMNS, keep_seconds_of(jobs))
    looked_up = set(given)
    if "custom_id" in given:
        looked_up -= {"batch_id", "status", "model"}
    elif "batch_id" in given:
        looked_up -= {"project", "model"}
    if wanted.alone:
        query = query.where(jobs.c.batch_id.is_(None))
        if "custom_id" not in given:
            looked_up = set()  # by the index of batches: most jobs of a project are in one
    pairs = _count_pairs(connection, project, wanted.metadata) if project is not None else []
    if pairs and (pairs[0][0] < _FEW or set(given) == {"project"}):
        # The rarest pair drives the query. A common one is checked on each job that the other columns find.
        key = metadata_pairs.c.job_id
        query = query.join_from(metadata_pairs, jobs, jobs.c.id == key)
        query = query.where(*_of_pair(metadata_pairs, str(project), pairs.pop(0)[1]))
        looked_up = set()
    for _, number in pairs:
        pair = metadata_pairs.alias()
        query = query.where(
            select(pair.c.job_id).where(*_of_pair(pair, str(project), number), pair.c.job_id == key).exists()
        )
    for name, value in given.items():
        column = jobs.c[name]
        query = query.where((column if name in looked_up or not is_sqlite else _unindexed(column)) == value)
    query = query.where(*(_has_pair(*pair, is_sqlite=is_sqlite) for pair in wanted.metadata.items()))
    query = query.where(*_created(wanted))
    # Both ids are bounded: PostgreSQL merges the two tables, and would read one without bounds from its very end.
    for ordered in (key,) if is_sqlite else {key, jobs.c.id}:
        query = query.where(*_between(wanted, ordered, after, newest_first=newest_first, is_sqlite=is_sqlite))
    # Leave out the jobs of drafts.
    drafted = jobs.c.batch_id.in_(select(drafts.c.batch_id))
    return _Query(query.where(or_(jobs.c.batch_id.is_(None), ~drafted)), key, newest_first)


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column whose index SQLite must not use. It has no statistics: between the index that finds the hundred jobs of
    a batch and the one that finds the million of a project, it may well choose the second.
    """
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _count_pairs(connection: Connection, project: str, wanted: Mapping[str, str]) -> list[tuple[int, int]]:
    """How many jobs have each pair, counted up to `_FEW`, and the number of the pair; the rarest first."""
    counted = []
    for key, value in wanted.items():
        number = pair_number(key, value)
        some = select(metadata_pairs.c.job_id).where(*_of_pair(metadata_pairs, project, number)).limit(_FEW)
        counted.append((connection.scalar(select(func.count()).select_from(some.subquery())) or 0, number))
    return sorted(counted)


def _of_pair(pairs: FromClause, project: str, number: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return pairs.c.project == project, pairs.c.pair == number


def _has_pair(key: str, value: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        # PostgreSQL believes that such an equality is very rare, and plans for a page that is never full. It assumes
        # nothing about a CASE.
        return case((cast(jobs.c.metadata[key].as_string(), String) == value, true()), else_=false())
    # A JSON path of SQLite finds no key that has a quote, a backslash or a letter beyond ASCII.
    pair = func.json_each(jobs.c.metadata).table_valued("key", "value")
    return select(pair.c.key).where(pair.c.key == key, pair.c.value == value).exists()


def _created(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.created_after is not None:
        yield jobs.c.created_at >= wanted.created_after
    if wanted.created_before is not None:
        yield jobs.c.created_at < wanted.created_before


def _between(
    wanted: JobFilter, key: ColumnElement[str], after: str | None, *, newest_first: bool, is_sqlite: bool
) -> Iterator[ColumnElement[bool]]:
    """The range of ids to look in. Ids begin with the time at which they were made, shortly before `created_at`."""
    least = first_id("job", wanted.created_after - _LONGEST_SUBMIT) if wanted.created_after else None
    below = first_id("job", wanted.created_before + timedelta(milliseconds=1)) if wanted.created_before else None
    # SQLite uses only one of two bounds on the same side, maybe the wider one, and reads everything between them.
    if after is not None and newest_first:
        if below is None or after < below or not is_sqlite:
            yield key < after
            below = None if is_sqlite else below
    elif after is not None and (least is None or after >= least or not is_sqlite):
        yield key > after
        least = None if is_sqlite else least
    if least is not None:
        yield key >= least
    if below is not None:
        yield key < below
