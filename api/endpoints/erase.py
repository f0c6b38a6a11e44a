"""Delete: an ended job or batch, with all that belongs to it."""

from typing import Literal

from starlette.responses import Response

from api.callers.caller import CallerDep
from api.finding import find_batch, find_job
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import BatchId, JobId, v1_routes
from api.schemas.base import Described
from api.services import ServicesDep, writing
from jobs.lifecycle.erase import delete_batch, erase_job

routes = v1_routes("delete")


class Deleted(Described):
    """What was deleted."""

    id: str
    object: Literal["job", "batch"]
    deleted: Literal[True]


@routes.delete("/jobs/{job_id}", responses={200: {"model": Deleted}})
@writing
def delete_one_job(services: ServicesDep, caller: CallerDep, job_id: JobId) -> Response:
    """Delete a job that has ended: its request, texts, attempts and metadata. It cannot be brought back.

    A job of a batch can be deleted once the batch has ended. The counts of the batch stay as they are, until it is
    retried.
    """
    job = find_job(services, caller, job_id)
    if not erase_job(services.database, job_id):
        what = f"the job is {job.status}: cancel it first" if not job.is_final else "its batch has not ended yet"
        raise ApiError(409, "not_ended", what)
    return JsonAnswer({"id": job_id, "object": "job", "deleted": True})


@routes.delete("/batches/{batch_id}", responses={200: {"model": Deleted}})
@writing
def delete_one_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId) -> Response:
    """Delete a batch that has ended, with its jobs and its output files. It cannot be brought back.

    The uploaded input file stays. 3,000 jobs take 2 s or longer; other requests go on meanwhile.
    """
    batch = find_batch(services, caller, batch_id)
    if not delete_batch(services.database, batch_id):
        raise ApiError(409, "not_ended", f"the batch is {batch.status}: cancel it first")
    return JsonAnswer({"id": batch_id, "object": "batch", "deleted": True})
