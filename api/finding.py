"""What a path names: found in the caller's project, or refused as not found."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import ParamSpec, TypeVar

from api.access.turns import Turns
from api.callers.caller import Caller
from api.http.errors import ApiError
from api.services import LARGE_BODY, Services
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.model.batch_records import Batch
from jobs.model.ids import job_id_of
from jobs.model.records import Job
from jobs.store.files import File, read_file
from jobs.store.queries import read_batch, read_jobs
from jobs.store.whole_jobs import LongJobError, StoredJob, read_size, read_stored_job

P = ParamSpec("P")
T = TypeVar("T")


def find_job(services: Services, caller: Caller, job_id: str) -> Job:
    """The job, if it is the caller's, without its request. Raises `ApiError` (404)."""
    found = read_jobs(services.database, [job_id], project=caller.project)
    return _found(found[0] if found else None, "job", job_id)


def find_stored_job(services: Services, caller: Caller, job_id: str, *, most_bytes: int | None = None) -> StoredJob:
    """The job with all that is stored of it. Raises `ApiError` (404), and as `read_stored_job`."""
    found = read_stored_job(services.database, job_id, project=caller.project, most_bytes=most_bytes)
    return _found(found, "job", job_id)


async def read_by_size(services: Services, read: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """What this reads of a job. One whose request is long has its turn with other large work: to read it takes as long
    as a hundred others, and all threads wait meanwhile.
    """
    try:
        return await services.reads.run(partial(read, *arguments, **keywords), most_bytes=LARGE_BODY)
    except LongJobError:
        return await services.large_reads.run(read, *arguments, **keywords)


async def turns_by_size(services: Services, job_ids: Collection[str]) -> Turns:
    """Where all that is stored of these jobs is read and written out; see `read_by_size`."""
    size = await services.reads.run(read_size, services.database, job_ids)
    return services.large_reads if size > LARGE_BODY else services.reads


async def turns_of_responses(services: Services, named: Iterable[str]) -> Turns:
    """The same for Responses by their ids."""
    job_ids = [job_id for name in named if (job_id := job_id_of(name)) is not None]
    return await turns_by_size(services, job_ids) if job_ids else services.reads


def find_batch(services: Services, caller: Caller, batch_id: str) -> Batch:
    """The batch, if it is the caller's. Raises `ApiError` (404)."""
    return _found(read_batch(services.database, batch_id, project=caller.project), "batch", batch_id)


def find_file(services: Services, caller: Caller, file_id: str) -> File:
    """The file, if it is the caller's. Raises `ApiError` (404)."""
    return _found(read_file(services.database, file_id, project=caller.project), "file", file_id)


def find_response(services: Services, project: str, response_id: str) -> StoredResponse:
    """The Response, if it is of this project. Raises `ApiError` (404)."""
    return _found(read_response(services.database, response_id, project=project), "response", response_id)


def _found(row: T | None, kind: str, row_id: str) -> T:
    if row is None:
        raise ApiError.not_found(kind, row_id)
    return row
