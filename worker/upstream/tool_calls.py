"""Tool calls while an answer is read: their pieces, put together as the upstream would have returned them unstreamed.

Pieces of several calls may come in any order. Most upstreams say by `index` to which call a piece belongs; others by
`id`, or they give every call the same index, or send each call whole.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from jobs.strict_json import dump_json
from worker.upstream.errors import TextTooLong, quote
from worker.upstream.text import make_storable, storable_json
from worker.upstream.tool_call import ToolCall

MAX_CALLS_BYTES = 1 << 20
"""How large all pieces of all calls of an answer may be together."""

_CALL_BYTES = 64
"""What a piece counts at least, so that there is no end of empty ones."""

_OWN_FIELDS = frozenset(("index", "id", "type", "function", "custom", "name", "arguments", "input"))


class ToolCalls:
    """Collects the calls of one answer, and the one `function_call` of the older form."""

    def __init__(self) -> None:
        self._calls: list[ToolCall] = []
        self._by_index: dict[int, ToolCall] = {}
        self._by_id: dict[str, ToolCall] = {}
        self._function: ToolCall | None = None
        self._room = MAX_CALLS_BYTES
        self._came_in_deltas = False

    @property
    def are_there(self) -> bool:
        return any(call.says_something for call in self._all())

    def feed(self, tool_calls: object, function_call: object, *, is_message: bool) -> bool:
        """Take what a delta holds; a `message` behind deltas holds the same again. True when it calls something."""
        if is_message and self._came_in_deltas:
            return False
        items = [tool_calls] if isinstance(tool_calls, Mapping) else tool_calls
        told = [self._take(item) for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
        if isinstance(function_call, Mapping):
            self._function = self._function or ToolCall()
            told.append(self._add(self._function, function_call))
        self._came_in_deltas = self._came_in_deltas or (any(told) and not is_message)
        return any(told)

    def find_cut(self) -> str | None:
        """The name of a call whose arguments end in the middle; None when none do.

        Arguments that are wrong in another way are what the model wrote, and its client judges them.
        """
        for call in self._all():
            if call.is_cut:
                return quote(call.name)
        return None

    def as_message(self) -> dict[str, Any]:
        """The fields of the assistant's message."""
        message: dict[str, Any] = {}
        calls = [call for call in self._in_order() if call.says_something]
        if calls:
            message["tool_calls"] = [
                # A client must name the call when it sends back what the tool gave.
                {"id": call.id or f"call_{secrets.token_hex(12)}", "type": call.kind, call.kind: call.as_function()}
                | call.extras
                for call in calls
            ]
        if self._function is not None and self._function.says_something:
            message["function_call"] = self._function.as_function()
        return message

    def _in_order(self) -> list[ToolCall]:
        """As they are numbered, if each has a number of its own; else as they came."""
        numbered = [self._by_index[index] for index in sorted(self._by_index)]
        return numbered if len(numbered) == len({*map(id, numbered)}) == len(self._calls) else self._calls

    def _all(self) -> list[ToolCall]:
        return [*self._calls, *([self._function] if self._function is not None else [])]

    def _take(self, item: Mapping[str, Any]) -> bool:
        body = _body_of(item)
        call = self._find(item, body)
        if call is None:
            call = ToolCall()
            self._calls.append(call)
        index = _index(item.get("index"))
        if index is not None:
            self._by_index[index] = call
        if not call.id:
            call.id = make_storable(_text(item.get("id")))
            self._by_id.setdefault(call.id, call)
            self._take_room(len(call.id.encode()))
        if isinstance(item.get("custom"), Mapping):
            call.kind = "custom"
        self._keep_extras(call, item)
        return self._add(call, body)

    def _find(self, item: Mapping[str, Any], body: Mapping[str, Any]) -> ToolCall | None:
        """The call to which a piece belongs; None: it begins a new one."""
        index, call_id, name = _index(item.get("index")), _text(item.get("id")), _text(body.get("name"))
        last = self._calls[-1] if self._calls else None
        if index is not None:
            known = self._by_index.get(index)
            return None if known is not None and _is_another(known, call_id, name, _arguments(body)) else known
        if call_id:
            known = self._by_id.get(call_id)
            return known or (None if name else last)  # some give each piece an id of its own
        return None if last is not None and last.says_something and name and not last.goes_on else last

    def _add(self, call: ToolCall, body: Mapping[str, Any]) -> bool:
        name, arguments = _text(body.get("name")), _arguments(body)
        self._take_room(len(name.encode("utf-8", "replace")) + len(arguments.encode("utf-8", "replace")) + _CALL_BYTES)
        call.add(name, arguments)
        return bool(name or arguments)

    def _keep_extras(self, call: ToolCall, item: Mapping[str, Any]) -> None:
        for name, value in item.items():
            if name in _OWN_FIELDS or not value or call.extras.get(name) == value:
                continue
            text = storable_json({name: value})
            if text is None:
                continue
            self._take_room(len(text.encode()))
            if "\\u0000" not in text:
                call.extras |= json.loads(text)

    def _take_room(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise TextTooLong(f"The tool calls of the answer are larger than {MAX_CALLS_BYTES} bytes together.")


def _body_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the name and the arguments stand."""
    inner = next((item[name] for name in ("function", "custom") if isinstance(item.get(name), Mapping)), None)
    return item if inner is None else inner


def _is_another(known: ToolCall, call_id: str, name: str, arguments: str) -> bool:
    """Whether a piece with the index of a `known` call begins another one: some number all calls alike."""
    if not name or known.goes_on:
        return False
    if call_id and known.id:
        return call_id != known.id
    return bool(arguments and known.pieces) and not (name == known.name and known.is_again(arguments))


def _arguments(body: Mapping[str, Any]) -> str:
    return _text(body.get("arguments", body.get("input")))


def _text(value: object) -> str:
    """A string as it came; arguments that came as an object as its JSON."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping | list):
        return ""
    try:
        return dump_json(value, ascii_only=False)
    except (ValueError, RecursionError, TypeError):
        return ""


def _index(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None
