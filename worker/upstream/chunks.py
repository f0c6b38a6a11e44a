"""The `chat.completion.chunk` objects of the OpenAI API: the usual shape is decoded into typed structs, in C.

Whatever differs from it goes to `lenient.py`. Unknown fields are ignored.
https://platform.openai.com/docs/api-reference/chat-streaming
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from worker.upstream.errors import MalformedChunk, quote


class TextDelta(msgspec.Struct, gc=False):
    """One piece of the answer. `content` is text, or a list of parts that each have a `type`."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    reasoning_text: Any = None
    thinking: Any = None
    thinking_blocks: Any = None
    tool_calls: Any = None
    function_call: Any = None
    annotations: Any = None

    @property
    def has_reasoning(self) -> bool:
        """Whether the model is thinking, by any of the names for it."""
        return bool(
            self.reasoning_content
            or self.reasoning
            or self.reasoning_details
            or self.reasoning_text
            or self.thinking
            or self.thinking_blocks
        )


class Choice(msgspec.Struct, gc=False):
    """One of the answers to the request; only the one with index 0 counts."""

    index: int | None = 0
    delta: TextDelta | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    # Where some upstreams put them. Not decoded: beside a delta nobody reads them.
    message: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    finishReason: str | None = None  # noqa: N815  # the name on the wire
    usage: Any = None
    error: Any = None
    came_as_message: bool = False
    """The delta is what stood in `message`. Set by `lenient.py` only."""


class Chunk(msgspec.Struct, gc=False):
    """One event of the stream."""

    choices: list[Choice] | None = None
    id: Any = None
    model: Any = None
    system_fingerprint: Any = None
    usage: Any = None
    error: Any = None
    base_resp: Any = None
    x_groq: Any = None
    citations: Any = None
    search_results: Any = None

    @property
    def own_choices(self) -> list[Choice]:
        """Those with index 0: one, if this chunk has news of it; some upstreams put several pieces into one."""
        return [choice for choice in self.choices or () if not choice.index]


_decoder = msgspec.json.Decoder(Chunk)


def read_chunk(payload: bytes) -> Chunk | None:
    """The chunk in the payload of one event; None when it is not of the usual shape, or may be an error."""
    try:
        chunk = _decoder.decode(payload)
    except (ValueError, RecursionError):
        # Another shape; or NaN, lone surrogates, bytes that are not UTF-8: msgspec refuses them, upstreams send them.
        return None
    if not chunk.choices or chunk.error or chunk.base_resp or chunk.x_groq:
        return None
    choice = chunk.choices[0]
    if choice.finishReason is not None or choice.usage is not None or any(each.error for each in chunk.choices):
        return None
    return chunk if choice.delta is not None or not (choice.message or choice.text) else None


_Empty = Literal[""] | None


class _PlainDelta(msgspec.Struct, gc=False):
    content: str = ""
    refusal: _Empty = None
    reasoning_content: _Empty = None
    reasoning: _Empty = None
    reasoning_details: list[None] | None = None
    reasoning_text: _Empty = None
    thinking: _Empty = None
    thinking_blocks: list[None] | None = None
    tool_calls: list[None] | None = None
    function_call: None = None
    annotations: list[None] | None = None


class _PlainReasoningDelta(msgspec.Struct, gc=False):
    content: _Empty = None
    refusal: _Empty = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[None] | None = None
    function_call: None = None
    annotations: list[None] | None = None


class _NoLogprobs(msgspec.Struct, gc=False):
    content: list[None] | None = None
    refusal: list[None] | None = None


D = TypeVar("D")


class _PlainChoice(msgspec.Struct, Generic[D], gc=False):
    delta: D
    index: Literal[0] | None = None
    finish_reason: _Empty = None
    logprobs: _NoLogprobs | None = None
    finishReason: None = None  # noqa: N815  # as above
    usage: None = None
    error: None = None


class _PlainChunk(msgspec.Struct, Generic[D], gc=False):
    choices: Annotated[list[_PlainChoice[D]], msgspec.Meta(min_length=1, max_length=1)]
    usage: None = None
    error: None = None
    base_resp: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None


_plain_decoder = msgspec.json.Decoder(_PlainChunk[_PlainDelta])
_plain_reasoning_decoder = msgspec.json.Decoder(_PlainChunk[_PlainReasoningDelta])


def read_plain(payload: bytes) -> str | None:
    """The text of a chunk that holds nothing but text, as nearly all do; None for any other, which is to be read whole.

    What else may stand in a chunk is looked for by the decoder, in C: to ask for each field costs more than to decode.
    """
    try:
        return _plain_decoder.decode(payload).choices[0].delta.content
    except (ValueError, RecursionError):
        return None


def malformed(payload: bytes, reason: str) -> MalformedChunk:
    """The error of a payload that cannot be read, with what was received."""
    return MalformedChunk(f"The upstream sent an event that is no completion chunk ({reason}): {quote(payload)}")


def read_plain_reasoning(payload: bytes) -> str | None:
    """The same for a chunk that holds nothing but reasoning, in one of the two fields that are common."""
    try:
        delta = _plain_reasoning_decoder.decode(payload).choices[0].delta
    except (ValueError, RecursionError):
        return None
    return delta.reasoning_content or delta.reasoning
