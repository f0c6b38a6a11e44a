"""Translates a request for a Response into the chat-completions body for the upstream."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.submitting.bodies import read_values
from api.submitting.fields import missing, unsupported
from api.submitting.response_input import Item, Message, Reference, read_input
from api.submitting.response_parameters import PASSED, chat_format, check_parameters, verbosity
from api.submitting.response_tools import chat_tools, join_calls

MAX_CONVERSATION_BYTES = 8 * 1024 * 1024
"""How long all messages before a new one may be together, as JSON."""

_NOT_KEPT = ("input", "stream", "stream_options")
"""What is not stored beside the job: the job's messages have the input."""
_NOT_OF_A_LINE = ("background", "store", "stream", "stream_options")
"""What a batch decides for its lines."""

# OpenAI's newer models refuse `max_tokens`; most other endpoints know no other name.
_NEW_LIMIT = re.compile(r"(openai/)?(o[1-9]|gpt-[5-9])")


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request for a Response, checked except for what it says of other Responses."""

    fields: Mapping[str, Any]
    items: Sequence[Item]
    """The input, as chat messages and references to stored items."""

    @property
    def stream(self) -> bool:
        """Whether the answer is the events."""
        return bool(self.fields.get("stream"))

    @property
    def background(self) -> bool:
        """Whether the answer comes before the text is written."""
        return bool(self.fields.get("background"))

    @property
    def is_stored(self) -> bool:
        """Whether it is kept after its end."""
        return self.fields.get("store") is not False

    @property
    def previous(self) -> str | None:
        """The id of the Response that this one continues."""
        previous: str | None = self.fields.get("previous_response_id")
        return previous

    def kept(self) -> dict[str, Any]:
        """What is stored of it beside the job."""
        return {name: value for name, value in self.fields.items() if name not in _NOT_KEPT}

    def chat_body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The body for chat completions that asks for a text after these messages."""
        fields = self.fields
        instructions = fields.get("instructions")
        first = [{"role": "system", "content": instructions}] if instructions else []
        body: dict[str, Any] = {"model": fields.get("model"), "messages": [*first, *join_calls(messages)]}
        for name in (*PASSED, "metadata"):
            if name in fields:
                body[name] = fields[name]
        if "max_output_tokens" in fields:
            new = isinstance(fields.get("model"), str) and _NEW_LIMIT.match(fields["model"])
            body["max_completion_tokens" if new else "max_tokens"] = fields["max_output_tokens"]
        asked = {
            "reasoning_effort": (fields.get("reasoning") or {}).get("effort"),
            "response_format": chat_format(fields),
            "verbosity": verbosity(fields),
            "service_tier": None if fields.get("service_tier") in ("auto", "default") else fields.get("service_tier"),
        }
        return body | chat_tools(fields) | {name: value for name, value in asked.items() if value is not None}


def read_response_line(given: Mapping[str, Any]) -> ResponseRequest:
    """The request in a line of a batch, which stands alone and is stored. Raises `ApiError`."""
    request = make_response_request({name: value for name, value in given.items() if name not in _NOT_OF_A_LINE})
    if request.previous is not None:
        raise unsupported("previous_response_id", "a line stands alone: send the earlier messages in input")
    reference = next((item for item in request.items if isinstance(item, Reference)), None)
    if reference is not None:
        raise unsupported(reference.at.removesuffix(".id"), "a line stands alone: send the item itself")
    return request


def read_response_request(body: bytes) -> ResponseRequest:
    """The request in the body of `POST /v1/responses`. Raises `ApiError`."""
    return make_response_request(read_values(body))


def make_response_request(given: Mapping[str, Any]) -> ResponseRequest:
    """The request that these values are. A null is as good as nothing. Raises `ApiError`."""
    fields = {name: value for name, value in given.items() if value is not None}
    check_parameters(fields)
    if "input" not in fields:
        raise missing("input", 'a text, or a list such as [{"role": "user", "content": "..."}]')
    return ResponseRequest(fields, read_input(fields["input"]))
