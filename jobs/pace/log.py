"""What a lane sent of late: the evidence by which a limit of the rate is told from one of the streams in flight."""

from bisect import bisect_left, bisect_right

import msgspec

from jobs.pace.reports import Accepted, Finished, Refused

LENGTH = 128
"""Requests that are remembered. A rate of more than half as many a second is held by its spacing alone."""
SECONDS = 10.0
"""How long a request is remembered after its end."""
AVERAGE_SECONDS, BREAK_SECONDS = 4.0, 0.8
"""The average of what is accepted is over so long at most, and begins after the last break of so long."""
TYPICAL_DELAY = 0.03
"""From a reservation to its sending, until the report says when it was."""
EXACT_UP_TO = 64
"""With more in flight their number is taken from the rows: the log is too short to count them."""


class Sent(msgspec.Struct, array_like=True):
    at: float
    """When it was sent; until that is reported, when it is to be."""
    ended: float = 0.0
    """0: not yet."""
    in_flight: int = 0
    """By the rows. 0: nothing is reported of it yet."""


class Log(msgspec.Struct):
    entries: list[Sent] = msgspec.field(default_factory=list)
    """In order of `at`. What was refused is not here: upstreams do not count it."""

    def advance(self, now: float) -> None:
        if self.entries and (len(self.entries) > LENGTH or 0 < self.entries[0].ended < now - SECONDS):
            kept = [sent for sent in self.entries if not 0 < sent.ended < now - SECONDS]
            self.entries = kept[-LENGTH:]

    def plan(self, at: float) -> None:
        self.entries.append(Sent(at))
        self._sort()

    def release(self) -> None:
        self._take_plan(float("inf"))

    def accepted(self, report: Accepted) -> None:
        self._take_plan(report.sent_at)
        self.entries.append(Sent(report.sent_at, 0.0, max(1, report.in_flight)))
        self._sort()

    def finished(self, report: Finished) -> None:
        place = bisect_left(self.entries, report.sent_at, key=lambda sent: sent.at)
        if place < len(self.entries) and self.entries[place].at == report.sent_at:
            self.entries[place].ended = max(report.at, report.sent_at)

    def refused(self, report: Refused) -> None:
        self._take_plan(report.sent_at)

    def times(self, last: int) -> list[float]:
        return [sent.at for sent in self.entries[-last:]]

    def in_flight_at(self, at: float) -> int:
        """How many the upstream had just before."""
        return sum(sent.at < at and not 0 < sent.ended <= at for sent in self.entries)

    def in_second_before(self, at: float, seconds: float = 1.0) -> int:
        times = self.times(LENGTH)
        return bisect_left(times, at) - bisect_right(times, at - seconds)

    def evidence(self, in_flight: int, count: int, since: float, until: float) -> tuple[int, int, int]:
        """How many were accepted with at least as many in flight; after as many in a second; and how many are remembered."""
        against_window = against_rate = of = 0
        for sent in self.entries:
            if since < sent.at < until:
                of += 1
                flying = self.in_flight_at(sent.at) if in_flight <= EXACT_UP_TO else sent.in_flight
                against_window += flying >= in_flight
                against_rate += self.in_second_before(sent.at) >= count
        return against_window, against_rate, of

    def average(self, until: float) -> float | None:
        """Accepted a second, as long as requests came without a break. None: for less than a second."""
        start, count = until, 0
        for sent in reversed(self.entries):
            if sent.at > until:
                continue
            if start - sent.at > BREAK_SECONDS or until - sent.at > AVERAGE_SECONDS:
                break
            start, count = sent.at, count + 1
        return (count - 1) / (until - start) if until - start >= 1.0 else None

    def _take_plan(self, sent_at: float) -> None:
        for place in range(len(self.entries) - 1, -1, -1):
            if self.entries[place].in_flight == 0 and self.entries[place].at <= sent_at + TYPICAL_DELAY:
                del self.entries[place]
                return

    def _sort(self) -> None:
        if len(self.entries) > 1 and self.entries[-2].at > self.entries[-1].at:
            self.entries.sort(key=lambda sent: sent.at)
