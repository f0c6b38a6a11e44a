"""Reads chunks of an unusual shape as the upstream means them.

Empty means absent, and what stands beside the text never costs it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from worker.upstream.chunks import Choice, Chunk, TextDelta, malformed
from worker.upstream.dialects.shapes import find_error
from worker.upstream.failures import error_of_object
from worker.upstream.lean import Budget, count_values, decode_lean
from worker.upstream.own_words import NO_WORDS, OwnWords
from worker.upstream.sse import DONE, strip_fields
from worker.upstream.usage import find_usage

_MOST_GLUED = 10_000
"""How many events may be glued together: as many as have room in one of the longest, if each is a chunk."""

_MOST_GLUED_VALUES = 100_000
"""How many JSON values may stand in them: a small chunk has ten."""

_FIELDS = re.compile(r"\s*(?:data:\s*)*", re.ASCII)
_decoder = json.JSONDecoder(strict=False)


def read_leniently(payload: bytes, budget: Budget, own: OwnWords = NO_WORDS) -> Chunk:
    """The chunk that a payload holds in any shape.

    Raises `MalformedChunk` when it holds no chunk, and the typed error when it is an error object, which may repeat
    the request's `own` words.
    """
    try:
        found = decode_lean(payload, budget)
    except (ValueError, RecursionError) as failure:
        raise malformed(payload, str(failure)) from failure
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping):
        raise malformed(payload, "it is no object")
    error = find_error(found)
    if error is not None:
        raise error_of_object(error, own)
    return chunk_of(found, payload)


def chunk_of(found: Mapping[str, Any], payload: bytes) -> Chunk:
    """The chunk in a JSON object that is no error. Raises `MalformedChunk`."""
    choices = found.get("choices")
    if choices is None and "output" in found and isinstance(found["output"], Mapping):
        choices = found["output"].get("choices")  # DashScope's own form
    if choices is None:
        own = _of_ollama(found)
        choices = [] if own is None else [own]
    if not choices:
        choices = []
    if isinstance(choices, Mapping) and ("delta" in choices or "message" in choices):
        choices = [choices]
    if not isinstance(choices, list):
        raise malformed(payload, "its `choices` are no list")
    return Chunk(
        [_choice(choice, payload) for choice in choices],
        found.get("id"),
        found.get("model"),
        found.get("system_fingerprint"),
        find_usage(found),
        citations=found.get("citations"),
        search_results=found.get("search_results"),
    )


def _of_ollama(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Ollama's own lines: a message, or a response, and whether that was all."""
    if "done" not in found:
        return None
    message = found.get("message") if "message" in found else {"content": found.get("response")}
    reason = (found.get("done_reason") or "stop") if found["done"] else None
    return {"index": 0, "delta": message, "finish_reason": reason}


def _choice(choice: object, payload: bytes) -> Choice:
    if not isinstance(choice, Mapping):
        raise malformed(payload, "a choice is no object")
    delta = choice.get("delta")
    came_as_message = not delta and bool(choice.get("message"))
    if came_as_message:
        delta = choice["message"]
    if not delta and choice.get("text"):
        delta = {"content": choice["text"]}
    reason = choice.get("finish_reason") or choice.get("finishReason")
    if isinstance(reason, Mapping):
        reason = reason.get("type") or reason.get("reason")
    index, reason = _index(choice.get("index"), payload), str(reason) if reason else None
    return Choice(index, _delta(delta, payload), reason, choice.get("logprobs"), came_as_message=came_as_message)


def split_glued(payload: bytes, budget: Budget) -> list[bytes]:
    """The events in a payload of several whose line ends got lost; none when it is anything else."""
    if not budget.take("glued", count_values(payload), _MOST_GLUED_VALUES):
        return []
    whole, parts, start = strip_fields(payload).decode("utf-8", "replace"), list[bytes](), 0
    try:
        while whole.startswith("{", start):
            end = _decoder.raw_decode(whole, start)[1]
            parts.append(whole[start:end].encode())
            fields = _FIELDS.match(whole, end)
            start = fields.end() if fields else end
            if len(parts) > _MOST_GLUED:
                return []
    except (ValueError, RecursionError):
        return []
    rest = whole[start:]
    if rest == DONE.decode():
        parts.append(DONE)
        rest = ""
    return parts if len(parts) > 1 and not rest else []


def _index(index: object, payload: bytes) -> int:
    if index is None or index == "":
        return 0
    try:
        return int(index)  # type: ignore[call-overload, no-any-return]  # what it cannot read, it refuses
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed(payload, "a choice's index is no number") from error


def _delta(delta: object, payload: bytes) -> TextDelta | None:
    if not delta:
        return None
    if isinstance(delta, str):
        return TextDelta(content=delta)
    if not isinstance(delta, Mapping):
        raise malformed(payload, "a delta is no object")
    content = delta.get("content")
    if isinstance(content, Mapping):
        content = [content]
    if not content:
        content = None
    elif not isinstance(content, str | list):
        raise malformed(payload, "its content is no text")
    refusal = delta.get("refusal")
    known = {name: delta.get(name) for name in TextDelta.__struct_fields__ if name not in ("content", "refusal")}
    return TextDelta(content=content, refusal=str(refusal) if refusal else None, **known)
