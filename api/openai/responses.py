"""OpenAI's Responses, each one a job: run in the background, resumed anywhere, cancelled, deleted."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.callers.caller import CallerDep
from api.http.errors import ApiError, JsonAnswer
from api.http.event_stream import EventStream
from api.http.parameters import STRICT_QUERY
from api.http.request_bodies import request_body
from api.idempotency import Key, check_key
from api.openai.at_end import AnswerAtEnd, Interruption, Wait
from api.openai.chat_answers import job_failure
from api.openai.completions import FIRST_SECONDS, accepted_headers
from api.openai.response_numbers import chains_up_to
from api.openai.response_object import message_id, response_object, response_status
from api.openai.response_request import MAX_CONVERSATION_BYTES, Message, ResponseRequest, read_response_request
from api.openai.response_stream import ResponseStream
from api.openai.schemas import RESPONSE_BODY
from api.schemas.errors import ERROR_RESPONSES
from api.services import Services, ServicesDep, writing
from api.submitting.bodies import JobBody
from api.submitting.fields import unsupported
from api.use_cases import cancel_one_job, submit_one_job
from jobs.intake.idempotency import IdempotencyKey
from jobs.intake.submission import Accepted
from jobs.lifecycle.responses import StoredResponse, delete_response, job_id_of, read_response, response_id, with_result
from jobs.model.status import JobStatus
from jobs.store.queries import StoredResult, read_attempts

routes = APIRouter(prefix="/v1", tags=["openai"], dependencies=STRICT_QUERY, responses=ERROR_RESPONSES)

PATH = "/v1/responses"

_CANCEL_SECONDS = 5.0
"""How long a cancel waits for the worker to have closed the upstream's stream, which takes 2 s."""

ResponseId = Annotated[str, Path(description="The id of a Response, `resp_...`.")]


@routes.post("/responses", response_class=Response, openapi_extra=request_body(RESPONSE_BODY))
async def post_response(
    services: ServicesDep, caller: CallerDep, body: JobBody, idempotency_key: Key = None
) -> Response:
    """Ask for a Response. With `background` the answer comes at once, else when it has ended; with `stream` it is the
    events. However it is asked for, it is a job: it goes on when the client goes away, and everything about it can be
    asked for again, for as long as it is stored.

    Text only. A parameter that is not supported is refused by name.
    """
    key = await run_in_threadpool(check_key, idempotency_key, PATH, body)
    request = await run_in_threadpool(read_response_request, body)
    if request.background and not request.stream:
        accepted, asked = await services.run_write(_submit, services, caller.project, request, key)
        return JsonAnswer(await _shown(services, asked), headers=accepted_headers(accepted))
    with ExitStack() as held:
        # Before the job is stored: a client that is refused a seat sends its request again.
        slot = held.enter_context(services.watch_limiter.take(caller.project, caller.key_id))
        accepted, asked = await services.run_write(_submit, services, caller.project, request, key)
        headers = accepted_headers(accepted)
        interruption = Interruption(services, asked.job.id, slot, headers, has_key=key is not None)
        wait = Wait(services, asked.job.id)
        slot.hold(wait)
        if not request.stream:
            return AnswerAtEnd(wait, _answer(services, asked), interruption, headers, slot=held.pop_all())
        if not request.background:
            result = await wait.until_end(seconds=FIRST_SECONDS, or_text=True)
            if result is not None:
                _refuse_failed(result)
        if wait.stopped:
            raise interruption.error()
        events = ResponseStream(services, asked)
        slot.hold(events)
        return EventStream(events, headers, slot=held.pop_all())


@routes.get("/responses/{response_id}", response_class=Response)
async def get_response(
    services: ServicesDep,
    caller: CallerDep,
    response_id: ResponseId,
    stream: Annotated[bool, Query(description="The events, while it is written and afterwards.")] = False,
    starting_after: Annotated[
        int | None, Query(ge=0, lt=1 << 53, description="Only the events after the one with this `sequence_number`.")
    ] = None,
    include_obfuscation: Annotated[bool, Query(description="Must be false: nothing is obfuscated here.")] = False,
) -> Response:
    """One Response as it stands; with `stream=true` its events from any of them on, at any time."""
    if include_obfuscation:
        raise unsupported("include_obfuscation", "nothing is obfuscated here")
    if starting_after is not None and not stream:
        raise unsupported("starting_after", "is only for stream=true")
    asked = await run_in_threadpool(_find, services, caller.project, response_id)
    if not stream:
        return JsonAnswer(await _shown(services, asked))
    if services.hub.closed:
        raise ApiError(503, "shutting_down", "this server is shutting down: come back", headers={"Retry-After": "1"})
    events = ResponseStream(services, asked, -1 if starting_after is None else starting_after)
    return EventStream(events, slot=services.watch_limiter.take(caller.project, caller.key_id, events))


