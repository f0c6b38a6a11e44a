"""Reads: rows only, never Redis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, String, cast, func, select

from jobs.database import Database
from jobs.ids import first_id
from jobs.records import BATCH_TIMES, Attempt, Batch, Job
from jobs.settle import count_failed, count_jobs, sum_usage
from jobs.status import BatchStatus, JobStatus
from jobs.tables import attempts, batches, jobs, texts

_WITHOUT_REQUEST = [column for column in jobs.c if column.name != "request"]
_ROWS_PER_READ = 200
_LONGEST_SUBMIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None means any. `text` is looked for in the stored text, letter case aside."""

    batch_id: str | None = None
    status: JobStatus | None = None
    model: str | None = None
    custom_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A job with its stored text; the text is None until the job has ended."""

    job: Job
    text: str | None


def read_job(database: Database, job_id: str) -> Job | None:
    """One job with its request."""
    with database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return Job.from_row(row) if row else None


def read_status(database: Database, job_id: str) -> tuple[JobStatus, int] | None:
    """A job's status and attempt."""
    with database.read() as connection:
        row = connection.execute(select(jobs.c.status, jobs.c.attempt).where(jobs.c.id == job_id)).one_or_none()
    return (JobStatus(row.status), row.attempt) if row else None


def read_result(database: Database, job_id: str) -> Result | None:
    """One job with its stored text, read in one statement, so that both are of one moment."""
    wanted = _with_text().where(jobs.c.id == job_id)
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    return _result(row) if row else None


def read_text_so_far(database: Database, job_id: str) -> tuple[int, str] | None:
    """The attempt and the text of the last checkpoint; of an ended job, its stored text."""
    with database.read() as connection:
        row = connection.execute(select(texts.c.attempt, texts.c.text).where(texts.c.job_id == job_id)).one_or_none()
    return (row.attempt, row.text) if row else None


def read_attempts(database: Database, job_id: str) -> list[Attempt]:
    """Every attempt of a job, the first one first."""
    wanted = select(attempts).where(attempts.c.job_id == job_id).order_by(attempts.c.attempt)
    with database.read() as connection:
        return [Attempt.from_row(row) for row in connection.execute(wanted).mappings()]


def read_states(database: Database, batch_id: str, *, after: str, limit: int) -> list[tuple[str, JobStatus, int]]:
    """The id, status and attempt of the next jobs of a batch in input order, after the one with id `after`."""
    wanted = select(jobs.c.id, jobs.c.status, jobs.c.attempt).where(jobs.c.batch_id == batch_id, jobs.c.id > after)
    with database.read() as connection:
        rows = connection.execute(wanted.order_by(jobs.c.id).limit(limit))
        return [(row.id, JobStatus(row.status), row.attempt) for row in rows]


def read_jobs(database: Database, job_ids: Sequence[str]) -> list[Job]:
    """Some jobs without their requests, in input order."""
    wanted = select(*_WITHOUT_REQUEST).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    with database.read() as connection:
        return [Job.from_row(row) for row in connection.execute(wanted).mappings()]


def read_results(database: Database, job_ids: Sequence[str]) -> list[Result]:
    """Some jobs with their stored texts, in input order."""
    wanted = _with_text().where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    with database.read() as connection:
        return [_result(row) for row in connection.execute(wanted).mappings()]


def list_jobs(
    database: Database, wanted: JobFilter, *, after: str | None, limit: int, newest_first: bool = True
) -> tuple[list[Job], bool]:
    """A page of jobs after the one with id `after`, and whether there are more."""
    query = select(*_WITHOUT_REQUEST).where(*_conditions(wanted, is_sqlite=database.is_sqlite))
    if wanted.text is not None:
        # A question to each row, newest first, until the page is full: PostgreSQL cannot guess how often a text is
        # found, and with a join it read all of a million for a page of fifty.
        found = select(texts.c.text.icontains(wanted.text, autoescape=True)).where(texts.c.job_id == jobs.c.id)
        query = query.where(found.scalar_subquery())
    rows, more = _page(database, query, jobs.c.id, after, limit, newest_first)
    return [Job.from_row(row) for row in rows], more


