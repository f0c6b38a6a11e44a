"""How many requests a second a lane may send: known from the file or the headers, or learned from refusals."""

import math
from typing import Literal

import msgspec

from jobs.pace.log import LENGTH, TYPICAL_DELAY, Log, is_logged
from jobs.pace.minute import Bins, count, in_last_minute
from jobs.pace.reports import Accepted, Observed
from jobs.pace.tokens import MARGIN, squeeze

FEWEST = 4
"""A limit is held as so many requests, or as many as it allows in a second, in the time that it allows them in."""
ARRIVAL, LONGEST_ARRIVAL, ARRIVAL_DECAY = 0.008, 0.016, 1 / 1200
"""A request may take so much longer on its way than the one that must be a window ahead of it. Each request that came
too soon doubles it, and each accepted one takes a small share of it away again."""
CATCH_UP = 0.05
"""Seconds of spacing that a lane may be behind and make up for: turns come every 20 to 50 ms."""
FIRST_CATCH_UP = 0.5
"""At the very first a few may start at once: a small batch must not wait for a ramp."""
SPREAD = 1.08
"""Spacing goes by so much more than a learned rate, so that requests do not stay bunched as they began."""
CUTS = (0.03, 0.06, 0.12, 0.25, 0.5)
"""How much a refusal takes from the rate, and how much each further one in a row does."""
FIRST_RATE, RAMP_STEP, RAMP_SECONDS, STEEPEST = 8.0, 1.225, 0.25, 1_000_000.0
SEARCH_STEP, SEARCH_SECONDS = 0.25, 1.0
PROBE_STEP, LARGEST_STEP, PROBE_SECONDS = 0.02, 0.25, 2.0
SHOT_BEFORE, SHOT_SECONDS = 0.01, 1.0
"""A probe begins with one request more, sent so long before the limit allows it. If that is not refused within so long,
more is tried."""
DRAIN_SECONDS, MEASURE_SECONDS = 1.5, 5.0
LARGEST_CUT = 0.6
RECOVER_STEP, RECOVER_SECONDS = 1.01, 0.5
AGAIN_SECONDS = 10.0
STILL_BEST, LARGEST_STEP_DOWN = 0.94, 0.8
SLOWEST = 1 / 60


