"""What a path names: found in the caller's project, or refused as not found."""

from api.callers.caller import Caller
from api.http.errors import ApiError
from api.services import Services
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.model.batch_records import Batch
from jobs.model.records import Job
from jobs.store.files import File, read_file
from jobs.store.queries import read_batch, read_job


def find_job(services: Services, caller: Caller, job_id: str) -> Job:
    """The job, if it is the caller's. Raises `ApiError` (404)."""
    job = read_job(services.database, job_id, project=caller.project)
    if job is None:
        raise ApiError.not_found("job", job_id)
    return job


def find_batch(services: Services, caller: Caller, batch_id: str) -> Batch:
    """The batch, if it is the caller's. Raises `ApiError` (404)."""
    batch = read_batch(services.database, batch_id, project=caller.project)
    if batch is None:
        raise ApiError.not_found("batch", batch_id)
    return batch


def find_file(services: Services, caller: Caller, file_id: str) -> File:
    """The file, if it is the caller's. Raises `ApiError` (404)."""
    file = read_file(services.database, file_id, project=caller.project)
    if file is None:
        raise ApiError.not_found("file", file_id)
    return file


def find_response(services: Services, project: str, response_id: str) -> StoredResponse:
    """The Response, if it is of this project. Raises `ApiError` (404)."""
    asked = read_response(services.database, response_id, project=project)
    if asked is None:
        raise ApiError.not_found("response", response_id)
    return asked
