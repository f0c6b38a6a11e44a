"""Token counts as upstreams report them: once, in every chunk, in parts, or with zeros in between."""

from collections.abc import Mapping
from typing import Any

from worker.upstream.dialects.usage_names import NAMES, USAGE_FIELDS
from worker.upstream.ending import ReportedUsage

LARGEST_COUNT = 1_000_000_000
"""A larger token count cannot be true. Some say 2^31 - 1 for "unknown": the sum of two such did not fit its column, so
a text that was paid for could not be stored."""

_NEVER_ZERO = frozenset(("input_tokens", "output_tokens", "total_tokens"))


class UsageReports:
    """What an answer said of its usage so far.

    Of each count the largest known one stands: some report the input first and an input of 0 at the end, some a running
    total in every chunk, some zeros in all chunks but one.
    """

    __slots__ = ("_counts", "_last")

    def __init__(self) -> None:
        self._last: Any = None
        self._counts: dict[str, int] = {}

    def add(self, usage: object) -> None:
        """Take one report. A running total that only grows is read once, at the end: it comes with every delta."""
        if not _only_grows(self._last, usage):
            self._merge()
        self._last = usage

    def read(self, *, is_empty: bool = False) -> ReportedUsage | None:
        """The usage by the names that Longhand stores; None when nothing is known. Only an answer that ended without
        any text (`is_empty`), such as the last part of one that was whole before it, costs 0 tokens.
        """
        self._merge()
        self._last = None
        # Neither a prompt nor an answer has no tokens: with 0 some say that they do not know.
        counts = {name: count for name, count in self._counts.items() if count or name not in _NEVER_ZERO}
        if is_empty and "input_tokens" in counts and self._counts.get("output_tokens") == 0:
            counts["output_tokens"] = 0
        if not any(counts.values()):
            return None
        if {"input_tokens", "output_tokens"} <= counts.keys():
            # Ollama's own answers state no total, and parts that came apart are in none.
            both = counts["input_tokens"] + counts["output_tokens"]
            counts["total_tokens"] = max(counts.get("total_tokens", 0), both)
        return ReportedUsage(*(counts.get(name) for name in ReportedUsage.__struct_fields__))

    def _merge(self) -> None:
        if not isinstance(self._last, Mapping):
            return
        for name, paths in NAMES.items():
            for path in paths:
                count = _count(self._last, path)
                if count is not None and count >= self._counts.get(name, 0):
                    self._counts[name] = count
                    if count:
                        break


def find_usage(found: Mapping[str, Any]) -> object | None:
    """The usage in a chunk of an unusual shape."""
    places: list[object] = [found, found.get("x_groq")]
    choices = found.get("choices")
    places += choices[:1] if isinstance(choices, list) else []
    for place in places:
        if isinstance(place, Mapping):
            for name in USAGE_FIELDS:
                if isinstance(place.get(name), Mapping) and place[name]:
                    return place[name]  # type: ignore[no-any-return]  # a mapping
    if isinstance(found.get("eval_count"), int):  # Ollama's stand in the chunk itself
        return found
    return None


def _only_grows(last: object, usage: object, *, has_details: bool = True) -> bool:
    """Whether a report has every count of the one before it, none of them smaller, and no others."""
    if type(last) is not dict or type(usage) is not dict or last.keys() != usage.keys():
        return False
    for name, count in last.items():
        now = usage[name]
        if now == count or _is_as_much(now, count) or (has_details and _only_grows(count, now, has_details=False)):
            continue
        return False
    return True


def _is_as_much(count: object, last: object) -> bool:
    """Where another name tells the count, this one has zero or nothing, and a report that changes that is read."""
    return type(count) is int and type(last) is int and 0 < last <= count <= LARGEST_COUNT


def _count(found: object, path: tuple[str, ...]) -> int | None:
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= LARGEST_COUNT:
        return found
    return None