class Rate(msgspec.Struct):
    learned: float | None = None
    """Requests a second that were accepted when more were refused. None: never refused for their rate."""
    growth: Literal["search", "hold", "probe"] = "hold"
    plateau: float = 0.0
    best: float = 0.0
    """What was held before the last cut: the rate comes back to it soon, unless it is refused again."""
    step: float = PROBE_STEP
    grown_at: float = 0.0
    arrival: float = ARRIVAL
    refused_at: float = 0.0
    drained_at: float = 0.0
    measured: float = 0.0
    """What was accepted each second between the refusal before and `drained_at`."""
    shoots: bool = False
    """A probe begins with one request more, and it is not known yet what became of that."""
    shot_at: float = 0.0
    """When it was sent. 0: not yet."""
    stated: float | None = None
    squeezed: float | None = None
    squeezed_until: float = 0.0
    next_slot: float = 0.0
    """When the next request is due by the spacing."""
    ramp: float = FIRST_RATE
    """As long as nothing else is known: so that the first refusal is one of few, and comes just above the limit."""
    log: Log = msgspec.field(default_factory=Log)
    bins: Bins = msgspec.field(default_factory=list)
    """What was accepted in the last minute: a limit per minute without any hint shows only there."""

    def __post_init__(self) -> None:
        if self.stated is not None and not math.isfinite(self.stated):  # stored by a version that believed all headers
            self.stated = None

    def known(self, from_file: float | None, now: float) -> float | None:
        """Requests a second by the file and the headers."""
        rates = [rate for rate in (None if from_file is None else from_file / 60, self.stated) if rate is not None]
        if self.squeezed is not None and now < self.squeezed_until:
            rates.append(self.squeezed)
        return max(min(rates), SLOWEST) if rates else None

    def lasting(self, from_file: float | None) -> float | None:
        """The same with what was learned, and without what headers say is left until a reset."""
        rates = [] if from_file is None else [from_file / 60]
        rates += [rate for rate in (self.stated, self.learned) if rate is not None]
        return max(min(rates), SLOWEST) if rates else None

    def opens_at(self, known: float | None, now: float) -> float:
        """When the next request may be sent."""
        if (shot_at := self._may_shoot_at(known, now)) is not None:
            return shot_at
        return max(now, self.next_slot - self._catch_up(known), self._log_opens_at(self._limit(known)))

    def _limit(self, known: float | None) -> float:
        return min((rate for rate in (known, self.learned) if rate is not None), default=self.ramp)

    def _log_opens_at(self, rate: float) -> float:
        count = _held_together(rate)
        if count > LENGTH // 2:
            return 0.0
        times = self.log.times(count)
        return times[-count] + count / rate + self.arrival if len(times) >= count else 0.0

    def _may_shoot_at(self, known: float | None, now: float) -> float | None:
        """When one more than the limit may be sent: while the time in which the limit counts is as full as ever."""
        if not self.shoots or self.shot_at or self.learned is None:
            return None
        at = max([now, *self.log.times(1)])
        is_full = self._log_opens_at(self._limit(known)) - self.arrival - at >= SHOT_BEFORE
        return at if is_full else None

    def room(self, known: float | None, until: float) -> int:
        """How many requests may be sent until then."""
        if (shot_at := self._may_shoot_at(known, until)) is not None and shot_at <= until:
            return 1
        if self.opens_at(known, until) > until:
            return 0
        pace, rate = self._pace(known), self._limit(known)
        catch_up = self._catch_up(known)
        room = 1 + int((until - self.next_slot + catch_up) * pace) if self.next_slot else 1 + int(catch_up * pace)
        room = min(room, 1 + int((2 * catch_up) * pace))
        count = _held_together(rate)
        if count <= LENGTH // 2:
            since = until - count / rate - self.arrival
            room = min(room, count - sum(t > since for t in self.log.times(count)))
        return max(0, room)

    def take(self, at: float, known: float | None, *, exact: bool) -> None:
        is_shot = self._may_shoot_at(known, at) == at
        self.log.plan(at if exact else at + TYPICAL_DELAY)
        if is_shot:
            self.shot_at = at
            return
        self.next_slot = max(self.next_slot, at - self._catch_up(known)) + 1 / self._pace(known)

    def _catch_up(self, known: float | None) -> float:
        is_first = self.ramp == FIRST_RATE and known is None and self.learned is None
        return FIRST_CATCH_UP if is_first else CATCH_UP

    def _pace(self, known: float | None) -> float:
        """Requests a second by which they are spaced."""
        paces = [] if known is None else [known * MARGIN]
        return min([*paces, self.learned * SPREAD] if self.learned is not None else paces, default=self.ramp)

    def is_searching(self) -> bool:
        """Whether more is tried than has been accepted."""
        return self.learned is None or self.growth != "hold"

    def accepted(self, report: Accepted) -> None:
        self.log.accepted(report)
        self.arrival = max(ARRIVAL, self.arrival * (1 - ARRIVAL_DECAY))
        self.bins = count(self.bins, report.sent_at)

    def in_last_minute(self, now: float) -> float:
        return in_last_minute(self.bins, now)

    def grow(self, now: float, *, limiting: bool) -> None:
        """After a second without a refusal in which the rate was what held requests back."""
        if not limiting:
            return
        if self.learned is None:
            if now - self.grown_at >= RAMP_SECONDS:
                self.ramp, self.grown_at = min(STEEPEST, self.ramp * RAMP_STEP), now
            return
        if self.growth == "search" and now - self.grown_at >= SEARCH_SECONDS:
            self.growth = "hold"
            self.probe(now, SEARCH_STEP)
        elif self.growth == "hold" and self.learned < self.best and now - self.grown_at >= RECOVER_SECONDS:
            self.learned = self.plateau = min(self.best, self.learned * RECOVER_STEP)
            self.grown_at = now
        elif self.shoots and is_logged(self.learned, FEWEST):
            if self.shot_at and now - self.shot_at >= SHOT_SECONDS:
                self._probe_above(now)
        elif self.growth == "probe" and now - self.grown_at >= max(PROBE_SECONDS, FEWEST / self.learned):
            self.step = min(LARGEST_STEP, 2 * self.step)
            self.plateau = self.learned
            self._probe_above(now)

    def probe(self, now: float, step: float = PROBE_STEP) -> None:
        if self.growth == "hold" and self.learned is not None:
            self.growth, self.plateau, self.step, self.shot_at = "probe", self.learned, step, 0.0
            self.shoots = is_logged(self.learned, FEWEST)
            if not self.shoots:  # one more shows nothing
                self._probe_above(now)

    def _probe_above(self, now: float) -> None:
        self.learned = self.plateau * (1 + self.step)
        self.grown_at, self.shoots = now, False

    def note_stray(self) -> None:
        """A request was refused for having come too soon after another."""
        self.arrival = min(LONGEST_ARRIVAL, 2 * self.arrival)

    def was_shot(self, sent_at: float) -> bool:
        """Whether this was the one request more."""
        return self.shoots and 0 < self.shot_at <= sent_at + SHOT_BEFORE

    def end_probe(self) -> bool:
        if self.growth == "probe":
            self.growth, self.learned, self.step, self.shoots = "hold", self.plateau, PROBE_STEP, False
            return True
        return False

    def refused(self, count: int, in_a_row: int, at: float, now: float) -> None:
        """More was refused after `count` were accepted within a second: come back to what was accepted."""
        floor = self._measure(at)
        if self.learned is None:
            if count:  # where nothing was accepted, no rate is to be learned
                self.cut(count, now, searching=not self.log.is_steady(at))
            return
        is_again = at - self.refused_at < AGAIN_SECONDS
        if 0 < count < self.learned <= count + 1 and not is_again:  # one more than so many in a second was too many
            self.cut(count, now)
            self.refused_at = at
            return
        lower, best = self.learned * (1 - CUTS[max(0, min(in_a_row, len(CUTS)) - 1)]), max(self.best, self.learned)
        if count < STILL_BEST * self.learned:  # whatever way the upstream counts, so many in a second were too many
            best = max(count, self.learned * LARGEST_CUT)
        if in_a_row > 1 or is_again:
            # Nearer to what was accepted in the long run: a bucket that was full has emptied.
            lower = min(lower, max(self.learned * LARGEST_STEP_DOWN, (self.log.mean_rate(at) + self.learned) / 2))
            best = min(best, (lower + self.learned) / 2)
        best = max(best, min(floor, self.learned))
        self.cut(max(min(lower, best), min(floor * (1 - CUTS[0]), self.learned)), now)
        self.best, self.refused_at = best, at

    def _measure(self, at: float) -> float:
        """What was accepted a second between two refusals: at both the upstream had nothing left, however it counts."""
        if at - self.drained_at > DRAIN_SECONDS:
            since = max(self.drained_at, at - MEASURE_SECONDS)
            self.measured = self.log.in_second_before(at, at - since) / (at - since)
            self.drained_at = at
        return self.measured

    def cut(self, rate: float, now: float, *, searching: bool = False) -> None:
        self.learned = self.plateau = self.best = max(SLOWEST, rate)
        self.growth = "search" if searching else "hold"
        self.step, self.grown_at, self.shoots = PROBE_STEP, now, False

    def pause(self, until: float) -> None:
        """Nothing is made up for that could not be sent in a pause, so that it does not end with many at once."""
        self.next_slot = max(self.next_slot, until + CATCH_UP)

    def forget(self) -> None:
        """What was learned was of another limit."""
        if self.learned is not None:
            self.ramp = max(FIRST_RATE, self.learned)
        self.end_probe()
        self.learned, self.growth, self.best = None, "hold", 0.0

    def observe(self, report: Observed, now: float) -> None:
        if report.limit is not None and 0 < report.limit < math.inf:
            self.stated = report.limit / max(0.1, report.window_seconds or 60.0)
            self.squeezed, self.squeezed_until = squeeze(report, now)


def _held_together(rate: float) -> int:
    """How many are held as so many in the time that the rate gives them. Not fewer than a second's: then a second that
    begins anywhere has no more than that, however they bunch.
    """
    return max(FEWEST, math.ceil(rate - 1e-6))
