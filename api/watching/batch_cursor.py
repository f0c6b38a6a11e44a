"""The cursor of a batch's watch: how far a client has come in every job, in a few bytes a job.

It is stateless and exact. Written in input order, as varints in base64url: runs of jobs that were shown to their end,
and attempt and offset of those under way. Ended jobs lie together, so 500 jobs under way take some 4 kB and a batch
that is over a few bytes. A cursor that would become longer than a header may be stops early and says where: what comes
after is sent anew, after a reset.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from api.http.errors import ApiError
from api.watching.batch_shown import NO_PLACE, Shown, put_number
from api.watching.job_cursor import LONGEST_OFFSET
from jobs.model.status import JobStatus

_MAX_BYTES = 5600
"""In base64url 7.5 kB: a proxy takes header lines of up to 8."""
_MAX_CHARACTERS = 8192
"""No longer one was ever given out: to read it would hold up everybody else."""
_MAX_SHIFT = 42

_DONE, _DELTAS, _ONLY_RUNNING, _STOPPED, _REASONING = 1, 2, 4, 8, 16
_ENDINGS = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED)

COMPLETED = 0
"""The tag of a job that was shown to its end, and will not run again."""


def tag_of(status: JobStatus, attempt: int) -> int:
    """What a client was shown as the end of a job. One that did not complete may run again, so its attempt counts."""
    return COMPLETED if status is JobStatus.COMPLETED else 1 + attempt * len(_ENDINGS) + _ENDINGS.index(status)


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
    under_way: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Place, attempt, offset and reasoning offset of jobs of which the client has a part, in order."""

    def encode(self, *, with_reasoning: bool = False) -> str:
        """The event id. One that stopped early may leave room for reasoning of jobs that it does not come to."""
        with_reasoning = with_reasoning or any(reasoning for _, _, _, reasoning in self.under_way)
        flags = self.done * _DONE | self.deltas * _DELTAS | self.only_running * _ONLY_RUNNING
        head, body = bytearray(), bytearray()
        stopped = self._put_items(body, with_reasoning=with_reasoning)
        flags |= _REASONING if with_reasoning else 0
        put_number(head, flags | (_STOPPED if stopped is not None else 0))
        put_number(head, self.opened_at)
        put_number(head, self.listed)
        if stopped is not None:
            put_number(head, stopped)
        return base64.urlsafe_b64encode(head + body).rstrip(b"=").decode()

    def _put_items(self, body: bytearray, *, with_reasoning: bool) -> int | None:
        """The runs and the jobs under way, in input order; each of these with one number more where any has reasoning.
        The place from which on nothing is said; None: all is.
        """
        last = NO_PLACE if self.known is None else self.known
        run = end = 0
        next_run = self.shown.place_of(run)
        for place, attempt, offset, reasoning in self.under_way:
            if next_run < place:
                run, end = self.shown.put(body, run, end, min(place, last), _MAX_BYTES)
                next_run = self.shown.place_of(run)
            if place >= last or len(body) > _MAX_BYTES:
                return min(place, next_run)
            put_number(body, place - end)
            put_number(body, attempt << 1 | 1)
            put_number(body, offset)
            if with_reasoning:
                put_number(body, reasoning)
            end = place + 1
        run, end = self.shown.put(body, run, end, last, _MAX_BYTES)
        next_run = self.shown.place_of(run)
        return next_run if next_run < NO_PLACE else self.known


def read_batch_cursor(text: str | None) -> BatchCursor | None:
    """The cursor that a client sent, None when it sent none. Refuses what was never an event's id."""
    if not text:
        return None
    if len(text) > _MAX_CHARACTERS:
        raise _never_given_out()
    try:
        encoded = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        numbers = _numbers(encoded)
        cursor = _decode(numbers)
    except (ValueError, binascii.Error, UnicodeEncodeError):
        raise _never_given_out() from None
    # Each id has one form: what is written otherwise (places twice, empty runs) was forged, and could not be encoded.
    if cursor.encode(with_reasoning=bool(numbers[0] & _REASONING)) != text:
        raise _never_given_out()
    return cursor


def _never_given_out() -> ApiError:
    message = "Last-Event-ID: must be the id of an event of this batch"
    return ApiError(400, "invalid_value", message, param="Last-Event-ID")


def _decode(numbers: list[int]) -> BatchCursor:
    rest = iter(numbers)
    try:
        flags, opened_at, listed = next(rest), next(rest), next(rest)
        known = next(rest) if flags & _STOPPED else None
    except StopIteration:
        raise ValueError("cut") from None
    if flags > _DONE | _DELTAS | _ONLY_RUNNING | _STOPPED | _REASONING:
        raise ValueError("unknown flag")
    runs, under_way = [], []
    end = 0
    for gap, first, second, reasoning in _items(list(rest), has_reasoning=bool(flags & _REASONING)):
        start = end + gap
        if first & 1:
            longest = max(second, reasoning)
            if not flags & _DELTAS or not first >> 1 or not 0 < longest <= LONGEST_OFFSET:
                raise ValueError("no part of a text")
            under_way.append((start, first >> 1, second, reasoning))
            end = start + 1
        elif not second:
            raise ValueError("an empty run")
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


def _items(numbers: list[int], *, has_reasoning: bool) -> Iterator[tuple[int, int, int, int]]:
    """Three numbers each, and a fourth of a job under way whose reasoning is told."""
    at = 0
    while at < len(numbers):
        size = 4 if has_reasoning and at + 1 < len(numbers) and numbers[at + 1] & 1 else 3
        item = numbers[at : at + size]
        if len(item) < size:
            raise ValueError("cut")
        yield item[0], item[1], item[2], item[3] if size == 4 else 0
        at += size


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
