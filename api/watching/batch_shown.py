"""The jobs of a batch that a client has seen to their end: ranges of positions, and their form in its cursor."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

_LEAST_BYTES = 3
"""What a run takes."""
NO_PLACE = 1 << 42
"""Behind every job."""


class Shown:
    """Which jobs were shown to their end, as runs of places with the same tag.

    Most events change none of tens of thousands of runs, or one of the last: so what comes before it stays encoded.
    """

    __slots__ = ("_encoded", "_offsets", "_starts", "_stops", "_tags")

    def __init__(self, runs: Iterable[tuple[int, int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._tags: list[int] = []
        for start, stop, tag in runs:
            self._starts.append(start)
            self._stops.append(stop)
            self._tags.append(tag)
        # The first runs, each with the gap from the one before it, and the offset of each, and of the next.
        self._encoded = bytearray()
        self._offsets = [0]

    def tag(self, place: int) -> int | None:
        """The tag of a place; None when that job was not shown to its end."""
        at = bisect_right(self._starts, place) - 1
        return self._tags[at] if at >= 0 and place < self._stops[at] else None

    def add(self, place: int, tag: int) -> None:
        """This job was shown to its end."""
        if self.tag(place) is not None:
            self.remove(place)
        at = bisect_right(self._starts, place)
        self._forget_encoded(max(at - 1, 0))
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
        self._forget_encoded(at)
        start, stop, tag = self._starts[at], self._stops[at], self._tags[at]
        del self._starts[at], self._stops[at], self._tags[at]
        if place + 1 < stop:
            self._insert(at, place + 1, stop, tag)
        if start < place:
            self._insert(at, start, place, tag)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Start, stop and tag of each run, in order."""
        return zip(self._starts, self._stops, self._tags, strict=True)

    def put(self, out: bytearray, at: int, end: int, until: int, most: int) -> tuple[int, int]:
        """Encode the runs from number `at` on that begin before the place `until`, behind an item that ends at `end`.
        Breaks off when `out` has more than `most` bytes. The number of the next run, and where the last item ends.
        """
        starts, stops = self._starts, self._stops
        if at == len(starts) or starts[at] >= until or len(out) > most:
            return at, end
        put_number(out, starts[at] - end)
        put_number(out, self._tags[at] << 1)
        put_number(out, stops[at] - starts[at])
        at += 1
        if at < len(starts) and starts[at] < until:
            room = most - len(out)
            to = min(bisect_left(starts, until, at), at + max(0, room) // _LEAST_BYTES + 1)
            self._encode(to)
            first, at = at, bisect_right(self._offsets, room + self._offsets[at], at, to)
            out += self._encoded[self._offsets[first] : self._offsets[at]]
        return at, stops[at - 1]

    def place_of(self, at: int) -> int:
        """Where the run of this number begins; behind every job, if there is none."""
        return self._starts[at] if at < len(self._starts) else NO_PLACE

    def _encode(self, to: int) -> None:
        for at in range(len(self._offsets) - 1, to):
            start, stop = self._starts[at], self._stops[at]
            put_number(self._encoded, start - (self._stops[at - 1] if at else 0))
            put_number(self._encoded, self._tags[at] << 1)
            put_number(self._encoded, stop - start)
            self._offsets.append(len(self._encoded))

    def _forget_encoded(self, at: int) -> None:
        if at < len(self._offsets) - 1:
            del self._encoded[self._offsets[at] :], self._offsets[at + 1 :]

    def _insert(self, at: int, start: int, stop: int, tag: int) -> None:
        self._starts.insert(at, start)
        self._stops.insert(at, stop)
        self._tags.insert(at, tag)


def put_number(out: bytearray, number: int) -> None:
    """Append a varint."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
