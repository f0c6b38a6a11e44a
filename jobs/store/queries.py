"""Reads: rows only, never Redis. Lists of jobs are in `jobs/store/search.py`.

The job or batch that a caller names is read with the caller's project; what belongs to it is read after that.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from jobs.model.batch_records import BATCH_TIMES, Batch
from jobs.model.cost import NO_COST, CostSum
from jobs.model.records import Attempt, Job
from jobs.model.retention import Retention, delete_at
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.batch_counts import count_failed, count_incomplete, count_jobs, sum_batch_usage
from jobs.store.costs import sum_costs
from jobs.store.database import Database
from jobs.store.groups_by_bytes import Also, stream_batch
from jobs.store.job_requests import asked
from jobs.store.job_statements import read_row, select_attempts, select_job, select_result, select_with_text
from jobs.store.pages import read_page
from jobs.store.projects import keep_seconds_of
from jobs.tables import LIST_COLUMNS, attempts, batches, jobs

_PLAIN = (
    "id", "endpoint", "metadata", "completion_window", "output_seconds", "max_concurrency", "total", "model",
    "input_file_id", "errors", "warnings",
)  # fmt: skip
"""What a batch has from its row as it is there."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A job with its stored text and its reasoning; the text is None until the job has ended."""

    job: Job
    text: str | None
    reasoning: str = ""
    cost: CostSum = NO_COST
    """What its ended attempts cost, where that was read."""


def read_job(database: Database, job_id: str, *, project: str | None) -> Job | None:
    """One job with its request; None when it belongs to another project."""
    with database.read() as connection:
        row = read_row(connection, select_job, job_id, project)
    return Job.from_row(row) if row else None


def read_message(database: Database, job_id: str) -> str | None:
    """What an ended job has beside its text (`jobs/model/message.py`), as it is stored: JSON, which may be long."""
    with database.read() as connection:
        message: str | None = connection.scalar(select(jobs.c.message).where(jobs.c.id == job_id))
    return message


def read_status(database: Database, job_id: str) -> tuple[JobStatus, int] | None:
    with database.read() as connection:
        row = connection.execute(select(jobs.c.status, jobs.c.attempt).where(jobs.c.id == job_id)).one_or_none()
    return (JobStatus(row.status), row.attempt) if row else None


def read_result(database: Database, job_id: str, *, project: str | None) -> StoredResult | None:
    """One job with its stored text, read in one statement, so that the two belong together."""
    with database.read() as connection:
        row = read_row(connection, select_result, job_id, project)
    return _result(row) if row else None


def read_attempts(database: Database, job_id: str) -> list[Attempt]:
    """Every attempt of a job, the first one first."""
    with database.read() as connection:
        return [Attempt.from_row(row) for row in connection.execute(select_attempts(), {"job": job_id}).mappings()]


def read_states(database: Database, batch_id: str, *, after: str, limit: int) -> list[tuple[str, JobStatus, int]]:
    """The id, status and attempt of the next jobs of a batch in input order, after the one with id `after`."""
    wanted = select(jobs.c.id, jobs.c.status, jobs.c.attempt).where(jobs.c.batch_id == batch_id, jobs.c.id > after)
    with database.read() as connection:
        rows = connection.execute(wanted.order_by(jobs.c.id).limit(limit))
        return [(row.id, JobStatus(row.status), row.attempt) for row in rows]


def read_jobs(database: Database, job_ids: Sequence[str], *, project: str | None = None) -> list[Job]:
    """Some jobs without their requests, in input order; those of this project, if one is given."""
    wanted = select(*LIST_COLUMNS, keep_seconds_of(jobs)).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    if project is not None:
        wanted = wanted.where(jobs.c.project == project)
    with database.read() as connection:
        return [Job.from_row(row) for row in connection.execute(wanted).mappings()]


