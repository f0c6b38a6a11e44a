"""The older completions, of a prompt: each one runs as a job, its prompt sent as the one message of a chat."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from starlette.responses import Response

from api.callers.caller import CallerDep
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.http.request_bodies import request_body
from api.idempotency import Key, check_key
from api.openai.chat_answers import chat_usage, unnamed_frame
from api.openai.completions import CONTINUED, ChatStream, complete, read_stream, refuse_failed
from api.openai.schemas import PROMPT_BODY
from api.services import ServicesDep
from api.submitting.bodies import JobBody, read_values
from api.submitting.checks import check_job
from api.submitting.fields import invalid, missing, unsupported
from jobs.intake.idempotency import IdempotencyKey
from jobs.intake.submission import NewJob
from jobs.live.follower import Reasoning
from jobs.model.records import Job
from jobs.store.queries import StoredResult
from jobs.strict_json import dump_json

routes = v1_routes("openai")

PATH = "/v1/completions"

# Values that change nothing, and what to do if you want another one.
_ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "best_of": ((None, 1), "a job has one text: submit one for each"),
    "echo": ((None, False), "the prompt is not sent back: put it before the text yourself"),
    "logprobs": ((None, False, 0), "log probabilities are not kept: leave it out"),
    "suffix": ((None, ""), "say in the prompt what is to follow the text"),
}


@routes.post(
    "/completions",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "text/event-stream": {}}}},
    openapi_extra=request_body(PROMPT_BODY),
)
async def post_completion(
    services: ServicesDep, caller: CallerDep, body: JobBody, idempotency_key: Key = None
) -> Response:
    """OpenAI's older completion of a prompt, as a job: `x-job-id` in the headers names it.

    The upstream is asked for a chat completion with the prompt as the user's one message.
    """
    key, job, stream, with_usage = await services.turns_of(body).run(_read, idempotency_key, body)
    chunks = partial(TextStream, with_usage=with_usage) if stream else None
    return await complete(services, caller, job, key, answer=_answer, chunks=chunks, turns=services.turns_of(body))


class TextStream(ChatStream):
    """A job's text as chunks of a completion."""

    # This form has the text alone.

    def _beside(self, message: str) -> Iterator[bytes]:
        return iter(())

    def _reasoning(self, step: Reasoning) -> bytes:
        return b""

    def _usage(self, job: Job) -> bytes:
        return unnamed_frame({**_completion(self._job), "choices": [], "usage": chat_usage(job.usage)})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choices = [_choice(delta.get("content") or "", finish_reason)]
        return unnamed_frame({**_completion(self._job), "choices": choices, "usage": None})


def _read(idempotency_key: str | None, body: bytes) -> tuple[IdempotencyKey | None, NewJob, bool, bool]:
    """The key, the job, and whether the answer is a stream, with the usage in it."""
    fields = read_values(body)
    if "messages" in fields:
        raise unsupported("messages", "belongs to POST /v1/chat/completions; this takes a prompt")
    for name, (allowed, way_out) in _ONLY.items():
        if name in fields and not any(fields[name] == value and type(fields[name]) is type(value) for value in allowed):
            raise unsupported(name, way_out)
    prompt = _read_prompt(fields.get("prompt"))
    chat = {name: value for name, value in fields.items() if name != "prompt" and name not in _ONLY}
    chat["messages"] = [{"role": "user", "content": prompt}]
    job = check_job(dump_json(chat).encode(), CONTINUED)
    return check_key(idempotency_key, PATH, body), job, *read_stream(body)


def _read_prompt(prompt: Any) -> str:
    if prompt is None:
        raise missing("prompt", "the text to go on from")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, list) and prompt and all(isinstance(part, str) for part in prompt):
        raise unsupported("prompt", f"has {len(prompt)} texts: ask once for each, or submit a batch (POST /v1/batches)")
    if isinstance(prompt, list) and any(isinstance(part, int | list) for part in prompt):
        raise unsupported("prompt", "token ids cannot be read here: send the text")
    if not isinstance(prompt, str) or not prompt:
        raise invalid("prompt", "must be a text that is not empty, or a list with one")
    return prompt


def _answer(result: StoredResult) -> Response:
    refuse_failed(result)
    job = result.job
    choices = [_choice(result.text or "", job.finish_reason)]
    return JsonAnswer({**_completion(job), "choices": choices, "usage": chat_usage(job.usage)})


def _completion(job: Job) -> dict[str, Any]:
    return {
        "id": f"cmpl-{job.id.partition('_')[2]}",
        "object": "text_completion",
        "created": int(job.created_at.timestamp()),
        "model": job.upstream_model or job.model,
    }


def _choice(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
