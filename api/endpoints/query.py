"""Query: jobs, batches and texts, from rows alone; nothing here needs Redis."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.finding import find_batch, read_by_size, turns_by_size
from api.forms.batches import batch_json
from api.forms.costs import cost_json
from api.forms.jobs import attempt_json, job_json, segments_json, stored_job_json
from api.forms.pages import page_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import AfterBatch, AfterJob, BatchId, JobId, Limit, read_filter, v1_routes
from api.schemas.batches import BatchList, BatchObject
from api.schemas.jobs import JobList, JobWithAttempts
from api.services import Services, ServicesDep, reading
from api.waiting import NOTHING, batch_hold_json, batch_holds_json, waiting_by_id
from jobs.live.channel import TextKind
from jobs.model.batch_records import Batch
from jobs.model.cost import NO_COST
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.store.costs import read_costs
from jobs.store.kept_texts import read_kept_text
from jobs.store.queries import list_batches, read_result
from jobs.store.search import JobFilter, list_jobs
from jobs.store.stored_texts import read_longest
from jobs.store.whole_jobs import read_whole_job

routes = v1_routes("query")


@routes.get("/jobs", responses={200: {"model": JobList}})
async def get_jobs(
    services: ServicesDep,
    caller: CallerDep,
    wanted: Annotated[JobFilter, Depends(read_filter)],
    after: AfterJob = None,
    limit: Limit = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="Oldest or newest first.")] = "desc",
) -> Response:
    """List jobs, newest first, without their requests and texts; of those that are queued, why they wait. Also filters
    by `metadata.<key>=<value>`.
    """
    turns = services.searches if wanted.text else services.reads
    return await turns.run(_show_jobs, services, caller, wanted, after, limit, order)


def _show_jobs(
    services: Services, caller: Caller, wanted: JobFilter, after: str | None, limit: int, order: str
) -> Response:
    found, more = list_jobs(
        services.database, wanted, project=caller.project, after=after, limit=limit, newest_first=order == "desc"
    )
    waiting = waiting_by_id(services, caller, found)
    costs = read_costs(services.database, [job.id for job in found])
    shown = [{**job_json(job), **cost_json(costs.get(job.id, NO_COST)), **waiting.get(job.id, {})} for job in found]
    return JsonAnswer(page_json(shown, more=more))


@routes.get("/jobs/{job_id}", responses={200: {"model": JobWithAttempts}})
async def get_job(services: ServicesDep, caller: CallerDep, job_id: JobId) -> Response:
    """One job with its request, every attempt at it, and while it is queued, why it waits."""
    return await read_by_size(services, _show_job, services, caller, job_id)


def _show_job(services: Services, caller: Caller, job_id: str, *, most_bytes: int | None = None) -> Response:
    whole = read_whole_job(services.database, job_id, project=caller.project, most_bytes=most_bytes)
    if whole is None:
        raise ApiError.not_found("job", job_id)
    job, attempts = whole.stored.job, whole.attempts
    waiting = waiting_by_id(services, caller, [job]).get(job_id, NOTHING)
    kept = {"segments": segments_json(job, attempts), "kept_texts": whole.kept_texts}
    own = {**stored_job_json(whole.stored), **cost_json(whole.cost), **waiting, **kept}
    return JsonAnswer({**own, "attempts": [attempt_json(attempt) for attempt in attempts]})


@routes.get(
    "/jobs/{job_id}/text",
    response_class=Response,
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "headers": {
                name: {"schema": {"type": "string"}, "description": meaning}
                for name, meaning in {
                    "x-job-status": "The job's status.",
                    "x-finish-reason": "Why the upstream stopped, in its own words.",
                    "x-incomplete": "Why the text of a completed job was cut short: `max_output_tokens`,"
                    " `context_window`, `content_filter`, or `no_end_sign`, if nobody knows whether it was;"
                    " or `doubtful_seam`.",
                    "x-text-attempt": "The attempt that wrote this text.",
                    "x-text-sha256": "SHA-256 of the whole stored text; only of a completed job.",
                }.items()
            },
        }
    },
)
async def get_text(
    services: ServicesDep,
    caller: CallerDep,
    job_id: JobId,
    partial: Annotated[
        bool, Query(description="Also the text of a job that is not completed, as far as it is stored.")
    ] = False,
    part: Annotated[TextKind, Query(description="The text, or the reasoning that the model wrote beside it.")] = "text",
    attempt: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="What this attempt wrote; one of the job's `kept_texts`.")
    ] = None,
) -> Response:
    """The stored text of a completed job, or its reasoning (`part=reasoning`). Any other job is
    refused with 409, unless `partial=true`.

    Of a job that has not ended, that is the longest text so far: what its running attempt had written by its last
    checkpoint, or what an earlier attempt left, if that is longer. Of one that ended without completing, it is the
    longest text of all its attempts. With `attempt` it is what that one wrote, also if it failed or was not accepted.
    While a job has not ended, its newest text is kept, the longest of earlier attempts, and the one to repair. Of the
    last one, no reasoning is kept once its repair has written something.
    """
    # The size of the newest text is known soon; what an earlier attempt left may be of any.
    turns = await turns_by_size(services, [job_id]) if attempt is None else services.large_reads
    return await turns.run(_show_text, services, caller, job_id, partial=partial, part=part, attempt=attempt)


def _show_text(
    services: Services, caller: Caller, job_id: str, *, partial: bool, part: TextKind, attempt: int | None
) -> Response:
    result = read_result(services.database, job_id, project=caller.project)
    if result is None:
        raise ApiError.not_found("job", job_id)
    job, text = result.job, result.text
    if attempt is not None:
        return _attempt_text(services, job, attempt, part)
    if job.status is not JobStatus.COMPLETED and not partial:
        raise ApiError(
            409, "not_completed", f"the job is {job.status}: ask with ?partial=true for what is stored of its text"
        )
    writer = job.text_attempt
    if text is None or part == "reasoning":
        longest = read_longest(services.database, job_id)
        writer = longest.attempt if longest else None
        text = getattr(longest, part) if longest else ""
    headers = {"x-job-status": str(job.status)}
    if writer is not None:
        headers["x-text-attempt"] = str(writer)
    if job.incomplete is not None:
        headers["x-incomplete"] = job.incomplete
    if job.finish_reason is not None:
        headers["x-finish-reason"] = _header_value(job.finish_reason)
    stored = job.sha256 if part == "text" else job.reasoning_sha256
    if job.status is JobStatus.COMPLETED and stored is not None:
        headers["x-text-sha256"] = stored
    return Response(text.encode(), headers=headers, media_type="text/plain; charset=utf-8")


def _attempt_text(services: Services, job: Job, attempt: int, part: TextKind) -> Response:
    """What one attempt wrote, whatever became of it."""
    text = read_kept_text(services.database, job.id, attempt, part)
    if text is None:
        words = f"attempt: no {part} of attempt {attempt} is kept; `kept_texts` of the job names those that are"
        raise ApiError(404, "not_found", words, param="attempt")
    headers = {"x-job-status": str(job.status), "x-text-attempt": str(attempt)}
    return Response(text.encode(), headers=headers, media_type="text/plain; charset=utf-8")


@routes.get("/batches", responses={200: {"model": BatchList}})
@reading
def get_batches(services: ServicesDep, caller: CallerDep, after: AfterBatch = None, limit: Limit = 20) -> Response:
    """List batches, newest first, each with what holds it."""
    found, more = list_batches(services.database, project=caller.project, after=after, limit=limit)
    holds = batch_holds_json(services, caller, found)
    return JsonAnswer(page_json([_with_hold(batch, holds.get(batch.id)) for batch in found], more=more))


@routes.get("/batches/{batch_id}", responses={200: {"model": BatchObject}})
@reading
def get_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId) -> Response:
    """One batch with its counts, what it has cost so far, and what holds it."""
    batch = find_batch(services, caller, batch_id)
    return JsonAnswer(_with_hold(batch, batch_hold_json(services, caller, batch)))


def _with_hold(batch: Batch, hold: dict[str, Any] | None) -> dict[str, Any]:
    return {**batch_json(batch), **({"hold": hold} if hold else {})}


def _header_value(text: str) -> str:
    """A text of the upstream's as a header can carry it."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:64])
