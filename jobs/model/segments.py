"""The segments of a text: what each request wrote of it, for a job that asks for the rest at the token limit.

They lie one after the other and cover the text from the first of them on: what was written before the first part, by
an attempt that was interrupted, has none. Stored with each attempt as JSON: those that it took over from earlier
attempts, and its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.model.records import Usage
from jobs.tables import USAGE


@dataclass(frozen=True, slots=True)
class Segment:
    """What one request wrote. `offset` and `bytes` count the UTF-8 of the job's text."""

    attempt: int
    offset: int
    bytes: int
    upstream: str
    finish_reason: str | None
    """None: the request was interrupted."""
    usage: Usage | None
    cut: str = ""
    """What the answer began with and the text does not have: its repetition of the end, a greeting, a code fence."""
    doubtful: bool = False
    """Whether nobody can be sure that it joins the text before it as it should."""

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.offset + self.bytes


def clip(segments: Sequence[Segment], length: int) -> tuple[Segment, ...]:
    """The segments of the first `length` bytes. One that is cut there has no finish reason any more."""
    kept = [
        segment if segment.end <= length else _shortened(segment, length)
        for segment in segments
        if segment.offset < length
    ]
    return tuple(kept)


def _shortened(segment: Segment, length: int) -> Segment:
    return replace(segment, bytes=length - segment.offset, finish_reason=None)


_LARGEST_SUM = 2**31 - 1
"""What fits its column."""


def sum_usage(usages: Sequence[Usage | None]) -> Usage | None:
    """What several requests cost together. A request of which nothing is known came to nothing, and is left out; a
    count that one of the others does not have is None. The source is the least sure one.
    """
    known = [usage for usage in usages if usage is not None]
    if len(known) < 2:
        return known[0] if known else None
    sources = ("upstream", "tokenizer", "estimate")
    counts: dict[str, int | None] = {}
    for name in USAGE:
        values = [getattr(usage, name) for usage in known]
        counts[name] = None if None in values else min(sum(values), _LARGEST_SUM)
    return Usage(**counts, source=max((usage.source for usage in known), key=sources.index))


def dump_segments(segments: Sequence[Segment]) -> str | None:
    """As they are stored; None without any. In ASCII: no database refuses what was cut."""
    return json.dumps([_as_json(segment) for segment in segments], separators=(",", ":")) if segments else None


def load_segments(stored: str | None) -> tuple[Segment, ...]:
    return tuple(_from_json(fields) for fields in json.loads(stored)) if stored else ()


def _as_json(segment: Segment) -> dict[str, Any]:
    fields = {name: getattr(segment, name) for name in Segment.__slots__ if name != "usage"}
    return fields | {"usage": segment.usage.as_columns() if segment.usage else None}


def _from_json(fields: dict[str, Any]) -> Segment:
    usage = fields["usage"]
    read = Usage(**{name: usage[name] for name in USAGE}, source=usage["usage_source"]) if usage else None
    return Segment(**{**fields, "usage": read})
