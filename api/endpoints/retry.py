"""Retry: what has ended without a whole text runs again, in place."""

from typing import Any

from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.changed_job import ChangedJob
from api.finding import find_batch, find_job, find_stored_job, read_by_size
from api.forms.batches import batch_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import BatchId, JobId, v1_routes
from api.http.request_bodies import RETRY_BODY, request_body
from api.schemas.batches import RetriedBatch
from api.schemas.jobs import JobWithRequest
from api.services import Services, ServicesDep, writing
from api.submitting.bodies import NO_BODY, SmallBody, read_fields, read_value
from api.submitting.fields import invalid, unknown
from api.use_cases import retry_jobs_of_batch, retry_one_job
from jobs.lifecycle.retry import FAILURES, RETRYABLE, count_retryable
from jobs.model.status import JobStatus

_INCOMPLETE = "incomplete"

routes = v1_routes("retry")


def _answer(model: Any) -> dict[int | str, dict[str, Any]]:
    return {202: {"model": model, "description": "Queued again."}}


@routes.post(
    "/batches/{batch_id}/retry",
    status_code=202,
    responses=_answer(RetriedBatch),
    openapi_extra=request_body(RETRY_BODY, required=False),
)
@writing
def post_retry_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId, body: SmallBody) -> Response:
    """Run the failures of a batch again: its jobs that failed or expired, or `which` you name. `incomplete` are those
    that completed with a text that was cut short; if they write less this time and fail, that text is stored again.

    Each keeps its id and the history of its attempts. Its counts of failures start again from 0, and the batch's
    completion window starts again. 409 when there is nothing to retry, so a second click changes nothing, and while the
    batch is being cancelled.
    """
    which = _read_which(body)
    find_batch(services, caller, batch_id)
    statuses = [JobStatus(name) for name in which if name != _INCOMPLETE]
    retried = retry_jobs_of_batch(services, batch_id, statuses, incomplete=_INCOMPLETE in which)
    if not retried:
        named = f"no job of the batch is {' or '.join(sorted(which))}"
        others = count_retryable(services.database, batch_id)
        if not others:
            raise ApiError(409, "nothing_to_retry", f"{named}: there is nothing to run again", retryable=others)
        other, count = max(others.items(), key=lambda pair: pair[1])
        raise ApiError(409, "nothing_to_retry", f"{named}: there is nothing to run again but its {other} ones"
                       f' ({count}), if you name them in "which" (the command: --which {other})',
                       retryable=others)  # fmt: skip
    batch = find_batch(services, caller, batch_id)
    return JsonAnswer({**batch_json(batch), "retried": retried}, 202)


@routes.post("/jobs/{job_id}/retry", status_code=202, dependencies=[NO_BODY], responses=_answer(JobWithRequest))
async def post_retry_job(services: ServicesDep, caller: CallerDep, job_id: JobId) -> Response:
    """Run one job again that has failed, expired, been cancelled or been cut short. Its batch is opened again."""
    await services.writes.run(_retry_job, services, caller, job_id)
    return await read_by_size(services, _show_job, services, caller, job_id)


def _show_job(services: Services, caller: Caller, job_id: str, *, most_bytes: int | None = None) -> Response:
    return ChangedJob(find_stored_job(services, caller, job_id, most_bytes=most_bytes), 202)


def _retry_job(services: Services, caller: Caller, job_id: str) -> None:
    job = find_job(services, caller, job_id)
    if not retry_one_job(services, job_id, job.batch_id):
        raise ApiError(409, "nothing_to_retry", f"the job is {job.status}: only a job that ended without a whole"
                       " text can run again")  # fmt: skip


def _read_which(body: bytes) -> frozenset[str]:
    """What to retry: the body is empty, or `{"which": [...]}`, or `{"statuses": [...]}` as it was before."""
    fields = read_fields(body) if body.strip() else {}
    for name in fields:
        if name not in ("which", "statuses"):
            raise unknown(name[:64], ["which"])
    if len(fields) == 2:
        raise invalid("statuses", "is the older name of `which`: give one of the two")
    for name, text in fields.items():
        named = read_value(text, name)
        allowed = sorted({*RETRYABLE, _INCOMPLETE} if name == "which" else RETRYABLE)
        if not isinstance(named, list) or not named or any(word not in allowed for word in named):
            raise invalid(name, f"must be a list with one or more of {', '.join(allowed)}")
        return frozenset(named)
    return frozenset(FAILURES)
