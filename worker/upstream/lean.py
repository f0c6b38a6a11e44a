"""Reads events that hold many JSON values, and leaves out of them what is not worth its time.

A text of a megabyte is one value, and read in a millisecond. A megabyte of brackets is half a million values: to read
it took a second, while all other streams of the process stood still. So values are counted first, which is cheap. What
stands beside the text is read only while there are not too many; the text itself, and tool calls, are never left out.
"""

import json
import re
from typing import Any, Final

import msgspec

from worker.upstream.dialects.usage_names import USAGE_FIELDS
from worker.upstream.errors import LineTooLong

FREE_VALUES = 64
"""So many are read wherever they stand: a chunk with its usage has thirty."""

MOST_VALUES = 20_000
"""More are not read at once."""

MOST_LOGPROBS_VALUES = 60_000
"""The same for log probabilities, which may come for a whole answer: a token with twenty others has 130."""

MOST_VALUES_OF_ANSWER = 300_000
"""More are not read in one answer, beside these."""

_MOST_OF = {"logprobs": 600_000, "glued": 1_000_000, "bytes without a number": 16 << 20}
"""Four megabytes of log probabilities have 400,000; an answer of 100,000 deltas that are all glued has a million."""

MOST_LEFT_OUT_BYTES = 16 << 20
"""When more than this was left out of one answer, it is not read any further."""

_LONG = 1 << 16
"""Longer ones are not counted as a whole: a text of 16 MiB would be searched for nothing."""

_ON_THE_WAY = frozenset(("choices", "output", "message", "delta"))
"""Where the text may stand inside."""

_DEEPEST = 4
"""Each step inside reads the rest again."""

_NEEDED = frozenset(
    ("content", "text", "response", "tool_calls", "function_call", "choices", "output", "message", "delta")
)
"""What is the answer itself."""

_READ = _NEEDED | frozenset(USAGE_FIELDS) | frozenset((
    "x_groq", "citations", "search_results", "annotations", "reasoning_content", "reasoning", "reasoning_details",
    "reasoning_text", "thinking", "thinking_blocks", "detail", "data", "errors", "Response", "metadata", "details",
))  # fmt: skip
"""What else is known. Nothing but these and errors is read if it holds many values."""

_ERRORS = frozenset(("error", "errors", "Error", "err", "base_resp", "base_response"))
_LONGEST_ERROR = 4096

_MOST_CHOICES = 128

LEFT_OUT: Final = "left out"
"""Stands for log probabilities that were not read."""

_NO_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(-?Infinity|NaN)', re.DOTALL)
"""Possessive, and a string that never ends is one, too: else each of its letters would double the time."""


class _AnyObject(msgspec.Struct, gc=False):
    pass


_any_object = msgspec.json.Decoder(_AnyObject)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Budget:
    """How much may still be read of one answer."""

    __slots__ = ("_left", "_left_out_bytes", "_repeated")

    def __init__(self) -> None:
        self._left: dict[str, int] = {}
        self._left_out_bytes = 0
        self._repeated: dict[str, tuple[bytes, Any]] = {}

    def take(self, name: str, values: int, most: int = MOST_VALUES) -> bool:
        """Whether so many may be read, which are then taken."""
        if values <= FREE_VALUES:
            return True
        left = self._left.get(name, _MOST_OF.get(name, MOST_VALUES_OF_ANSWER))
        if values > most or values > left:
            return False
        self._left[name] = left - values
        return True

    def close(self, name: str) -> None:
        """Read nothing more of this."""
        self._left[name] = 0

    def is_closed(self, name: str) -> bool:
        """Whether nothing more is read of this."""
        return self._left.get(name) == 0

    def leave_out(self, size: int) -> None:
        """Raises `LineTooLong` when too much was left out: who sends that without end does nothing else."""
        self._left_out_bytes += size
        if self._left_out_bytes > MOST_LEFT_OUT_BYTES:
            raise LineTooLong(
                f"The upstream's answer holds more than {MOST_VALUES_OF_ANSWER} JSON values beside its text, and then"
                f" {MOST_LEFT_OUT_BYTES} bytes more that were left out."
            )

    def repeated(self, name: str, text: bytes) -> Any:
        """What was read of the same text before; None for another text. Some send all sources with every delta."""
        last = self._repeated.get(name)
        return last[1] if last is not None and last[0] == text else None

    def keep(self, name: str, text: bytes, value: Any) -> Any:
        """The value, which may come again."""
        if len(text) <= _LONG:
            self._repeated[name] = text, value
        return value


