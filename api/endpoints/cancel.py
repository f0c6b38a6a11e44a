"""Cancel: a queued job ends at once, a running job when its worker has closed the upstream's stream."""

from typing import Any

from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.changed_job import ChangedJob
from api.finding import find_batch, find_job, find_stored_job, read_by_size
from api.forms.batches import batch_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import BatchId, JobId, v1_routes
from api.schemas.batches import BatchObject
from api.schemas.jobs import JobWithRequest
from api.services import Services, ServicesDep, writing
from api.submitting.bodies import NO_BODY
from api.use_cases import cancel_one_batch, cancel_one_job
from jobs.model.status import BatchStatus, JobStatus

routes = v1_routes("cancel")


def _answers(model: Any) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"model": model, "description": "It has ended as cancelled."},
        202: {"model": model, "description": "It was asked to end, and will within seconds."},
    }


@routes.post("/jobs/{job_id}/cancel", dependencies=[NO_BODY], responses=_answers(JobWithRequest))
async def post_cancel_job(services: ServicesDep, caller: CallerDep, job_id: JobId) -> Response:
    """Cancel a job; what it has written is kept. Cancelling a cancelled job is fine, any other ended one is 409."""
    await services.writes.run(_cancel_job, services, caller, job_id)
    return await read_by_size(services, _show_job, services, caller, job_id)


def _show_job(services: Services, caller: Caller, job_id: str, *, most_bytes: int | None = None) -> Response:
    found = find_stored_job(services, caller, job_id, most_bytes=most_bytes)
    job = found.job
    if job.is_final and job.status is not JobStatus.CANCELLED:
        raise ApiError(409, "already_ended", f"the job has ended as {job.status} and cannot be cancelled")
    return ChangedJob(found, 200 if job.is_final else 202)


def _cancel_job(services: Services, caller: Caller, job_id: str) -> None:
    find_job(services, caller, job_id)
    cancel_one_job(services, job_id)


@routes.post("/batches/{batch_id}/cancel", dependencies=[NO_BODY], responses=_answers(BatchObject))
@writing
def post_cancel_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId) -> Response:
    """Cancel every job of a batch that has not ended. The batch is `cancelling` until the last of them has."""
    find_batch(services, caller, batch_id)
    cancel_one_batch(services, batch_id)
    batch = find_batch(services, caller, batch_id)
    if batch.status not in (BatchStatus.CANCELLING, BatchStatus.CANCELLED):
        raise ApiError(409, "already_ended", f"the batch has ended as {batch.status} and cannot be cancelled")
    return JsonAnswer(batch_json(batch), 200 if batch.status is BatchStatus.CANCELLED else 202)
