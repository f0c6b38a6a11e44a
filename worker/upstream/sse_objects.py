"""Whole JSON objects among the lines of an event stream: how they are told from what is unfinished, or none."""

from typing import Any, cast

from jobs.strict_json import dump_json
from worker.upstream.lean import Budget, decode_lean, is_whole_object

_MOST_LOOKS, _MOST_LOOKED = 64, 1 << 18
"""How often it is looked whether an unfinished event is a whole object, and after how many bytes no more: each look
reads all of it, and it may have half a million lines. As often a line without `data:` is looked at in vain, until the
next event."""


class Looks:
    """How often, and at how many bytes, it was looked whether something is a whole object by now."""

    __slots__ = ("_bytes", "_times")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """It begins anew."""
        self._times = self._bytes = 0

    def see_object(self, unfinished: bytes | bytearray) -> bool:
        """Whether it is one. False, too, when it was looked often enough."""
        if self._times >= _MOST_LOOKS or self._bytes >= _MOST_LOOKED or not _may_be_object(unfinished):
            return False
        self._times += 1
        self._bytes += len(unfinished)
        return is_object(unfinished)


def is_object(line: bytes | bytearray) -> bool:
    """Whether this is a whole JSON object."""
    return _may_be_object(line) and is_whole_object(bytes(line))


def _may_be_object(line: bytes | bytearray) -> bool:
    return line[:1] == b"{" and line[-64:].rstrip().endswith(b"}")


def as_error(value: bytes) -> bytes:
    """The payload of an error, whose value may be an object that is one already, any other object, or words."""
    if not is_object(value):
        return dump_json({"error": value.decode("utf-8", "replace") or "it gave no reason"}, spaced=True).encode()
    if b'"error"' in value and "error" in cast("dict[str, Any]", decode_lean(value, Budget())):
        return value
    return b'{"error":' + value + b"}"
