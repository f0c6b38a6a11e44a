"""Reads the input of a Response: items become chat messages, and references to items that are stored here stay open.

What chat completions have no form for is refused by name, with the way out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.submitting.fields import invalid, unsupported
from api.submitting.response_tools import read_call, read_call_output
from jobs.model.ids import response_id

Message = dict[str, Any]

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXT_PARTS = ("input_text", "output_text", "text")
# An output item may be sent back as it came, also from another server.
_ITEM_FIELDS = frozenset({"type", "role", "content", "id", "status", "phase"})
_PART_FIELDS = frozenset({"type", "text", "annotations", "logprobs", "prompt_cache_breakpoint"})
_IMAGE_FIELDS = frozenset({"type", "image_url", "detail", "file_id", "prompt_cache_breakpoint"})
_OTHER_PARTS = {
    "input_file": "send what stands in it as input_text",
    "input_audio": "send it in writing, as input_text",
}
_STORED_ITEM = re.compile(r"(msg|rs|fc)_([0-9a-f]{1,60})(?:_([0-9]{1,9})|_in([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """An item of a stored Response, to be put in its place once it has been read."""

    at: str
    """Where in the request it stands."""
    id: str
    response_id: str
    is_reasoning: bool
    place: int | None
    """Of an input item: which of the conversation's messages it is."""
    call: int | None = None
    """Of a tool call: which of the answer's calls it is."""


Item = Message | Reference


def input_item_id(job_id: str, place: int) -> str:
    """The id of an input item: its place among the messages of the conversation."""
    return f"msg_{job_id.partition('_')[2]}_in{place}"


def read_input(given: Any) -> list[Item]:
    """The items of the input. A reasoning item is left out: chat completions take none."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise invalid("input", "must be a text or a list with at least one message")
    items = [_read_item(item, f"input[{place}]") for place, item in enumerate(given)]
    return [item for item in items if item is not None]


def resolve(items: Sequence[Item], find: Callable[[Reference], Message | None]) -> list[Message]:
    """The items as messages. `find` reads what a reference means; None is an item without a message."""
    found = [find(item) if isinstance(item, Reference) else item for item in items]
    return [message for message in found if message is not None]


def _read_item(item: Any, at: str) -> Item | None:
    if not isinstance(item, dict):
        raise invalid(at, 'must be an object such as {"role": "user", "content": "..."}')
    kind = item.get("type") or ("message" if "role" in item else "item_reference" if "id" in item else "message")
    match kind:
        case "message":
            return _read_message(item, at)
        case "item_reference":
            return _read_reference(item, at)
        case "reasoning":
            return None
        case "function_call":
            return read_call(item, at)
        case "function_call_output":
            return read_call_output(item, at)
    known = "only messages, function calls and their outputs, reasoning items and item references are supported"
    raise unsupported(f"{at}.type", f"{known}, not {str(kind)[:60]!r}: say it in a message")


def _read_reference(item: Mapping[str, Any], at: str) -> Reference:
    named = item.get("id")
    match = _STORED_ITEM.fullmatch(named) if isinstance(named, str) else None
    if match is None or (match[1] == "fc" and not match[3]):
        message = "must be the id of an item of a Response that is stored here: send the item itself"
        raise invalid(f"{at}.id", message, "item_not_found")
    place = int(match[4]) if match[4] else None
    call = int(match[3]) if match[1] == "fc" else None
    return Reference(f"{at}.id", match[0], response_id(f"job_{match[2]}"), match[1] == "rs", place, call)


def _read_message(item: Mapping[str, Any], at: str) -> Message:
    _refuse_others(item, _ITEM_FIELDS, at)
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(f"{at}.role", "must be one of user, assistant, system and developer")
    content = item.get("content")
    if isinstance(content, list):
        content = [_read_part(part, f"{at}.content[{place}]") for place, part in enumerate(content)]
        # The form that every endpoint takes, wherever it will do.
        content = content[0]["text"] if len(content) == 1 and "text" in content[0] else content
    if not isinstance(content, str | list) or content == []:
        raise invalid(f"{at}.content", "must be a text or a list of parts")
    return {"role": _ROLES[role], "content": content}


def _read_part(part: Any, at: str) -> Message:
    if not isinstance(part, dict):
        raise invalid(at, 'must be an object such as {"type": "input_text", "text": "..."}')
    kind = part.get("type")
    if kind == "input_image":
        return _read_image(part, at)
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    if kind not in _TEXT_PARTS:
        way_out = _OTHER_PARTS.get(str(kind), "supported are input_text, output_text, refusal and input_image")
        raise unsupported(f"{at}.type", f"{str(kind)[:60]!r} is not supported: {way_out}")
    _refuse_others(part, _PART_FIELDS, at)
    if not isinstance(part.get("text"), str):
        raise invalid(f"{at}.text", "must be a text")
    return {"type": "text", "text": part["text"]}


def _read_image(part: Mapping[str, Any], at: str) -> Message:
    _refuse_others(part, _IMAGE_FIELDS, at)
    if part.get("file_id") is not None:
        raise unsupported(f"{at}.file_id", "images are not stored here: send it as image_url, a URL or a data: URL")
    url, detail = part.get("image_url"), part.get("detail")
    if not isinstance(url, str) or not url:
        raise invalid(f"{at}.image_url", "must be a URL, such as data:image/png;base64,...")
    if not isinstance(detail, str | None):
        raise invalid(f"{at}.detail", "must be a text such as auto")
    return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}


def _refuse_others(given: Mapping[str, Any], known: frozenset[str], at: str) -> None:
    for name, value in given.items():
        if name not in known and value is not None:
            raise unsupported(f"{at}.{name[:64]}", "is not supported: leave it out")
