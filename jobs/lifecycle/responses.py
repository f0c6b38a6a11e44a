"""Responses: jobs that were submitted as OpenAI's Responses. A Response's id is its job's, with another prefix.

Deleting a Response moves it, in one transaction, to the project `NOBODY`, so that every read misses it and its job at
once. Its rows are erased as soon as the job has ended, by the API that deleted it or by any worker's dispatch loop.

One that is not to be stored is marked from its submission on. The API deletes it when it has sent the answer; if nobody
was there to be sent it, a worker deletes it some minutes after its end.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sys import getsizeof
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select, update

from jobs.dispatch.due import using
from jobs.lifecycle.erase import NOBODY, erase_jobs
from jobs.lifecycle.rescue import cancel_job
from jobs.live.status_changes import StatusChange
from jobs.model.ids import job_id_of, response_id
from jobs.model.records import Job
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database
from jobs.store.groups_by_bytes import stream_batch
from jobs.store.job_requests import job_columns
from jobs.store.metadata_pairs import remove_pairs
from jobs.tables import jobs, responses, texts

UNSTORED_SECONDS = 600.0
"""How long a Response that is not to be stored can still be fetched after its end, if its answer was not sent whole."""

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A Response as it is stored: what the client sent, except for its input, and the job, with its text at the end."""

    request: dict[str, Any]
    job: Job
    text: str | None
    reasoning: str = ""
    """Empty without any, and until the job has ended."""
    request_size: int = 0
    """How many bytes the request has."""
    size: int = 0
    """How many bytes of memory the request, the text, the reasoning and the tool calls take."""

    @property
    def id(self) -> str:
        return response_id(self.job.id)


def stream_responses(database: Database, batch_id: str, statuses: Collection[JobStatus]) -> Iterator[StoredResponse]:
    """The Responses of a batch in these statuses, in input order; a few are in memory at a time."""

    def read(group: Sequence[str]) -> list[StoredResponse]:
        wanted = _wanted().where(jobs.c.id.in_(group), jobs.c.status.in_(statuses)).order_by(jobs.c.id)
        with database.read() as connection:
            return [_stored(row) for row in connection.execute(wanted).mappings()]

    return stream_batch(database, batch_id, statuses, read, also=["request", "cells"])


def read_response(database: Database, named: str, *, project: str) -> StoredResponse | None:
    """A Response of this project by its id, read in one statement, so that all of it belongs together."""
    wanted = _wanted().where(
        responses.c.job_id == (job_id_of(named) or ""),
        responses.c.project == project,
        jobs.c.project == project,
    )
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    return _stored(row) if row is not None else None


def _wanted() -> Select[Any]:
    return (
        select(responses.c.request.label("asked"), *job_columns(), texts.c.text, texts.c.reasoning)
        .join_from(responses, jobs, jobs.c.id == responses.c.job_id)
        .join(texts, texts.c.job_id == jobs.c.id, isouter=True)
    )


def _stored(row: RowMapping) -> StoredResponse:
    job = Job.from_row(row)
    text, reasoning = (row["text"] or "", row["reasoning"] or "") if job.is_final else (None, "")
    size = sum(getsizeof(long or "") for long in (row["asked"], text, reasoning, row["message"]))
    return StoredResponse(json.loads(row["asked"]), job, text, reasoning, len(row["asked"]), size)


def delete_response(database: Database, named: str, *, project: str) -> list[StatusChange] | None:
    """Delete a Response; a job that still runs is cancelled first. None when this project has no such Response.

    Returns what became of its job, so that the caller can publish it. Calling it again changes nothing.
    """
    job_id = job_id_of(named)
    if job_id is None:
        return None
    with database.write() as connection:
        # A job before its other rows, as everybody does.
        connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
        mine = (responses.c.job_id == job_id, responses.c.project == project)
        marked = connection.execute(update(responses).where(*mine).values(deleted_at=database.now(), project=NOBODY))
        if marked.rowcount == 0:
            return None
        remove_pairs(connection, [job_id])  # now, because they name the project
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(project=NOBODY))
    return _end_and_erase(database, [job_id])


def erase_deleted(database: Database) -> list[StatusChange]:
    """Continue deletions: cancel what runs, erase what has ended. Returns the jobs that this cancelled."""
    marked = select(responses.c.job_id).where(responses.c.deleted_at.is_not(None), responses.c.project == NOBODY)
    unstored = (
        select(responses.c.job_id, responses.c.project)
        .with_hint(responses, **using("responses_deleted"))  # else SQLite reads all jobs that have ended
        .join_from(responses, jobs, jobs.c.id == responses.c.job_id)
        .where(
            responses.c.deleted_at.is_not(None),
            responses.c.project != NOBODY,
            jobs.c.status.in_(FINAL),
            jobs.c.finished_at < database.now() - timedelta(seconds=UNSTORED_SECONDS),
        )
    )
    with database.read() as connection:  # nearly always there is none
        job_ids = list(connection.scalars(marked.limit(_AT_ONCE)))
        left = connection.execute(unstored.limit(_AT_ONCE)).all()
    changes = _end_and_erase(database, job_ids)
    for row in left:
        changes.extend(delete_response(database, response_id(row.job_id), project=row.project) or [])
    return changes


def _end_and_erase(database: Database, job_ids: list[str]) -> list[StatusChange]:
    changes = []
    for job_id in job_ids:
        with database.read() as connection:
            asked_at: datetime | None = connection.scalar(select(jobs.c.cancel_requested_at).where(jobs.c.id == job_id))
        change = cancel_job(database, job_id) if asked_at is None else None
        if change is not None:
            changes.append(change)
        with database.write() as connection:
            _erase(connection, job_id)
        database.mark_erased()
    return changes


def _erase(connection: Connection, job_id: str) -> None:
    """Erase a job that has ended, with all of its rows. One that runs is kept: its worker still writes to them."""
    status = connection.scalar(select(jobs.c.status).where(jobs.c.id == job_id).with_for_update())
    if status in FINAL:
        erase_jobs(connection, [job_id])
