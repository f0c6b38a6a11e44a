"""What a lane sent of late: the evidence that distinguishes a limit of the rate from one of the streams in flight."""

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import Self

import msgspec

from jobs.pace.reports import Accepted, Finished, Refused

LENGTH = 128
"""Requests that are remembered. A rate of more than half as many a second is held by its spacing alone."""
SECONDS = 10.0
"""How long a request is remembered after its end."""
MEAN_SECONDS = 5.0
BREAK_SECONDS = 0.4
THIRD = 0.33
SAME_SECONDS = 0.005
"""Times are rounded when they are stored, so a request is known again by its time of sending within so much."""
TYPICAL_DELAY = 0.03
"""From a reservation to its sending, until the report says when it was."""
EXACT_UP_TO = 64
"""With more in flight their number is taken from the rows: the log is too short to count them."""


class LoggedRequest(msgspec.Struct, array_like=True):
    at: float
    """When it was sent; until that is reported, when it is to be."""
    ended: float = 0.0
    """0: not yet."""
    in_flight: int = 0
    """By the rows. 0: nothing is reported of it yet."""


class Log(msgspec.Struct):
    entries: list[LoggedRequest] = msgspec.field(default_factory=list)
    """In order of `at`. What was refused is not here: upstreams do not count it."""

    def to_numbers(self, now: float) -> list[list[int]]:
        """In milliseconds from the last full second before `now`: whole numbers are short and quick to write."""
        base = math.floor(now)
        ms = [
            [round((s.at - base) * 1000), round((s.ended - s.at) * 1000) if s.ended else 0, s.in_flight]
            for s in self.entries
        ]
        return [list(column) for column in zip(*ms, strict=True)]

    @classmethod
    def from_numbers(cls, columns: list[list[int]], now: float) -> Self:
        base = math.floor(now)
        return cls(
            [
                LoggedRequest(sent_at := base + at / 1000, sent_at + lasted / 1000 if lasted else 0.0, in_flight)
                for at, lasted, in_flight in zip(*columns, strict=True)
            ]
        )

    def advance(self, now: float) -> None:
        if self.entries and (len(self.entries) > LENGTH or 0 < self.entries[0].ended < now - SECONDS):
            kept = [sent for sent in self.entries if not 0 < sent.ended < now - SECONDS]
            self.entries = kept[-LENGTH:]

    def plan(self, at: float) -> None:
        self.entries.append(LoggedRequest(at))
        self._sort()

    def release(self) -> None:
        self._take_plan(float("inf"))

    def accepted(self, report: Accepted) -> None:
        self._take_plan(report.sent_at)
        self.entries.append(LoggedRequest(report.sent_at, 0.0, max(1, report.in_flight)))
        self._sort()

    def finished(self, report: Finished) -> None:
        near = [
            sent
            for sent in self.entries
            if sent.in_flight and not sent.ended and abs(sent.at - report.sent_at) < SAME_SECONDS
        ]
        if near:
            sent = min(near, key=lambda sent: abs(sent.at - report.sent_at))
            sent.ended = max(report.at, sent.at + 0.001)

    def refused(self, report: Refused) -> None:
        self._take_plan(report.sent_at)

    def accepted_since(self, at: float) -> list[LoggedRequest]:
        return [sent for sent in self.entries if sent.in_flight and sent.at > at]

    def was_accepted(self, in_flight: int, since: float, until: float) -> bool:
        """Whether a request was, with so many in flight by the rows."""
        return any(sent.in_flight >= in_flight and since < sent.at < until for sent in self.entries)

    def times(self, last: int) -> list[float]:
        return [sent.at for sent in self.entries[-last:]]

    def in_flight_at(self, at: float) -> int:
        """How many the upstream had just before."""
        return sum(sent.at < at and not 0 < sent.ended <= at for sent in self.entries)

    def in_second_before(self, at: float, seconds: float = 1.0) -> int:
        times = self.times(LENGTH)
        return bisect_left(times, at) - bisect_right(times, at - seconds)

    def mean_rate(self, at: float) -> float:
        """Requests a second that were accepted before, in the last seconds, pauses included."""
        since = max(at - MEAN_SECONDS, self.entries[0].at) if len(self.entries) >= LENGTH else at - MEAN_SECONDS
        return sum(since <= sent.at < at for sent in self.entries) / max(1.0, at - since)

    def evidence(self, refused_at: float, in_flight: int, since: float) -> tuple[int, int, int]:
        """Of what was accepted before: how many with at least as many in flight; how many after as many in a second and
        in a third of one (a small bucket is empty sooner); and how many are remembered.
        """
        second, third = self.in_second_before(refused_at), self.in_second_before(refused_at, THIRD)
        against_window = against_rate = of = 0
        for sent in self.entries:
            if since < sent.at < refused_at:
                of += 1
                flying = self.in_flight_at(sent.at) if in_flight <= EXACT_UP_TO else sent.in_flight
                against_window += flying >= in_flight
                as_many = self.in_second_before(sent.at) >= second
                against_rate += as_many and self.in_second_before(sent.at, THIRD) >= third
        return against_window, against_rate, of

    def is_steady(self, until: float) -> bool:
        """Whether requests came without a break in the second before."""
        times = [t for t in self.times(LENGTH) if until - 1.0 - BREAK_SECONDS < t <= until] + [until]
        return times[0] <= until - 1.0 and all(b - a < BREAK_SECONDS for a, b in pairwise(times))

    def _take_plan(self, sent_at: float) -> None:
        for place in range(len(self.entries) - 1, -1, -1):
            if self.entries[place].in_flight == 0 and self.entries[place].at <= sent_at + TYPICAL_DELAY:
                del self.entries[place]
                return

    def _sort(self) -> None:
        if len(self.entries) > 1 and self.entries[-2].at > self.entries[-1].at:
            self.entries.sort(key=lambda sent: sent.at)


def is_logged(rate: float, fewest: int) -> bool:
    """Whether the log has so many requests of this rate before it forgets them, and all of a second. A faster rate is
    held by its spacing alone.
    """
    return fewest / SECONDS <= rate <= LENGTH // 2
