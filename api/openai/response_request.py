"""Translates a request for a Response into the chat-completions body for the upstream.

Text in, text out. What cannot be done is refused by name; nothing is ignored.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from api.submitting.bodies import read_fields, read_value
from api.submitting.checks import check_job
from api.submitting.fields import invalid, missing, unsupported
from jobs.intake.submission import NewJob

Message = dict[str, Any]

MAX_CONVERSATION_BYTES = 8 * 1024 * 1024
"""How long all messages before a new one may be together, as JSON."""

_PASSED = ("temperature", "top_p", "user")
_TAKEN = frozenset({
    "background", "input", "instructions", "max_output_tokens", "metadata", "model", "parallel_tool_calls",
    "previous_response_id", "reasoning", "service_tier", "store", "stream", "stream_options", "text", "tool_choice",
    "tools", "truncation", *_PASSED,
})  # fmt: skip

# What asks for nothing but what is done anyway.
_ONLY: dict[str, tuple[Any, ...]] = {
    "parallel_tool_calls": (True, False),
    "service_tier": ("auto", "default"),
    "store": (True,),
    "tool_choice": ("auto", "none"),
    "tools": ([],),
    "truncation": ("disabled",),
}


class _Type(NamedTuple):
    """What a parameter must be."""

    said: str
    holds: Callable[[Any], bool]


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


_FLAG = _Type("true or false", lambda value: isinstance(value, bool))
_WORDS = _Type("a text", lambda value: isinstance(value, str))
_TYPES = {
    "background": _FLAG,
    "stream": _FLAG,
    "instructions": _WORDS,
    "previous_response_id": _WORDS,
    "user": _WORDS,
    "max_output_tokens": _Type("a whole number, at least 1", lambda value: type(value) is int and value >= 1),
    "temperature": _Type("a number from 0 to 2", lambda value: _is_number(value, 2)),
    "top_p": _Type("a number from 0 to 1", lambda value: _is_number(value, 1)),
}

# OpenAI's newer models refuse `max_tokens`; most other endpoints know no other name.
_NEW_LIMIT = re.compile(r"(openai/)?(o[1-9]|gpt-[5-9])")

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXT_PARTS = ("input_text", "output_text")
# An output item may be sent back as it came.
_ITEM_FIELDS = frozenset({"type", "role", "content", "id", "status", "phase"})
_PART_FIELDS = frozenset({"type", "text", "annotations", "logprobs"})


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request for a Response, checked except for the Response that it continues."""

    fields: Mapping[str, Any]
    messages: Sequence[Message]
    """The input, as chat messages."""

    @property
    def stream(self) -> bool:
        """Whether the answer is the events."""
        return bool(self.fields.get("stream"))

    @property
    def background(self) -> bool:
        """Whether the answer comes before the text is written."""
        return bool(self.fields.get("background"))

    @property
    def previous(self) -> str | None:
        """The id of the Response that this one continues."""
        previous: str | None = self.fields.get("previous_response_id")
        return previous

    def kept(self) -> dict[str, Any]:
        """What is stored of it beside the job: all but the input, which the job's messages have."""
        return {name: value for name, value in self.fields.items() if name not in ("input", "stream", "stream_options")}

    def job(self, before: Sequence[Message]) -> NewJob:
        """The job, its messages after those of the Response that it continues. Raises `ApiError`."""
        fields = self.fields
        body: dict[str, Any] = {"model": fields.get("model")}
        instructions = fields.get("instructions")
        first = [{"role": "system", "content": instructions}] if instructions else []
        body["messages"] = [*first, *before, *self.messages]
        for name in (*_PASSED, "metadata"):
            if name in fields:
                body[name] = fields[name]
        if "max_output_tokens" in fields:
            new = isinstance(fields.get("model"), str) and _NEW_LIMIT.match(fields["model"])
            body["max_completion_tokens" if new else "max_tokens"] = fields["max_output_tokens"]
        effort = (fields.get("reasoning") or {}).get("effort")
        if effort is not None:
            body["reasoning_effort"] = effort
        # An event that was sent cannot be taken back, so an interrupted text is continued where the upstream can.
        return check_job(json.dumps(body).encode(), NewJob(request={}, on_interrupt="continue"))


