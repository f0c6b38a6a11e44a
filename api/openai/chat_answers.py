"""A job in the form of chat completions: whole, in chunks, or as an error."""

from collections.abc import Iterator, Mapping
from typing import Any

from api.http.errors import ApiError, error_body
from api.http.json_lines import ascii_json
from jobs.model.records import Job, Usage
from jobs.model.status import JobStatus
from jobs.store.queries import StoredResult
from jobs.strict_json import dump_json

DONE = b"data: [DONE]\n\n"

# What an upstream's failure is to the client of a gateway, when the upstream said no HTTP status.
_STATUS_OF_CODE = {
    "upstream_timeout": 504,
    "upstream_no_first_delta": 504,
    "upstream_stalled": 504,
    "upstream_took_too_long": 504,
    "upstream_connect_timeout": 504,
    "upstream_rejected_in_stream": 400,
    "upstream_refusal": 400,
    "upstream_quota_spent": 429,
}


def whole_completion(result: StoredResult) -> dict[str, Any]:
    """A completed job as a `chat.completion`. Its finish reason is the upstream's: null if that gave none."""
    job = result.job
    choice = {
        "index": 0,
        "message": whole_message(job, result.text or "", result.reasoning),
        "logprobs": (job.message or {}).get("logprobs"),
        "finish_reason": job.finish_reason,
    }
    return {
        "id": completion_id(job),
        "object": "chat.completion",
        "created": int(job.created_at.timestamp()),
        "model": job.upstream_model or job.model,
        "choices": [choice],
        "usage": chat_usage(job.usage),
        **_fingerprint(job.message),
    }


def whole_message(job: Job, text: str, reasoning: str) -> dict[str, Any]:
    """The assistant's message, as the upstream would have returned it unstreamed."""
    stored = job.message or {}
    called = {name: stored[name] for name in ("tool_calls", "function_call") if stored.get(name)}
    shown = {
        "role": "assistant",
        "content": text or (None if called else ""),
        "refusal": stored.get("refusal"),
        "annotations": stored.get("annotations") or [],
        **called,
    }
    return shown | ({"reasoning_content": reasoning} if reasoning else {})


def last_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What comes beside a text, as the deltas that are sent when the job has ended: a call is whole in one of them."""
    for index, call in enumerate(message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": index, **call}]}
    for name in ("function_call", "refusal", "annotations"):
        if message.get(name):
            yield {name: message[name]}


def chunk_frame(job: Job, delta: Mapping[str, Any], finish_reason: str | None, *, with_usage: bool) -> bytes:
    """A `chat.completion.chunk` as a server-sent event. The id is that of the job, and so the same in all of them."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return unnamed_frame(_chunk(job, [choice], {"usage": None} if with_usage else {}))


def chunk_pieces(
    job: Job, delta: Mapping[str, Any], *, with_usage: bool, logprobs: Mapping[str, Any] | None = None
) -> Iterator[bytes]:
    """The same of what may be large, in pieces."""
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    yield b"data: "
    yield from ascii_json(_chunk(job, [choice], {"usage": None} if with_usage else {}))
    yield b"\n\n"


def usage_frame(job: Job) -> bytes:
    """The chunk before the end that has the usage and no choice."""
    return unnamed_frame(_chunk(job, [], {"usage": chat_usage(job.usage)}))


def error_frame(error: ApiError) -> bytes:
    """A refusal inside a stream that has begun: the SDK raises it as an `APIError`."""
    return unnamed_frame(error_body(error))


def unnamed_frame(content: Mapping[str, Any]) -> bytes:
    """A server-sent event without a name; ASCII, so no reader finds a line's end inside."""
    return b"data: %b\n\n" % dump_json(content).encode("ascii")


def chat_usage(usage: Usage | None) -> dict[str, Any] | None:
    """The usage as chat completions have it; None as long as anything of it is unknown, and never 0 instead."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    shown: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens or usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens is not None:
        shown["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        shown["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return shown


def completion_id(job: Job) -> str:
    """The id of a job as a chat completion."""
    return f"chatcmpl-{job.id.partition('_')[2]}"


def job_failure(job: Job) -> ApiError:
    """The refusal for a job that has ended without a completed text.

    The status is the upstream's. But that the upstream refuses Longhand's key (401, 403) says nothing of the client's
    own, and is a 502. The SDK is told not to try again: the job was tried as often as was worth it, and each new
    POST would be a new job.
    """
    headers = {"x-job-id": job.id, "x-should-retry": "false"}
    if job.status is JobStatus.CANCELLED:
        message = f"the job {job.id} was cancelled; what it wrote is kept at /v1/jobs/{job.id}/text?partial=true"
        return ApiError(409, "cancelled", message, headers=headers)
    code = job.error_code or "failed"
    message = f"{job.error_message or 'the job failed'} (job {job.id})"
    if job.status is JobStatus.EXPIRED:
        return ApiError(504, code, message, headers=headers)
    status = job.error_status
    if status is None or not 400 <= status < 600 or status in (401, 403):
        status = _STATUS_OF_CODE.get(code, 502)
    return ApiError(status, code, message, headers=headers)


def _fingerprint(message: Mapping[str, Any] | None) -> dict[str, Any]:
    found = (message or {}).get("system_fingerprint")
    return {"system_fingerprint": found} if found else {}


def _chunk(job: Job, choices: list[dict[str, Any]], more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": completion_id(job),
        "object": "chat.completion.chunk",
        "created": int(job.created_at.timestamp()),
        "model": job.model,
        "choices": choices,
        **more,
    }
