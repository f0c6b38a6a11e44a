"""How many streams of a lane may be in flight: learned from what is accepted, refused, and kept waiting."""

from typing import Literal

import msgspec

from jobs.pace.reports import Accepted, Finished

FIRST = 4
"""Streams to begin with, also after a pause."""
MANY = 16
"""From so many on each accepted request makes room for two: with long texts only the newest are heard of."""
SEARCH_STEP, SEARCH_SECONDS = 1.25, 1.0
"""After a refusal that may have been of the rate as well: so much more, at most once in so long."""
PROBE_STEP, LARGEST_STEP = 0.03, 0.5
"""How far above the plateau a probe goes (at least one stream). Each clean one doubles the step."""
SLOW, SLOW_SECONDS = 4.0, 0.5
"""A first delta that takes so many times what it took with few in flight, and so much longer, waited in the server's
queue."""
FEWEST_WAITS, MOST_WAITS = 3, 8
"""So many requests in a row must all have waited: queueing delays each, a long prompt only some."""
LEAST_KEPT, MOST_KEPT, SPARE = 0.5, 0.95, 1.1
"""In a queue the window becomes `SPARE` times what the server writes, within these two shares of what it was."""
MOST_CUT = 0.4
"""Below this share of the streams before, most of them were cut."""
SMOOTHING = 0.1
"""How much one text moves the mean of how long they last."""
LONGEST_SEARCH_SECONDS, FORGET_SECONDS = 8.0, 120.0
"""A server that queues is tried with more at growing intervals, up to the first; waits that are older than the second
count no more."""


