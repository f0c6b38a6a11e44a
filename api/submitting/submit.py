"""Submit: a job, or a batch of them. 202 says that the rows are committed; no answer here waits for Redis."""

from dataclasses import replace

from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.changed_job import ChangedJob
from api.http.parameters import v1_routes
from api.http.request_bodies import BATCH_BODY, JOB_BODY, request_body
from api.idempotency import Key, check_key, key_reused, made_was_deleted, replayed
from api.schemas.batches import BatchObject
from api.schemas.jobs import JobWithRequest
from api.services import Services, ServicesDep, writing
from api.submitting.batch_orders import NewBatch, check_batch, names_file
from api.submitting.bodies import BatchBody, JobBody
from api.submitting.checks import check_job
from api.submitting.file_batches import answer_batch, post_file_batch
from api.submitting.named_upstreams import NamedUpstreams
from api.submitting.webhook_orders import require_receiver
from api.use_cases import submit_one_batch, submit_one_job
from jobs.intake.idempotency import IdempotencyKey, KeyReusedError
from jobs.store.whole_jobs import read_stored_job

routes = v1_routes("submit")

_LARGE_BYTES = 1_000_000
"""Batches with more than this in their body are stored one after the other: each takes memory and a core."""


@routes.post("/jobs", status_code=202, responses={202: {"model": JobWithRequest}}, openapi_extra=request_body(JOB_BODY))
@writing
def post_job(services: ServicesDep, caller: CallerDep, body: JobBody, idempotency_key: Key = None) -> Response:
    """Submit one job.

    The body is one for chat completions: `model`, `messages`, and any other parameter of the upstream, passed through
    untouched. `custom_id`, `metadata`, `priority`, `max_attempts`, `on_interrupt`, `upstream`, `accept`, `on_reject`
    and `max_repairs` are Longhand's own and go no further, as is `expires_after`: how long the job is kept after its
    end. `stream` and `stream_options` are taken and dropped: every job can be watched at `/v1/jobs/{id}/events`.
    """
    key = check_key(idempotency_key, "/v1/jobs", body)
    job = check_job(body)
    NamedUpstreams(services.upstreams.current()).require(job, "upstream")
    accepted = submit_one_job(services, caller.project, job, key)
    stored = read_stored_job(services.database, accepted.id, project=caller.project)
    if stored is None:
        raise made_was_deleted(accepted.id)
    headers = {"location": f"/v1/jobs/{accepted.id}", **replayed(accepted)}
    return ChangedJob(stored, 202, headers)


@routes.post(
    "/batches", status_code=202, responses={202: {"model": BatchObject}}, openapi_extra=request_body(BATCH_BODY)
)
async def post_batch(
    services: ServicesDep, caller: CallerDep, body: BatchBody, idempotency_key: Key = None
) -> Response:
    """Submit many jobs at once: all of them are taken, or none.

    Each item of `requests` is `{"custom_id", "body"}`, and `body` is what `POST /v1/jobs` takes. `priority`,
    `max_attempts`, `on_interrupt`, `upstream`, `accept`, `on_reject` and `max_repairs` beside `requests` are for all
    jobs whose body does not say otherwise; of them, `max_concurrency` run at once. Each body is merged over `defaults`,
    if there are any: fields of a body for chat completions, and `system`. With a
    `completion_window` (`30m`, `24h`, `7d`), what has not ended when it closes ends as `expired`.

    With `input_file_id` in place of `requests` this is OpenAI's call: each line of the file is
    `{"custom_id", "method", "url", "body"}`. The answer is 200 then. The batch is `in_progress`, or, when a line is not
    good, `failed` with `errors`, and no job of it is stored.
    """
    key = await services.turns_of(body).run(check_key, idempotency_key, "/v1/batches", body)
    try:
        if await services.turns_of(body).run(names_file, body):
            return await post_file_batch(services, caller, body, key)
        turns = services.large_batches if len(body) > _LARGE_BYTES else services.turns_of(body)
        batch = await turns.run(_check_requests, services, body)
        if batch.options.webhook is not None:  # not in the turn: others' batches would wait for its name server
            await require_receiver(services, batch.options.webhook.url, "webhook.url")
        return await turns.run(_store_requests, services, caller, batch, key)
    except KeyReusedError:
        raise key_reused() from None


def _check_requests(services: Services, body: bytes) -> NewBatch:
    batch = check_batch(body, services.settings)
    upstreams = NamedUpstreams(services.upstreams.current())
    for place, job in enumerate(batch.jobs):
        upstreams.require(job, f"requests[{place}].body.upstream")
    return batch


def _store_requests(services: Services, caller: Caller, batch: NewBatch, key: IdempotencyKey | None) -> Response:
    options = replace(batch.options, project=caller.project, idempotency_key=key)
    accepted = submit_one_batch(services, batch.jobs, options, batch.notes.as_json())
    return answer_batch(services, caller.project, accepted, 202, batch.options.webhook is not None)