def is_light(payload: bytes) -> bool:
    """Whether an event may be read as it is."""
    if payload.count(b",") + payload.count(b"{") + payload.count(b"[") <= FREE_VALUES:  # no call: for most that is all
        return True
    return len(payload) <= _LONG and count_values(payload) <= FREE_VALUES


def count_values(text: bytes) -> int:
    """How many values JSON holds, at most: the brackets and commas outside of its strings."""
    marks = _count_marks(text)
    if marks <= FREE_VALUES or b'"' not in text:
        return marks
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 4 * MOST_LOGPROBS_VALUES:
        return marks  # each string is a value or the name of one, so there are too many
    return _count_marks(b"".join(text.split(b'"')[::2]))


def decode_lean(payload: bytes, budget: Budget) -> object:
    """The JSON in a payload, without what holds too many values. Raises ValueError and RecursionError for what is none,
    and `LineTooLong` when the text itself holds too many.
    """
    if is_light(payload):
        return _loads(payload)
    try:
        return _lean(payload, budget)
    except (ValueError, RecursionError):
        pass  # NaN, half a surrogate pair, a control character: msgspec refuses them
    values = count_values(payload)
    if b"NaN" in payload or b"Infinity" in payload:
        # To write another number in its place takes 25 ms for a megabyte.
        may_be_mended = budget.take("bytes without a number", len(payload), most=16 << 20)
        if values > MOST_LOGPROBS_VALUES or not may_be_mended:
            raise ValueError("it holds NaN or Infinity, and too much beside it")
        try:
            return _lean(_NO_NUMBER.sub(lambda found: b"null" if found[1] else found[0], payload), budget)
        except (ValueError, RecursionError):
            pass
    if not budget.take("unusual", values):
        raise ValueError(f"it is no plain JSON and holds more than {MOST_VALUES} values")
    return _loads(payload)


def is_whole_object(text: bytes) -> bool:
    """Whether this is one JSON object and nothing else."""
    try:
        _any_object.decode(text)
    except (ValueError, RecursionError):
        pass  # as above
    else:
        return True
    try:
        return count_values(text) <= MOST_VALUES and isinstance(_loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _lean(text: bytes, budget: Budget) -> object:
    if text.lstrip()[:1] == b"[":
        items = _list.decode(text)
        return [_lean_object(bytes(item), budget) if len(items) == 1 else None for item in items]
    return _lean_object(text, budget)


def _lean_object(text: bytes, budget: Budget, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, raw in _object.decode(text).items():
        value = bytes(raw)
        is_on_the_way = name in _ON_THE_WAY and depth < _DEEPEST
        if is_on_the_way and value[:1] == b"{":
            found[name] = _lean_object(value, budget, depth + 1)
        elif is_on_the_way and name == "choices" and value[:1] == b"[":
            found[name] = [
                _lean_object(item, budget, depth + 1) if item[:1] == b"{" else None
                for item in map(bytes, _list.decode(value)[:_MOST_CHOICES])
            ]
        elif value[:1] == b'"':
            found[name] = _loads(value)
        else:
            _read_field(found, name, value, budget)
    return found


def _read_field(found: dict[str, Any], name: str, value: bytes, budget: Budget) -> None:
    if name == "logprobs":
        is_read = not budget.is_closed(name) and budget.take(name, count_values(value), MOST_LOGPROBS_VALUES)
        if not is_read:
            budget.close(name)
        found[name] = _loads(value) if is_read else LEFT_OUT
    elif _count_marks(value) <= FREE_VALUES:
        found[name] = _loads(value)
    elif (known := budget.repeated(name, value)) is not None:
        found[name] = known
    elif (values := count_values(value)) <= FREE_VALUES or (name in _READ and budget.take("", values)):
        found[name] = budget.keep(name, value, _loads(value))
    elif name in _NEEDED:
        raise LineTooLong(
            f"The `{name}` of the upstream's answer holds more than {MOST_VALUES} JSON values at once, or more than"
            f" {MOST_VALUES_OF_ANSWER} in all."
        )
    elif name in _ERRORS:
        found[name] = value[:_LONGEST_ERROR].decode("utf-8", "replace")
    elif name in _READ:
        budget.leave_out(len(value))


def _count_marks(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _loads(text: bytes) -> Any:
    return json.loads(text.decode("utf-8", "replace"), strict=False)  # some escape no control characters
