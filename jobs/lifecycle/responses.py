"""Responses: jobs that were submitted as OpenAI's Responses. A Response's id is its job's, with another prefix.

Deleting a Response moves it, in one transaction, to the project `NOBODY`, so that every read misses it and its job at
once. Its rows are erased as soon as the job has ended, by the API that deleted it or by any worker's dispatch loop.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from jobs.lifecycle.rescue import cancel_job
from jobs.live.status_changes import StatusChange
from jobs.model.records import Job
from jobs.model.status import FINAL
from jobs.store.database import Database
from jobs.store.metadata_pairs import remove_pairs
from jobs.store.queries import StoredResult
from jobs.tables import attempts, jobs, longest_texts, lost_texts, responses, texts

NOBODY = ""
"""The project of Responses that were deleted and are not erased yet. No key can belong to it."""

_PREFIX = "resp_"
_ID = re.compile(r"resp_([0-9a-f]{1,60})")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A Response as it is stored: what the client sent, except for its input, and the job, with its text at the end."""

    request: dict[str, Any]
    job: Job
    text: str | None

    @property
    def id(self) -> str:
        """The Response's own id."""
        return response_id(self.job.id)


def response_id(job_id: str) -> str:
    """The id of a job as a Response."""
    return _PREFIX + job_id.partition("_")[2]


def job_id_of(named: str) -> str | None:
    """The id of a Response's job; None when this cannot be a Response's id."""
    match = _ID.fullmatch(named)
    return f"job_{match[1]}" if match else None


def read_response(database: Database, named: str, *, project: str) -> StoredResponse | None:
    """A Response of this project by its id, read in one statement, so that all of it belongs together."""
    wanted = (
        select(responses.c.request.label("asked"), *jobs.c, texts.c.text)
        .join_from(responses, jobs, jobs.c.id == responses.c.job_id)
        .join(texts, texts.c.job_id == jobs.c.id, isouter=True)
        .where(
            responses.c.job_id == (job_id_of(named) or ""),
            responses.c.project == project,
            jobs.c.project == project,
        )
    )
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        return None
    job = Job.from_row(row)
    return StoredResponse(json.loads(row["asked"]), job, (row["text"] or "") if job.is_final else None)


def with_result(asked: StoredResponse, result: StoredResult) -> StoredResponse:
    """The same Response with its job at a later time."""
    return StoredResponse(asked.request, result.job, result.text)


def delete_response(database: Database, named: str, *, project: str) -> list[StatusChange] | None:
    """Delete a Response; a job that still runs is cancelled first. None when this project has no such Response.

    Returns the jobs that were moved, so that the caller can tell their watchers. Calling it again changes nothing.
    """
    job_id = job_id_of(named)
    if job_id is None:
        return None
    with database.write() as connection:
        mine = (responses.c.job_id == job_id, responses.c.project == project)
        marked = connection.execute(update(responses).where(*mine).values(deleted_at=database.now(), project=NOBODY))
        if marked.rowcount == 0:
            return None
        remove_pairs(connection, [job_id])  # now, because they name the project
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(project=NOBODY))
    return _end_and_erase(database, [job_id])


def erase_deleted(database: Database, limit: int = 100) -> list[StatusChange]:
    """Continue deletions: cancel what runs, erase what has ended. Returns the jobs that were moved by a cancel."""
    marked = select(responses.c.job_id).where(responses.c.deleted_at.is_not(None)).limit(limit)
    with database.read() as connection:  # nearly always there is none
        job_ids = list(connection.scalars(marked))
    return _end_and_erase(database, job_ids)


def _end_and_erase(database: Database, job_ids: list[str]) -> list[StatusChange]:
    changes = []
    for job_id in job_ids:
        with database.read() as connection:
            asked_at: datetime | None = connection.scalar(select(jobs.c.cancel_requested_at).where(jobs.c.id == job_id))
        one = cancel_job(database, job_id) if asked_at is None else None
        if one is not None:
            changes.append(one)
        with database.write() as connection:
            _erase(connection, job_id)
    return changes


def _erase(connection: Connection, job_id: str) -> None:
    """Erase a job that has ended, with all of its rows. One that runs is kept: its worker still writes to them."""
    ended = jobs.c.status.in_(FINAL)
    gone = connection.execute(delete(jobs).where(jobs.c.id == job_id, ended))
    left = connection.scalar(select(jobs.c.id).where(jobs.c.id == job_id))
    if gone.rowcount == 0 and left is not None:
        return
    for table in (texts, longest_texts, lost_texts, attempts, responses):
        connection.execute(delete(table).where(table.c.job_id == job_id))
