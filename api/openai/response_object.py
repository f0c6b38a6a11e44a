"""A Response as OpenAI's object."""

from collections.abc import Mapping
from typing import Any, Literal

from api.openai.response_calls import call_items
from api.openai.response_numbers import chains_up_to
from api.openai.response_reasoning import reasoning_item
from jobs.lifecycle.responses import StoredResponse
from jobs.model.records import Job, Usage
from jobs.model.status import DOUBTFUL_SEAM, NO_END_SIGN, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_attempts

_ERROR_CODES = {"upstream_rejected": "invalid_prompt", "upstream_rejected_in_stream": "invalid_prompt",
                "upstream_quota_spent": "rate_limit_exceeded"}  # fmt: skip


def response_object(stored: StoredResponse, *, first: int = 1) -> dict[str, Any]:
    """The Response as it stands, with its output once it has ended. `first` is the attempt that began its text."""
    job = stored.job
    status = response_status(job)
    ended = job.is_final
    # The SDK knows two reasons or none: a context window that is full is a limit on tokens, too.
    known = {"context_window": "max_output_tokens", NO_END_SIGN: None, DOUBTFUL_SEAM: None}
    reason = known.get(job.incomplete or "", job.incomplete)
    whole = status == "completed"
    return response_in(stored, status) | {
        "completed_at": int(job.finished_at.timestamp()) if whole and job.finished_at else None,
        "error": _error(job) if status == "failed" else None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "output": _output(stored, first, whole=whole),
        "usage": response_usage(job.usage) if ended else None,
    }


def _output(stored: StoredResponse, first: int, *, whole: bool) -> list[dict[str, Any]]:
    """The reasoning, if there is any, the text, and the tool calls."""
    job = stored.job
    thoughts = [reasoning_item(output_id("rs", job.id, first), stored.reasoning)] if stored.reasoning else []
    texts = [message_item(output_id("msg", job.id, first), stored.text, whole=whole)] if stored.text else []
    return [*thoughts, *texts, *call_items(job, whole=whole)]


def response_in(stored: StoredResponse, status: str) -> dict[str, Any]:
    """The Response as it was when it was only created, or had just begun."""
    shown = {**_echoed(stored), "status": status, "completed_at": None, "error": None, "incomplete_details": None}
    return {**shown, "model": stored.request["model"], "output": [], "usage": None}


def response_status(job: Job) -> str:
    """A job's status as a Response's. One that waits for its next attempt is `in_progress`: it never goes back."""
    match job.status:
        case JobStatus.COMPLETED:
            return "incomplete" if job.incomplete else "completed"
        case JobStatus.EXPIRED:
            return "failed"
        case JobStatus.QUEUED:
            return "in_progress" if job.attempt else "queued"
        case _:
            return str(job.status)


def message_item(item_id: str, text: str, *, whole: bool) -> dict[str, Any]:
    """The output item that has a text."""
    status = "completed" if whole else "incomplete"
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": [text_part(text)]}


def text_part(text: str) -> dict[str, Any]:
    """The one part of an item's content."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def output_id(kind: Literal["msg", "rs"], job_id: str, attempt: int = 1) -> str:
    """The id of the output item that an attempt began: of the text, or of its reasoning."""
    named = f"{kind}_{job_id.partition('_')[2]}"
    return named if attempt == 1 else f"{named}_{attempt}"


def read_response_object(database: Database, stored: StoredResponse) -> dict[str, Any]:
    """The same with its output items named as the events name them."""
    if stored.job.attempt < 2 or not stored.job.is_final:
        return response_object(stored)
    attempts = read_attempts(database, stored.job.id)
    return response_object(stored, first=chains_up_to(attempts, stored.job.attempt)[-1].first)


def response_usage(usage: Usage | None) -> dict[str, Any] | None:
    """The usage; None when the totals are not known. The SDK's types want the details to be numbers, and a strict
    client refuses a null: those that are unknown are 0 here, and null in the job.
    """
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.total_tokens or usage.input_tokens + usage.output_tokens,
    }


def _echoed(stored: StoredResponse) -> dict[str, Any]:
    request: Mapping[str, Any] = stored.request
    reasoning, text = request.get("reasoning") or {}, request.get("text") or {}
    return {
        "id": stored.id,
        "object": "response",
        "created_at": int(stored.job.created_at.timestamp()),
        "background": bool(request.get("background")),
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "metadata": stored.job.metadata,
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": request.get("previous_response_id"),
        "max_tool_calls": request.get("max_tool_calls"),
        "prompt_cache_key": request.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "safety_identifier": request.get("safety_identifier"),
        "service_tier": request.get("service_tier"),
        "store": request.get("store", True),
        "temperature": request.get("temperature"),
        "text": {"format": {"type": "text"}, **{name: value for name, value in text.items() if value is not None}},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools", []),
        "top_p": request.get("top_p"),
        "truncation": request.get("truncation", "disabled"),
        "user": request.get("user"),
    }


def _error(job: Job) -> dict[str, Any]:
    """OpenAI has a short list of codes; Longhand's own is in `type`."""
    code = job.error_code or "failed"
    return {"code": _ERROR_CODES.get(code, "server_error"), "message": job.error_message or "failed", "type": code}