@routes.post("/responses/{response_id}/cancel")
async def post_cancel_response(services: ServicesDep, caller: CallerDep, response_id: ResponseId) -> Response:
    """Cancel a Response and wait for its end, which takes moments; what it has written is kept. One that has ended
    stays as it is.
    """
    asked = await run_in_threadpool(_find, services, caller.project, response_id)
    if await services.run_write(cancel_one_job, services, asked.job.id) is not None:
        await Wait(services, asked.job.id).until_end(seconds=_CANCEL_SECONDS)
    return JsonAnswer(await _shown(services, await run_in_threadpool(_find, services, caller.project, response_id)))


@routes.delete("/responses/{response_id}")
@writing
def delete_one_response(services: ServicesDep, caller: CallerDep, response_id: ResponseId) -> Response:
    """Delete a Response, its job, its text and its attempts, for good. One that still runs is cancelled first."""
    changes = delete_response(services.database, response_id, project=caller.project)
    if changes is None:
        raise ApiError.not_found("response", response_id)
    services.status_publisher.publish(changes)
    return JsonAnswer({"id": response_id, "object": "response", "deleted": True})


def _answer(services: Services, asked: StoredResponse) -> Callable[[StoredResult], Awaitable[Response]]:
    async def answer(result: StoredResult) -> Response:
        _refuse_failed(result)
        return JsonAnswer(await _shown(services, with_result(asked, result)))

    return answer


def _submit(
    services: Services, project: str, request: ResponseRequest, key: IdempotencyKey | None
) -> tuple[Accepted, StoredResponse]:
    job = request.job(_conversation(services, project, request.previous))
    kept = {**request.kept(), "model": job.request["model"]}
    accepted = submit_one_job(services, project, job, key, response=kept)
    named = response_id(accepted.id)
    asked = read_response(services.database, named, project=project)
    if asked is None:
        raise ApiError(410, "deleted", f"{named}, which this Idempotency-Key made, was deleted")
    return accepted, asked


def _conversation(services: Services, project: str, previous: str | None) -> list[Message]:
    """The messages of the previous Response, without its instructions, and its answer."""
    if previous is None:
        return []
    asked = read_response(services.database, previous, project=project)
    if asked is None:
        raise ApiError(
            404, "previous_response_not_found", f"previous_response_id: no response has the id {previous[:80]!r}",
            param="previous_response_id",
        )  # fmt: skip
    if asked.job.status is not JobStatus.COMPLETED or asked.job.request is None:
        status = response_status(asked.job)
        message = f"previous_response_id: {asked.id} is {status}; only a completed one can be continued"
        raise ApiError(400, "previous_response_not_completed", message, param="previous_response_id")
    messages: list[Message] = asked.job.request["messages"]
    if asked.request.get("instructions"):
        messages = messages[1:]
    messages = [*messages, {"role": "assistant", "content": asked.text or ""}]
    length = len(json.dumps(messages))
    if length > MAX_CONVERSATION_BYTES:
        message = (
            f"previous_response_id: the conversation is {length} bytes long, and {MAX_CONVERSATION_BYTES} are allowed:"
            " begin a new one"
        )
        raise ApiError(413, "conversation_too_long", message, param="previous_response_id")
    return messages


def _find(services: Services, project: str, named: str) -> StoredResponse:
    asked = read_response(services.database, named, project=project) if job_id_of(named) else None
    if asked is None:
        raise ApiError.not_found("response", named)
    return asked


async def _shown(services: Services, asked: StoredResponse) -> Mapping[str, Any]:
    """The Response, its output item named as its events name it."""
    if asked.job.attempt < 2 or not asked.text:
        return response_object(asked)
    attempts = await run_in_threadpool(read_attempts, services.database, asked.job.id)
    first = chains_up_to(attempts, asked.job.attempt)[-1].first
    return response_object(asked, item_id=message_id(asked.job.id, first))


def _refuse_failed(result: StoredResult) -> None:
    if result.job.status in (JobStatus.FAILED, JobStatus.EXPIRED):
        raise job_failure(result.job)
