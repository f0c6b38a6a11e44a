"""Reads the parameters of a Response, all but its input: which there are, what they must be, which cannot be had.

What changes nothing about the text is taken, whether or not the upstream knows of it: clients send it by default. What
would change the text and cannot be done is refused by name, with the way out.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.http.errors import ApiError
from api.submitting.fields import check_response_format, invalid, unsupported
from api.submitting.response_tools import check_tools

PASSED = ("prompt_cache_key", "safety_identifier", "temperature", "top_p", "user")
"""What goes to the upstream under the same name. The worker leaves out what the upstream refuses of it."""

# Not known to chat completions, and without an effect on the text.
_HARMLESS = frozenset({
    "access_programs", "background_options", "context_management", "max_tool_calls", "moderation",
    "prompt_cache_options", "prompt_cache_retention", "truncation",
})  # fmt: skip
_TAKEN = _HARMLESS | {
    "background", "include", "input", "instructions", "max_output_tokens", "metadata", "model", "parallel_tool_calls",
    "previous_response_id", "reasoning", "service_tier", "store", "stream", "stream_options", "text", "tool_choice",
    "tools", "top_logprobs", *PASSED,
}  # fmt: skip
_WAYS_OUT = {
    "conversation": "continue with previous_response_id, or send the earlier messages in input",
    "prompt": "write the prompt into instructions and input",
    "image": "a Response here is a text: leave it out",
}

_LOGPROBS = "message.output_text.logprobs"


class _Type(NamedTuple):
    """What a parameter must be."""

    said: str
    holds: Callable[[Any], bool]


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


_FLAG = _Type("true or false", lambda value: isinstance(value, bool))
_WORDS = _Type("a text", lambda value: isinstance(value, str))
_COUNT = _Type("a whole number, at least 1", lambda value: type(value) is int and value >= 1)
_TYPES = {
    "background": _FLAG,
    "store": _FLAG,
    "stream": _FLAG,
    "parallel_tool_calls": _FLAG,
    "include": _Type(
        "a list of texts", lambda value: isinstance(value, list) and all(isinstance(text, str) for text in value)
    ),
    "instructions": _WORDS,
    "previous_response_id": _WORDS,
    "prompt_cache_key": _WORDS,
    "safety_identifier": _WORDS,
    "service_tier": _WORDS,
    "user": _WORDS,
    "max_output_tokens": _COUNT,
    "max_tool_calls": _COUNT,
    "truncation": _Type('"auto" or "disabled"', lambda value: value in ("auto", "disabled")),
    "temperature": _Type("a number from 0 to 2", lambda value: _is_number(value, 2)),
    "top_p": _Type("a number from 0 to 1", lambda value: _is_number(value, 1)),
}


def check_parameters(fields: Mapping[str, Any]) -> None:
    """Refuse what cannot be done, and what is of a wrong type. Raises `ApiError`."""
    for name in fields:
        if name not in _TAKEN:
            raise unsupported(name[:64], f"is not supported: {_WAYS_OUT.get(name, 'leave it out')}")
    top_logprobs = fields.get("top_logprobs", 0)
    if type(top_logprobs) is not int or top_logprobs != 0:
        raise unsupported("top_logprobs", "only 0 is supported: leave it out")
    for name, what in _TYPES.items():
        if name in fields and not what.holds(fields[name]):
            raise invalid(name, f"must be {what.said}")
    if _LOGPROBS in fields.get("include", []):
        raise unsupported("include", f"log probabilities are not kept: leave {_LOGPROBS} out")
    _inner(fields, "reasoning", {"effort": str, "summary": str, "generate_summary": str, "context": str, "mode": str})
    if _inner(fields, "stream_options", {"include_obfuscation": bool}).get("include_obfuscation"):
        raise unsupported("stream_options.include_obfuscation", "nothing is obfuscated here: leave it out")
    chat_format(fields)
    check_tools(fields)


def chat_format(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `response_format` of chat completions for `text.format`; None where any text will do. Raises `ApiError`."""
    given = _inner(fields, "text", {"format": dict, "verbosity": str}).get("format")
    if given is None:
        return None
    kind = given.get("type")
    if kind == "text":
        return None
    if kind not in ("json_object", "json_schema"):
        raise unsupported("text.format.type", "must be text, json_object or json_schema")
    schema = {name: value for name, value in given.items() if name != "type" and value is not None}
    made = {"type": kind, "json_schema": schema} if kind == "json_schema" else {"type": kind}
    try:
        check_response_format(made, "text.format")
    except ApiError as error:
        raise _renamed(error) from None
    return made


def verbosity(fields: Mapping[str, Any]) -> str | None:
    """How long the text should be, if that is not the usual length."""
    wanted = (fields.get("text") or {}).get("verbosity")
    return None if wanted == "medium" else wanted


def _inner(fields: Mapping[str, Any], name: str, known: Mapping[str, type]) -> dict[str, Any]:
    """The fields of an object that are not null."""
    inner = fields.get(name)
    if inner is None:
        return {}
    if not isinstance(inner, dict):
        raise invalid(name, "must be an object")
    given = {field: value for field, value in inner.items() if value is not None}
    for field, value in given.items():
        if field not in known:
            raise unsupported(f"{name}.{field[:64]}", f"is not supported; {', '.join(known)} are: leave it out")
        if not isinstance(value, known[field]):
            raise invalid(f"{name}.{field}", f"must be of another type ({known[field].__name__})")
    return given


def _renamed(error: ApiError) -> ApiError:
    """A refusal of the schema, with the place where it stands in a Response."""
    place = "text.format.json_schema"
    message = error.message.replace(place, "text.format", 1)
    return ApiError(error.status, error.code, message, param=(error.param or "").replace(place, "text.format", 1))