def read_results(database: Database, job_ids: Sequence[str], *, also: Collection[Also] = ()) -> list[StoredResult]:
    """Some jobs with their stored texts and what they cost, in input order."""
    wanted = select_with_text(*(asked(name) for name in also)).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    with database.read() as connection:
        costs = sum_costs(connection, attempts.c.job_id, job_ids)
        return [_result(row, costs.get(row["id"], NO_COST)) for row in connection.execute(wanted).mappings()]


def read_batch(database: Database, batch_id: str, *, project: str | None) -> Batch | None:
    """One batch with its counts; None when it belongs to another project."""
    own = (batches.c.id == batch_id, *_of(project, batches.c.project))
    wanted = select(batches, keep_seconds_of(batches)).where(*own)
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
        return _batches(connection, [row])[0] if row else None


def list_batches(database: Database, *, project: str | None, after: str | None, limit: int) -> tuple[list[Batch], bool]:
    """A page of a project's batches after the one with id `after`, newest first, and whether there are more."""
    wanted = select(batches, keep_seconds_of(batches)).where(*_of(project, batches.c.project))
    with database.read() as connection:
        rows, has_more = read_page(connection, wanted, batches.c.id, after, limit)
        return _batches(connection, rows), has_more


def stream_results(
    database: Database,
    batch_id: str,
    statuses: Collection[JobStatus] = frozenset(JobStatus),
    *,
    also: Collection[Also] = (),
) -> Iterator[StoredResult]:
    """The jobs of a batch that have one of these statuses, in input order and with their texts; a few are in memory at
    a time.
    """

    def read(group: Sequence[str]) -> list[StoredResult]:
        # One may have been retried in between.
        return [result for result in read_results(database, group, also=also) if result.job.status in statuses]

    return stream_batch(database, batch_id, statuses, read, also=also)


def _of(project: str | None, column: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
    """Only rows of this project. None means every project; only internal callers may pass it, never an endpoint."""
    if project is not None:
        yield column == project


def _result(row: RowMapping, cost: CostSum = NO_COST) -> StoredResult:
    job = Job.from_row(row)
    if not job.is_final:
        return StoredResult(job, None, cost=cost)
    return StoredResult(job, row["text"] or "", row["reasoning"] or "", cost)


def _batches(connection: Connection, rows: Sequence[RowMapping]) -> list[Batch]:
    running = [row["id"] for row in rows if row["completed"] is None]
    counts = count_jobs(connection, running) if running else {}
    # A worker of a version before 0.2 ends a batch without this count.
    uncounted = [row["id"] for row in rows if row["completed"] is None or row["incomplete"] is None]
    cut_short = count_incomplete(connection, uncounted) if uncounted else {}
    costs = sum_costs(connection, attempts.c.batch_id, running) if running else {}
    shown = []
    for row in rows:
        ended = row["completed"] is not None
        if ended and row["cost"]:
            costs[row["id"]] = CostSum.from_json(row["cost"])
        of_row = counts.get(row["id"], {})
        shown.append(
            Batch(
                **{name: row[name] for name in _PLAIN},
                status=BatchStatus(row["status"]),
                times={name: row[name] for name in BATCH_TIMES},
                completed=row["completed"] if ended else of_row.get(JobStatus.COMPLETED, 0),
                failed=row["failed"] if ended else count_failed(of_row),
                in_progress=0 if ended else of_row.get(JobStatus.IN_PROGRESS, 0),
                incomplete=cut_short.get(row["id"], 0) if row["id"] in uncounted else row["incomplete"],
                usage=row["usage"] if ended else sum_batch_usage(connection, row["id"]),
                cost=costs.get(row["id"]),
                # A batch that runs again after a retry has kept their ids.
                output_file_id=row["output_file_id"] if ended else None,
                error_file_id=row["error_file_id"] if ended else None,
                retention=Retention.from_row(row),
                delete_at=delete_at(row, row["finalizing_at"] or row["failed_at"]),
            )
        )
    return shown
