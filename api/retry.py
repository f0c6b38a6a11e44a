"""Retry: what has ended without a completed text runs again, in place."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.bodies import SmallBody, read_fields, read_value
from api.caller import Calling
from api.errors import ApiError, JsonAnswer
from api.parameters import STRICT, BatchId, JobId
from api.parts import Given
from api.schemas import REFUSALS, RETRY_BODY, BatchObject, JobWithRequest, request_body
from jobs.queries import read_batch, read_job
from jobs.rescue import Moved
from jobs.retry import FAILURES, RETRYABLE, BatchCancellingError, retry_batch, retry_job
from jobs.status import JobStatus

routes = APIRouter(prefix="/v1", tags=["retry"], dependencies=STRICT, responses=REFUSALS)


def _answer(model: Any) -> dict[int | str, dict[str, Any]]:
    return {202: {"model": model, "description": "Queued again."}}


@routes.post(
    "/batches/{batch_id}/retry",
    status_code=202,
    responses=_answer(BatchObject),
    openapi_extra=request_body(RETRY_BODY, required=False),
)
def post_retry_batch(parts: Given, caller: Calling, batch_id: BatchId, body: SmallBody) -> Response:
    """Run the failures of a batch again: its jobs that failed or expired, or those in the `statuses` named.

    Each keeps its id and the history of its attempts; its counts of failures begin anew, and so does the batch's
    completion window. 409 when there is nothing to retry, so a second click changes nothing, and while the batch is
    being cancelled.
    """
    statuses = _read_statuses(body)
    if read_batch(parts.database, batch_id, project=caller.project) is None:
        raise ApiError.not_found("batch", batch_id)
    try:
        moved = retry_batch(parts.database, batch_id, statuses)
    except BatchCancellingError:
        raise _cancelling() from None
    if not moved:
        named = ", ".join(sorted(statuses))
        raise ApiError(409, "nothing_to_retry", f"no job of the batch is {named}: there is nothing to run again")
    _tell(parts, moved)
    batch = read_batch(parts.database, batch_id, project=caller.project)
    if batch is None:
        raise ApiError.not_found("batch", batch_id)
    return JsonAnswer(batch.as_json(), 202)


@routes.post("/jobs/{job_id}/retry", status_code=202, responses=_answer(JobWithRequest))
def post_retry_job(parts: Given, caller: Calling, job_id: JobId) -> Response:
    """Run one job again that has failed, expired or been cancelled. Its batch, if it has one, is opened again."""
    job = read_job(parts.database, job_id, project=caller.project)
    if job is None:
        raise ApiError.not_found("job", job_id)
    try:
        moved = retry_job(parts.database, job_id, job.batch_id)
    except BatchCancellingError:
        raise _cancelling() from None
    if moved is None:
        raise ApiError(409, "nothing_to_retry", f"the job is {job.status}: only a job that ended without a completed"
                       " text can run again")  # fmt: skip
    _tell(parts, [moved])
    job = read_job(parts.database, job_id, project=caller.project)
    if job is None:
        raise ApiError.not_found("job", job_id)
    return JsonAnswer(job.as_json(), 202)


def _tell(parts: Given, moved: list[Moved]) -> None:
    # Dispatch hints them within a second; the first ones start at once.
    parts.announcer.announce(moved)
    parts.hinter.hint([one.id for one in moved[:32]])


def _cancelling() -> ApiError:
    return ApiError(409, "batch_cancelling", "the batch is being cancelled: retry when it is `cancelled`")


def _read_statuses(body: bytes) -> frozenset[JobStatus]:
    """What to retry: the body is empty, or `{"statuses": [...]}`."""
    if not body.strip():
        return FAILURES
    fields = read_fields(body)
    for name in fields:
        if name != "statuses":
            raise ApiError(400, "unknown_parameter", f"{name[:64]}: unknown field; known is statuses", param=name[:64])
    if "statuses" not in fields:
        return FAILURES
    named = read_value(fields["statuses"], "statuses")
    allowed = sorted(RETRYABLE)
    if not isinstance(named, list) or not named or any(name not in allowed for name in named):
        message = f"statuses: must be a list with one or more of {', '.join(allowed)}"
        raise ApiError(400, "invalid_value", message, param="statuses")
    return frozenset(JobStatus(name) for name in named)
