"""The `chat.completion.chunk` objects of the OpenAI API, as upstreams really send them.

What decides about the text is typed and checked. What is only noted (ids, usage) is read leniently: a paid text is not
thrown away for a strange token count. Unknown fields are ignored. https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from worker.upstream.ending import Usage
from worker.upstream.errors import MalformedChunk, quote
from worker.upstream.failures import error_of_object, find_error

__all__ = ["Choice", "Chunk", "Delta", "Usage", "read_chunk", "read_usage"]

LARGEST_COUNT = 2**31 - 1
"""A larger token count cannot be true, and would not fit its column."""


class Delta(msgspec.Struct):
    """One piece of the answer. `content` is text, or a list of parts that each have a `type`."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    function_call: Any = None


class Choice(msgspec.Struct):
    """One of the answers to the request; only the one with index 0 counts."""

    index: int | None = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None

    @property
    def first_choice(self) -> Choice | None:
        """The choice with index 0, if this chunk has news of it."""
        for choice in self.choices or ():
            if not choice.index:
                return choice
        return None


class _WholeChoice(msgspec.Struct):
    index: int | None = 0
    message: Delta | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_WholeChoice] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None


_decoder = msgspec.json.Decoder(Chunk)


def read_chunk(payload: bytes) -> Chunk:
    """The chunk in the payload of one event.

    Raises `MalformedChunk` when it is not one, and the typed error when it is an error object.
    """
    try:
        chunk = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _malformed(payload, error) from error
    except (ValueError, RecursionError):
        # msgspec refuses NaN, lone surrogates and bytes that are not UTF-8. Upstreams send them all the same.
        chunk = _read_slowly(payload)
    if chunk.error or chunk.choices is None:
        found = find_error(_read_any(payload))
        if found is not None:
            raise error_of_object(found)
    return chunk


def chunk_of_completion(completion: Mapping[str, Any]) -> Chunk:
    """A whole `chat.completion`, which an upstream sends that cannot stream, as the one chunk that says the same."""
    try:
        whole = msgspec.convert(completion, _Completion)
    except (ValueError, RecursionError) as error:
        raise MalformedChunk(
            f"The upstream ignored `stream: true`, and what it sent in one piece is no completion ({error})."
        ) from error
    choices = [Choice(choice.index, choice.message, choice.finish_reason) for choice in whole.choices or ()]
    return Chunk(choices, whole.id, whole.model, whole.usage)


def read_usage(usage: object) -> Usage | None:
    """The upstream's `usage` object by the names that Longhand stores; None when it tells nothing.

    No completion costs 0 tokens, so all zeros tell nothing either: see `is_placeholder`.
    """
    if not isinstance(usage, Mapping):
        return None
    counts = Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        total_tokens=_count(usage, "total_tokens"),
    )
    return counts if any(msgspec.structs.astuple(counts)) else None


def is_placeholder(usage: object) -> bool:
    """Whether a `usage` counts nothing: some upstreams put zeros into every chunk but the one with the true counts."""
    return not (
        isinstance(usage, Mapping)
        and (usage.get("total_tokens") or usage.get("completion_tokens") or usage.get("prompt_tokens"))
    )


def _read_slowly(payload: bytes) -> Chunk:
    try:
        return msgspec.convert(_read_any(payload), Chunk)
    except ValueError as error:
        raise _malformed(payload, error) from error


def _read_any(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise _malformed(payload, error) from error


def _malformed(payload: bytes, error: Exception) -> MalformedChunk:
    return MalformedChunk(f"The upstream sent an event that is no completion chunk ({error}): {quote(payload)}")


def _count(found: object, name: str) -> int | None:
    value = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT:
        return value
    return None