class Window(msgspec.Struct):
    size: float = FIRST
    growth: Literal["double", "search", "hold", "probe"] = "double"
    plateau: float | None = None
    """The size that is known to be accepted and not known to be too small."""
    step: float = PROBE_STEP
    grown_at: float = 0.0
    cut_at: float = 0.0
    quick: float | None = None
    """The time to the first delta with few in flight."""
    waits: list[float] = msgspec.field(default_factory=list)
    blamed: float | None = None
    """The mean wait that first made the window shrink, with `blamed_size`. Unless it shrinks with the window,
    queueing was not the reason."""
    blamed_size: float = 0.0
    queues: int = 0
    """How often of late the waits showed a queue. An upstream that stalls for seconds looks like one that queues, so
    after the first time the window comes back at once."""
    queued_at: float = 0.0
    lasts: float | None = None
    """Seconds from the request to the end of its text, on the mean."""
    ceiling: float | None = None
    """The plateau before the waits showed a queue: what is above it was refused."""
    before: float = 0.0
    """The size before the refusals that cut it, until it is that again."""

    def accepted(self, report: Accepted, now: float) -> None:
        """Grow by an accepted request, or shrink if the waits show a queue."""
        if report.sent_at < self.cut_at:
            return
        waited = max(0.0, report.waited_seconds)
        late = self._is_slow(waited)
        self.quick = waited if self.quick is None else min(self.quick, waited)
        self.waits = [*self.waits[1 - MOST_WAITS :], waited]
        if not self._shrink_if_queueing(now) and not late and report.in_flight * 2 > self.size:
            self._grow(report, now)

    def finished(self, report: Finished) -> None:
        lasted = max(0.0, report.at - report.sent_at)
        self.lasts = lasted if self.lasts is None else self.lasts + SMOOTHING * (lasted - self.lasts)

    def _is_slow(self, waited: float) -> bool:
        return self.quick is not None and waited > max(SLOW * self.quick, self.quick + SLOW_SECONDS)

    def _shrink_if_queueing(self, now: float) -> bool:
        enough = min(MOST_WAITS, max(FEWEST_WAITS, round(self.size)))
        if len(self.waits) < enough:
            return False
        last = self.waits[-enough:]
        if not self._is_slow(min(last)):
            self.blamed = None
            return False
        mean = sum(last) / enough
        if self.blamed is not None and self.size <= 0.6 * self.blamed_size and mean > 0.8 * self.blamed:
            self.quick = min(last)  # half the streams and the same wait: the server is as slow as that
            self.growth, self.plateau, self.waits, self.blamed = "double", None, [], None
            return False
        if self.size <= 1:
            return False
        if self.end_probe():
            self.cut(self.size, now)
        else:
            self._halve(mean, now)
        return True

    def _halve(self, mean: float, now: float) -> None:
        self.queues = self.queues + 1 if now - self.queued_at < FORGET_SECONDS else 1
        self.queued_at, self.before = now, 0.0
        size = max(1.0, self.size * self._share_that_runs(mean))
        if self.queues == 1:
            self.size, self.cut_at, self.grown_at, self.waits = size, now, now, []
        else:
            ceiling = self.plateau if self.growth == "hold" else self.ceiling
            if self.blamed is None:
                self.blamed, self.blamed_size = mean, self.size
            self.cut(size, now, searching=True)
            self.ceiling = ceiling

    def _grow(self, report: Accepted, now: float) -> None:
        if self.growth in ("search", "probe") and self.is_much_cut() and report.in_flight > (self.plateau or 0.0):
            self.plateau, self.growth = self.before, "hold"  # not all that was cut was too many: back to that
        match self.growth:
            case "double":
                self.size += 1 if self.size < MANY else 2
            case "hold" if self.plateau is not None:
                self.size = min(self.plateau, self.size + 1)
                if self.size >= self.before:
                    self.before = 0.0
            case "search" if report.in_flight >= 0.8 * int(self.size) and now - self.grown_at >= self._search_seconds():
                self.size, self.grown_at = max(self.size + 1, self.size * SEARCH_STEP), now
                if self.ceiling is not None and self.size >= self.ceiling:
                    self.size, self.plateau, self.growth = self.ceiling, self.ceiling, "hold"
            case "probe" if self.plateau is not None and report.in_flight > self.plateau and now - self.grown_at >= 1.0:
                self.step = min(LARGEST_STEP, 2 * self.step)
                self.plateau = self.size
                self._probe_above(self.plateau, now)
            case _:
                pass

    def is_much_cut(self) -> bool:
        """Whether refusals have taken most of the streams."""
        return self.plateau is not None and self.plateau < MOST_CUT * self.before

    def _share_that_runs(self, waited: float) -> float:
        """Of the streams in flight, those that the server writes, and a few more, so that none of its places is empty.
        Never less than half: in a stall it seems to write none.
        """
        if not self.lasts:
            return LEAST_KEPT
        return min(MOST_KEPT, max(LEAST_KEPT, SPARE * (1 - waited / self.lasts)))

    def _search_seconds(self) -> float:
        return min(LONGEST_SEARCH_SECONDS, SEARCH_SECONDS * 2.0 ** max(0, self.queues - 2))

    def probe(self, now: float) -> None:
        """See whether more is accepted by now."""
        if self.growth == "hold" and self.plateau is not None and self.size >= self.plateau:
            self.growth = "probe"
            self._probe_above(self.plateau, now)

    def _probe_above(self, plateau: float, now: float) -> None:
        self.size, self.grown_at = plateau + max(1.0, plateau * self.step), now

    def end_probe(self) -> bool:
        """The probe was refused, or a refusal of another kind came in between."""
        if self.growth == "probe" and self.plateau is not None:
            self.growth, self.size, self.step = "hold", self.plateau, PROBE_STEP
            return True
        return False

    def cut(self, size: float, now: float, *, searching: bool = False) -> None:
        """Too many were in flight: come back to `size` and stay there, or search on from there."""
        self.size = self.plateau = max(1.0, size)
        self.growth = "search" if searching else "hold"
        self.step = PROBE_STEP
        self.ceiling = None
        self.cut_at = self.grown_at = now
        self.waits = []

    def search(self, now: float) -> None:
        """See whether more are accepted than were, one step after the other."""
        self.cut(self.size, now, searching=True)

    def forget(self) -> None:
        """What was learned of refusals was of another limit."""
        self.end_probe()
        self.growth, self.plateau, self.ceiling, self.before = "double", None, None, 0.0

    def restart(self, writing: int = 0) -> None:
        """After a pause: begin with few and come back to the plateau by doubling. `writing`: so many streams went on
        meanwhile, and each that ends may be followed by another one.
        """
        if self.plateau is None:
            self.plateau = self.size
            self.growth = "hold"
        self.end_probe()
        self.size = min(self.size, max(FIRST, writing))