def read_response_request(body: bytes) -> ResponseRequest:
    """The request in the body of `POST /v1/responses`. Raises `ApiError`."""
    raw = read_fields(body)
    fields = {name: value for name in raw if (value := read_value(raw[name], name)) is not None}
    _refuse_unsupported(fields)
    for name, what in _TYPES.items():
        if name in fields and not what.holds(fields[name]):
            raise invalid(name, f"must be {what.said}")
    if "input" not in fields:
        raise missing("input", 'a text, or a list such as [{"role": "user", "content": "..."}]')
    return ResponseRequest(fields, _read_input(fields["input"]))


def _refuse_unsupported(fields: Mapping[str, Any]) -> None:
    for name in fields:
        if name not in _TAKEN:
            raise unsupported(name[:64], "is not supported: leave it out")
    for name, allowed in _ONLY.items():
        if name in fields and not any(fields[name] == one and type(fields[name]) is type(one) for one in allowed):
            shown = " or ".join(json.dumps(one) for one in allowed)
            raise unsupported(name, f"only {shown} is supported")
    _check_inner(fields, "reasoning", "effort", str)
    _check_inner(fields, "stream_options", "include_obfuscation", bool)
    if (fields.get("stream_options") or {}).get("include_obfuscation"):
        raise unsupported("stream_options.include_obfuscation", "nothing is obfuscated here")
    _check_inner(fields, "text", "format", dict)
    if (fields.get("text") or {}).get("format") not in (None, {"type": "text"}):
        raise unsupported("text.format", 'only {"type": "text"} is supported')


def _read_input(given: Any) -> list[Message]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise invalid("input", "must be a text or a list with at least one message")
    return [_read_message(item, f"input[{place}]") for place, item in enumerate(given)]


def _read_message(item: Any, at: str) -> Message:
    if not isinstance(item, dict):
        raise invalid(at, 'must be an object such as {"role": "user", "content": "..."}')
    if item.get("type", "message") != "message":
        raise unsupported(f"{at}.type", f"only messages are supported, not {str(item['type'])[:60]!r}")
    for name in item:
        if name not in _ITEM_FIELDS:
            raise unsupported(f"{at}.{name[:64]}", "is not supported: leave it out")
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(f"{at}.role", "must be one of user, assistant, system and developer")
    content = item.get("content")
    if isinstance(content, list):
        content = [_read_part(part, f"{at}.content[{place}]") for place, part in enumerate(content)]
        # The form that every endpoint takes, wherever it will do.
        content = content[0]["text"] if len(content) == 1 else content
    if not isinstance(content, str | list) or content == []:
        raise invalid(f"{at}.content", "must be a text or a list of parts")
    return {"role": _ROLES[role], "content": content}


def _read_part(part: Any, at: str) -> Message:
    if not isinstance(part, dict):
        raise invalid(at, 'must be an object such as {"type": "input_text", "text": "..."}')
    if part.get("type") not in _TEXT_PARTS:
        raise unsupported(
            f"{at}.type", f"only input_text and output_text are supported, not {str(part.get('type'))[:60]!r}"
        )
    for name in part:
        if name not in _PART_FIELDS:
            raise unsupported(f"{at}.{name[:64]}", "is not supported: leave it out")
    if not isinstance(part.get("text"), str):
        raise invalid(f"{at}.text", "must be a text")
    return {"type": "text", "text": part["text"]}


def _check_inner(fields: Mapping[str, Any], name: str, only: str, kind: type) -> None:
    """An object of which one field is supported."""
    inner = fields.get(name)
    if inner is None:
        return
    if not isinstance(inner, dict):
        raise invalid(name, "must be an object")
    for field, value in inner.items():
        if field != only and value is not None:
            raise unsupported(f"{name}.{field[:64]}", f"is not supported; {only} is")
        if field == only and value is not None and not isinstance(value, kind):
            raise invalid(f"{name}.{only}", f"must be of another type ({kind.__name__})")
