"""OpenAI's Responses, each one a job: run in the background, resumed anywhere, cancelled, deleted."""

from collections.abc import Mapping
from functools import partial
from logging import getLogger
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.turns import Turns
from api.callers.caller import CallerDep
from api.finding import find_response, turns_of_responses
from api.http.errors import ApiError, JsonAnswer
from api.http.event_stream import EventStream
from api.http.gone import FollowedTransport, follow
from api.http.parameters import v1_routes
from api.http.request_bodies import request_body
from api.idempotency import Key, check_key, made_was_deleted
from api.openai.chat_answers import job_failure
from api.openai.completions import CONTINUED
from api.openai.posted_job import PostedJob, Wait, accepted_headers
from api.openai.response_conversation import conversation, turns_of_request
from api.openai.response_object import read_response_object
from api.openai.response_stream import ResponseStream
from api.openai.schemas import RESPONSE_BODY
from api.services import Services, ServicesDep, require_open, writing
from api.submitting.bodies import NO_BODY, JobBody
from api.submitting.checks import check_job
from api.submitting.fields import unsupported
from api.submitting.response_request import ResponseRequest, read_response_request
from api.use_cases import cancel_one_job, find_submitted, submit_one_job
from jobs.inputs.dialects import RESPONSES
from jobs.intake.idempotency import IdempotencyKey
from jobs.intake.submission import Accepted
from jobs.lifecycle.responses import StoredResponse, delete_response, read_response
from jobs.model.ids import response_id
from jobs.model.status import JobStatus
from jobs.store.database import DATABASE_ERRORS, driver_message
from jobs.store.queries import StoredResult
from jobs.strict_json import dump_json

routes = v1_routes("openai")

_CANCEL_SECONDS = 5.0
"""How long a cancel waits for the worker to have closed the upstream's stream, which takes 2 s."""

log = getLogger(__name__)

ResponseId = Annotated[str, Path(description="The id of a Response, `resp_...`.")]


@routes.post("/responses", response_class=Response, openapi_extra=request_body(RESPONSE_BODY))
async def post_response(
    services: ServicesDep, caller: CallerDep, body: JobBody, http: Request, idempotency_key: Key = None
) -> Response:
    """Ask for a Response. With `background` the answer comes at once, else when it has ended; with `stream` it is the
    events. However it is asked for, it is a job: it goes on when the client goes away, and everything about it can be
    asked for again, for as long as it is stored.

    A parameter that is not supported is refused by name. With `store: false` it is deleted once its client
    has the answer.
    """
    key = await services.turns_of(body).run(check_key, idempotency_key, RESPONSES, body)
    request = await services.turns_of(body).run(read_response_request, body)
    turns = await turns_of_request(services, request, body)
    if request.background and not request.stream:
        accepted, stored = await turns.run(_submit, services, caller.project, request, key)
        return await turns.run(_show, services, stored, headers=accepted_headers(accepted, _path(accepted.id)))
    with PostedJob(services, caller, key) as posted:
        stored = await posted.submit(turns, partial(_submit, services, caller.project, request, key), _path)
        at_end = None
        if not request.is_stored and not request.background and (followed := follow(http.scope)) is not None:
            # By its id: a request may be long, and a client that waits must not hold one.
            at_end = partial(_erase_unstored, services, stored.id, caller.project, followed)
        if not request.stream:
            return posted.at_end(partial(_answer, services, stored.id, caller.project), at_end)
        if not request.background:
            await posted.until_text(_refuse_failed)
        return posted.stream(ResponseStream(services, stored, caller.account, at_end=at_end))


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
    include: Annotated[list[str] | None, Query(description="Taken and without an effect.")] = None,
    include_in_brackets: Annotated[list[str] | None, Query(alias="include[]", include_in_schema=False)] = None,
) -> Response:
    """One Response as it stands; with `stream=true` its events from any of them on, at any time."""
    if include_obfuscation:
        raise unsupported("include_obfuscation", "nothing is obfuscated here")
    if starting_after is not None and not stream:
        raise unsupported("starting_after", "is only for stream=true")
    turns = await turns_of_responses(services, [response_id])
    stored = await turns.run(find_response, services, caller.project, response_id)
    if not stream:
        return await turns.run(_show, services, stored)
    require_open(services)
    events = ResponseStream(services, stored, caller.account, -1 if starting_after is None else starting_after)
    return EventStream(events, slot=services.watch_limiter.take(caller.project, caller.key_id, events))


