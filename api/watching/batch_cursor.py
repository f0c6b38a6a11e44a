"""The cursor of a batch's watch: how far a client has come in every job, in a few bytes a job.

It is stateless and exact. Written in input order, as varints in base64url: runs of jobs that were shown to their end,
and attempt and offset of those under way. Ended jobs lie together, so 500 jobs under way take some 4 kB and a batch
that is over a few bytes. A cursor that would become longer than a header may be stops early and says where: what comes
after is sent anew, after a reset.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from api.errors import ApiError
from jobs.status import JobStatus

_MAX_BYTES = 5600
"""In base64url 7.5 kB: a proxy takes header lines of up to 8."""
_MAX_SHIFT = 42

_DONE, _DELTAS, _ONLY_RUNNING, _STOPPED = 1, 2, 4, 8
_ENDINGS = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED)

COMPLETED = 0
"""The tag of a job that was shown to its end, and will not run again."""


def tag_of(status: JobStatus, attempt: int) -> int:
    """What a client was shown as the end of a job. One that did not complete may run again, so its attempt counts."""
    return COMPLETED if status is JobStatus.COMPLETED else 1 + attempt * len(_ENDINGS) + _ENDINGS.index(status)


class Shown:
    """Which jobs were shown to their end, as runs of places with the same tag."""

    __slots__ = ("_starts", "_stops", "_tags")

    def __init__(self, runs: Iterable[tuple[int, int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._tags: list[int] = []
        for start, stop, tag in runs:
            self._starts.append(start)
            self._stops.append(stop)
            self._tags.append(tag)

    def tag(self, place: int) -> int | None:
        """The tag of a place; None when that job was not shown to its end."""
        at = bisect_right(self._starts, place) - 1
        return self._tags[at] if at >= 0 and place < self._stops[at] else None

    def add(self, place: int, tag: int) -> None:
        """This job was shown to its end."""
        if self.tag(place) is not None:
            self.remove(place)
        at = bisect_right(self._starts, place)
        joins_before = at > 0 and self._stops[at - 1] == place and self._tags[at - 1] == tag
        joins_after = at < len(self._starts) and self._starts[at] == place + 1 and self._tags[at] == tag
        if joins_before and joins_after:
            self._stops[at - 1] = self._stops[at]
            del self._starts[at], self._stops[at], self._tags[at]
        elif joins_before:
            self._stops[at - 1] = place + 1
        elif joins_after:
            self._starts[at] = place
        else:
            self._insert(at, place, place + 1, tag)

    def remove(self, place: int) -> None:
        """This job runs again."""
        at = bisect_right(self._starts, place) - 1
        if at < 0 or place >= self._stops[at]:
            return
        start, stop, tag = self._starts[at], self._stops[at], self._tags[at]
        del self._starts[at], self._stops[at], self._tags[at]
        if place + 1 < stop:
            self._insert(at, place + 1, stop, tag)
        if start < place:
            self._insert(at, start, place, tag)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Start, stop and tag of each run, in order."""
        return zip(self._starts, self._stops, self._tags, strict=True)

    def _insert(self, at: int, start: int, stop: int, tag: int) -> None:
        self._starts.insert(at, start)
        self._stops.insert(at, stop)
        self._tags.insert(at, tag)


@dataclass(slots=True)
class BatchCursor:
    """How far a client has come."""

    deltas: bool = False
    only_running: bool = False
    """Texts of jobs that had ended before were not sent, so a run does not say that the client has them."""
    done: bool = False
    opened_at: int = 0
    """The batch's `in_progress_at` in milliseconds: a retry changes it, and voids what `done` says."""
    listed: int = 0
    """So many jobs, the first ones, were shown at all."""
    known: int | None = None
    """From this place on the cursor says nothing; None: it says all."""
    shown: Shown = field(default_factory=Shown)
    under_way: list[tuple[int, int, int]] = field(default_factory=list)
    """Place, attempt and offset of jobs of which the client has a part, in order."""

    def encode(self) -> str:
        """The event id."""
        flags = self.done * _DONE | self.deltas * _DELTAS | self.only_running * _ONLY_RUNNING
        head, body = bytearray(), bytearray()
        end = 0
        stopped = None
        for start, stop, kind, first, second in _in_order(self.shown, self.under_way):
            if len(body) > _MAX_BYTES or (self.known is not None and start >= self.known):
                stopped = start
                break
            _put(body, start - end)
            _put(body, first << 1 | kind)
            _put(body, second)
            end = stop
        if stopped is None:
            stopped = self.known
        _put(head, flags | (_STOPPED if stopped is not None else 0))
        _put(head, self.opened_at)
        _put(head, self.listed)
        if stopped is not None:
            _put(head, stopped)
        return base64.urlsafe_b64encode(head + body).rstrip(b"=").decode()


def read_batch_cursor(text: str | None) -> BatchCursor | None:
    """The cursor that a client sent, None when it sent none. Refuses what was never an event's id."""
    if not text:
        return None
    try:
        encoded = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _decode(_numbers(encoded))
    except (ValueError, binascii.Error, UnicodeEncodeError):
        raise ApiError(
            400, "invalid_value", "Last-Event-ID: must be the id of an event of this batch", param="Last-Event-ID"
        ) from None


def _decode(numbers: list[int]) -> BatchCursor:
    rest = iter(numbers)
    try:
        flags, opened_at, listed = next(rest), next(rest), next(rest)
        known = next(rest) if flags & _STOPPED else None
    except StopIteration:
        raise ValueError("cut") from None
    if flags > _DONE | _DELTAS | _ONLY_RUNNING | _STOPPED:
        raise ValueError("unknown flag")
    runs, under_way = [], []
    end = 0
    items = list(rest)
    if len(items) % 3:
        raise ValueError("cut")
    for gap, first, second in zip(items[::3], items[1::3], items[2::3], strict=True):
        start = end + gap
        if first & 1:
            under_way.append((start, first >> 1, second))
            end = start + 1
        else:
            runs.append((start, start + second, first >> 1))
            end = start + second
    return BatchCursor(
        deltas=bool(flags & _DELTAS),
        only_running=bool(flags & _ONLY_RUNNING),
        done=bool(flags & _DONE),
        opened_at=opened_at,
        listed=listed,
        known=known,
        shown=Shown(runs),
        under_way=under_way,
    )


def _in_order(shown: Shown, under_way: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int, int]]:
    """Start, stop, kind, and the two numbers, of every item."""
    items = [(place, place + 1, 1, attempt, offset) for place, attempt, offset in under_way]
    items += [(start, stop, 0, tag, stop - start) for start, stop, tag in shown.runs()]
    items.sort()
    return items


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _numbers(encoded: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > _MAX_SHIFT:
                raise ValueError("too large")
        else:
            numbers.append(number)
            number = shift = 0
    if shift or number:
        raise ValueError("cut")
    return numbers