def read_batch(database: Database, batch_id: str) -> Batch | None:
    """One batch with its counts."""
    with database.read() as connection:
        row = connection.execute(select(batches).where(batches.c.id == batch_id)).mappings().one_or_none()
        return _batches(connection, [row])[0] if row else None


def list_batches(database: Database, *, after: str | None, limit: int) -> tuple[list[Batch], bool]:
    """A page of batches after the one with id `after`, newest first, and whether there are more."""
    rows, more = _page(database, select(batches), batches.c.id, after, limit, newest_first=True)
    with database.read() as connection:
        return _batches(connection, rows), more


def stream_results(database: Database, batch_id: str) -> Iterator[Result]:
    """The jobs of a batch in input order, with their texts, a few hundred in memory at a time."""
    last = ""
    while True:
        wanted = _with_text().where(jobs.c.batch_id == batch_id, jobs.c.id > last).order_by(jobs.c.id)
        with database.read() as connection:
            rows = connection.execute(wanted.limit(_ROWS_PER_READ)).mappings().all()
        for row in rows:
            yield _result(row)
        if len(rows) < _ROWS_PER_READ:
            return
        last = rows[-1]["id"]


def _with_text() -> Select[Any]:
    return select(*_WITHOUT_REQUEST, texts.c.text).join_from(jobs, texts, texts.c.job_id == jobs.c.id, isouter=True)


def _result(row: RowMapping) -> Result:
    job = Job.from_row(row)
    return Result(job, (row["text"] or "") if job.is_final else None)


def _conditions(wanted: JobFilter, *, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    for name in ("batch_id", "status", "model", "custom_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield jobs.c[name] == value
    for key, value in wanted.metadata.items():
        yield _has_pair(key, value, is_sqlite=is_sqlite)
    # Ids begin with the time at which they were made, shortly before `created_at`: so the primary key finds the range.
    if wanted.created_after is not None:
        yield jobs.c.created_at >= wanted.created_after
        yield jobs.c.id >= first_id("job", wanted.created_after - _LONGEST_SUBMIT)
    if wanted.created_before is not None:
        yield jobs.c.created_at < wanted.created_before
        yield jobs.c.id < first_id("job", wanted.created_before + timedelta(milliseconds=1))


def _has_pair(key: str, value: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        return cast(jobs.c.metadata[key].as_string(), String) == value
    # A path of SQLite's finds no key with a quote, a backslash or a letter beyond ASCII.
    pair = func.json_each(jobs.c.metadata).table_valued("key", "value")
    return select(pair.c.key).where(pair.c.key == key, pair.c.value == value).exists()


def _page(
    database: Database, query: Select[Any], key: ColumnElement[str], after: str | None, limit: int, newest_first: bool
) -> tuple[list[RowMapping], bool]:
    if after is not None:
        query = query.where(key < after if newest_first else key > after)
    query = query.order_by(key.desc() if newest_first else key.asc()).limit(limit + 1)
    with database.read() as connection:
        rows = list(connection.execute(query).mappings())
    return rows[:limit], len(rows) > limit


def _batches(connection: Connection, rows: list[RowMapping]) -> list[Batch]:
    running = [row["id"] for row in rows if row["completed"] is None]
    counts = count_jobs(connection, running) if running else {}
    shown = []
    for row in rows:
        of_row = counts.get(row["id"], {})
        ended = row["completed"] is not None
        shown.append(
            Batch(
                id=row["id"],
                status=BatchStatus(row["status"]),
                endpoint=row["endpoint"],
                metadata=row["metadata"],
                completion_window=row["completion_window"],
                times={name: row[name] for name in BATCH_TIMES},
                total=row["total"],
                completed=row["completed"] if ended else of_row.get(JobStatus.COMPLETED, 0),
                failed=row["failed"] if ended else count_failed(of_row),
                in_progress=0 if ended else of_row.get(JobStatus.IN_PROGRESS, 0),
                usage=row["usage"] if ended else sum_usage(connection, row["id"]),
            )
        )
    return shown