@routes.post("/responses/{response_id}/cancel", dependencies=[NO_BODY])
async def post_cancel_response(services: ServicesDep, caller: CallerDep, response_id: ResponseId) -> Response:
    """Cancel a Response and wait for its end, which takes moments; what it has written is kept. One that has ended
    stays as it is.
    """
    turns = await turns_of_responses(services, [response_id])
    stored = await turns.run(find_response, services, caller.project, response_id)
    if await services.writes.run(cancel_one_job, services, stored.job.id) is not None:
        await Wait(services, stored.job.id).until_end(seconds=_CANCEL_SECONDS)
    ended = await turns.run(find_response, services, caller.project, response_id)
    return await turns.run(_show, services, ended)


@routes.delete("/responses/{response_id}")
@writing
def delete_one_response(services: ServicesDep, caller: CallerDep, response_id: ResponseId) -> Response:
    """Delete a Response, its job, its text and its attempts, for good. One that still runs is cancelled first."""
    stored = read_response(services.database, response_id, project=caller.project)
    if stored is not None and stored.job.batch_id is not None:
        message = f"{response_id} belongs to the batch {stored.job.batch_id}, whose output needs it"
        raise ApiError(409, "belongs_to_a_batch", message, param="id")
    changes = delete_response(services.database, response_id, project=caller.project)
    if changes is None:
        raise ApiError.not_found("response", response_id)
    services.status_publisher.publish(changes)
    return JsonAnswer({"id": response_id, "object": "response", "deleted": True})


async def _answer(
    services: Services,
    response_id: str,
    project: str,
    result: StoredResult,
    turns: Turns,
) -> Response:
    _refuse_failed(result)
    ended = await turns.run(read_response, services.database, response_id, project=project)
    if ended is None:  # with `store: false`, when another client that sent the same key has all of it
        raise ApiError(410, "deleted", f"{response_id} was deleted while this waited for it")
    return await turns.run(_show, services, ended)


async def _erase_unstored(services: Services, response_id: str, project: str, followed: FollowedTransport) -> None:
    """Delete a Response that was not to be stored and whose answer was sent, when its client has all of it. It never
    raises: if its client does not get it all, it can be read, until a worker deletes it later.
    """
    try:
        if not await followed.is_taken():
            return
        await services.writes.run(delete_response, services.database, response_id, project=project)
    except DATABASE_ERRORS as error:
        log.warning("%s was not erased yet: %s", response_id, driver_message(error))


def _submit(
    services: Services, project: str, request: ResponseRequest, key: IdempotencyKey | None
) -> tuple[Accepted, StoredResponse]:
    accepted = find_submitted(services, project, key)  # first: what it continues may have been deleted since
    if accepted is None:
        chat = request.chat_body(conversation(services, project, request))
        # An event that was sent cannot be taken back, so an interrupted text is continued where the upstream can.
        job = check_job(dump_json(chat).encode(), CONTINUED)
        kept = {**request.kept(), "model": job.request["model"]}
        accepted = submit_one_job(services, project, job, key, response=kept)
    named = response_id(accepted.id)
    stored = read_response(services.database, named, project=project)
    if stored is None:
        raise made_was_deleted(named)
    return accepted, stored


def _show(services: Services, stored: StoredResponse, headers: Mapping[str, str] | None = None) -> Response:
    return JsonAnswer(read_response_object(services.database, stored), headers=headers)


def _path(job_id: str) -> str:
    return f"/v1/responses/{response_id(job_id)}"


def _refuse_failed(result: StoredResult) -> None:
    if result.job.status in (JobStatus.FAILED, JobStatus.EXPIRED):
        raise job_failure(result.job)
