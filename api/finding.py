"""What a path names: found in the caller's project, or refused as not found."""

from typing import TypeVar

from api.callers.caller import Caller
from api.http.errors import ApiError
from api.services import Services
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.model.batch_records import Batch
from jobs.store.files import File, read_file
from jobs.store.queries import read_batch
from jobs.store.whole_jobs import StoredJob, read_stored_job

T = TypeVar("T")


def find_job(services: Services, caller: Caller, job_id: str) -> StoredJob:
    """The job, if it is the caller's. Raises `ApiError` (404)."""
    return _found(read_stored_job(services.database, job_id, project=caller.project), "job", job_id)


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
