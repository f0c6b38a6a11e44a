"""Durable chat completions: each one runs as a job, and goes on when its client goes away."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from starlette.responses import Response

from api.access.turns import Turns
from api.callers.caller import Caller, CallerDep
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import v1_routes
from api.http.request_bodies import JOB_BODY, request_body
from api.idempotency import Key, check_key, made_was_deleted
from api.openai.chat_answers import (
    DONE,
    chunk_frame,
    chunk_pieces,
    error_frame,
    job_failure,
    last_deltas,
    usage_frame,
    whole_completion,
)
from api.openai.job_events import JobStream
from api.openai.posted_job import PostedJob
from api.services import Services, ServicesDep
from api.submitting.bodies import JobBody, read_field, read_fields
from api.submitting.checks import check_job
from api.submitting.fields import invalid, unsupported
from api.use_cases import submit_one_job
from api.watching.frames import COMMENT
from jobs.intake.idempotency import IdempotencyKey
from jobs.intake.submission import Accepted, NewJob
from jobs.live.follower import Reasoning, ResetMessage, Text
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.store.queries import StoredResult, read_message
from jobs.store.whole_jobs import read_stored_job

routes = v1_routes("openai")

PATH = "/v1/chat/completions"

CONTINUED = NewJob(request={}, on_interrupt="continue")
"""A chunk cannot be taken back, so an interrupted text is continued wherever the upstream can do that."""


@routes.post(
    "/chat/completions",
    response_class=Response,
    responses={
        200: {
            "content": {"application/json": {}, "text/event-stream": {}},
            "headers": {"x-job-id": {"schema": {"type": "string"}, "description": "The job that writes it."}},
        }
    },
    openapi_extra=request_body(JOB_BODY),
)
async def post_chat_completion(
    services: ServicesDep, caller: CallerDep, body: JobBody, idempotency_key: Key = None
) -> Response:
    """OpenAI's chat completion, as a job: `x-job-id` in the headers names it.

    When the client goes away the job goes on, and its text is kept at `/v1/jobs/{id}`. With an `Idempotency-Key`, the
    same POST gives the same completion from its start, while it is written and afterwards.
    """
    key, job, stream, with_usage = await services.turns_of(body).run(_read, idempotency_key, body)
    chunks = partial(ChatStream, with_usage=with_usage) if stream else None
    return await complete(services, caller, job, key, answer=answer_chat, chunks=chunks, turns=services.turns_of(body))


async def complete(
    services: Services,
    caller: Caller,
    job: NewJob,
    key: IdempotencyKey | None,
    *,
    answer: Callable[[StoredResult], Response],
    chunks: "Callable[[Services, Job, PostedJob], ChatStream] | None",
    turns: Turns,
) -> Response:
    """Submit a job, in its turn, and answer with what it writes: whole, or with `chunks` while it is written."""
    with PostedJob(services, caller, key) as posted:
        stored = await posted.submit(turns, partial(_submit, services, caller.project, job, key))
        if chunks is None:
            return posted.at_end(partial(_answer_in_turn, services, answer), None)
        await posted.until_text(refuse_failed)
        return posted.stream(chunks(services, stored, posted))


class ChatStream(JobStream):
    """A job's text as chunks of a chat completion."""

    def __init__(self, services: Services, job: Job, posted: PostedJob, *, with_usage: bool) -> None:
        super().__init__(services, job.id, posted.account)
        self._job = job
        self._posted = posted
        self._with_usage = with_usage
        self._thought: int | None = 0
        """The byte that the reasoning was sent up to; None once it has begun anew, which chunks cannot say."""
        self._has_text = False

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The chunks as they go over the wire. The last is `[DONE]`, or an error that says why there is none."""
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})
        async with aclosing(self._watch.values()) as values:
            async for events in values:
                if not events:
                    yield COMMENT
                for event in events:
                    if isinstance(event, Text):
                        self._has_text = True
                        yield self._chunk({"content": event.text})
                    elif isinstance(event, Reasoning):
                        yield self._reasoning(event)
                    elif isinstance(event, ResetMessage) and self._has_text:
                        yield error_frame(_restarted(self._job))
                        return
                    elif isinstance(event, ResetMessage):
                        self._thought = None
                    elif isinstance(event, StoredResult):
                        async with aclosing(self._end(event.job)) as last:
                            async for frame in last:
                                yield frame
                        return
        yield error_frame(self._posted.interruption())

    def _reasoning(self, step: Reasoning) -> bytes:
        """The next of the reasoning. Of one that begins anew nothing is sent: it would stand behind the first."""
        if self._thought != step.offset or not step.text:
            self._thought = None
            return b""
        self._thought = step.end
        return self._chunk({"reasoning_content": step.text})

    async def _end(self, job: Job) -> AsyncGenerator[bytes, None]:
        if job.status is not JobStatus.COMPLETED:
            yield error_frame(job_failure(job))
            return
        message = await self._services.reads.run(read_message, self._services.database, job.id) or ""
        try:
            async with aclosing(self._write(self._beside(message), len(message))) as beside:
                async for piece in beside:
                    yield piece
        except ApiError as refused:
            yield error_frame(self._posted.without_room(refused))
            return
        usage = self._usage(job) if self._with_usage else b""
        yield self._chunk({}, job.finish_reason) + usage + DONE

    def _beside(self, message: str) -> Iterator[bytes]:
        """What comes beside the text is sent at the end: only then it is sure to be whole."""
        stored = json.loads(message or "{}")
        for delta in last_deltas(stored):
            yield from chunk_pieces(self._job, delta, with_usage=self._with_usage)
        if stored.get("logprobs"):
            yield from chunk_pieces(self._job, {}, with_usage=self._with_usage, logprobs=stored["logprobs"])

    def _usage(self, job: Job) -> bytes:
        return usage_frame(job)

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return chunk_frame(self._job, delta, finish_reason, with_usage=self._with_usage)


def _read(idempotency_key: str | None, body: bytes) -> tuple[IdempotencyKey | None, NewJob, bool, bool]:
    """The key, the job, and whether the answer is a stream, with the usage in it."""
    return check_key(idempotency_key, PATH, body), check_job(body, CONTINUED), *read_stream(body)


def _submit(services: Services, project: str, job: NewJob, key: IdempotencyKey | None) -> tuple[Accepted, Job]:
    accepted = submit_one_job(services, project, job, key)
    stored = read_stored_job(services.database, accepted.id, project=project)
    if stored is None:
        raise made_was_deleted(accepted.id)
    return accepted, stored.job


async def _answer_in_turn(
    services: Services, answer: Callable[[StoredResult], Response], result: StoredResult, turns: Turns
) -> Response:
    """To write out what is long takes long, and is not done on the event loop."""
    return answer(result) if turns is services.reads else await turns.run(answer, result)


def answer_chat(result: StoredResult) -> Response:
    """Answer a client that waited for the end. Raises `ApiError` if there is no whole text."""
    refuse_failed(result)
    return JsonAnswer(whole_completion(result))


def refuse_failed(result: StoredResult) -> None:
    """Raises `ApiError` for a job that has not completed."""
    if result.job.status is not JobStatus.COMPLETED:
        raise job_failure(result.job)


def _restarted(job: Job) -> ApiError:
    message = (
        "the upstream's answer broke off and is written again from its beginning, and sent chunks cannot be taken back:"
        f" the job {job.id} goes on; its text is at /v1/jobs/{job.id}/text when it has ended, and at"
        f" /v1/jobs/{job.id}/events meanwhile"
    )
    return ApiError(502, "attempt_restarted", message)


def read_stream(body: bytes) -> tuple[bool, bool]:
    """Whether the answer is to be streamed, and whether with a chunk for the usage."""
    fields = read_fields(body)
    stream, options = read_field(fields, "stream"), read_field(fields, "stream_options")
    if stream not in (None, True, False):
        raise invalid("stream", "must be true or false")
    if options is None:
        return bool(stream), False
    if not stream:
        raise invalid("stream_options", "is only for `stream: true`")
    if not isinstance(options, dict):
        raise invalid("stream_options", "must be an object", "invalid_type")
    for name, value in options.items():
        where = f"stream_options.{name[:64]}"
        if name not in ("include_usage", "include_obfuscation") or not isinstance(value, bool | None):
            raise unsupported(where, "is not supported; include_usage is")
        if name == "include_obfuscation" and value:
            raise unsupported(where, "nothing is obfuscated here")
    return True, bool(options.get("include_usage"))
