"""Worker processes that share a lane's row, event by event, on a clock of numbers: minutes pass in a fraction of a
second."""

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from jobs.pace.lane import Lane
from jobs.pace.reports import Accepted, Finished, LaneLimits, Observed, Refused, Report
from tests.pace.provider_models import Change, Provider, Work

EPOCH = 1_790_000_000.0
"""Times of the shared clock are as large as real ones."""


@dataclass
class Seen:
    """What a run showed. Times are seconds from its start."""

    sends: list[tuple[float, bool]] = field(default_factory=list)
    admitted: list[tuple[float, int]] = field(default_factory=list)
    """When a request was accepted, and the tokens that it takes."""
    ends: list[tuple[float, int]] = field(default_factory=list)
    in_flight: list[tuple[float, int]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    """In flight by the rows, at each turn."""
    over_at: float = 0.0

    def rate(self, after: float, until: float) -> float:
        return sum(after <= t < until for t, _ in self.ends) / (until - after)

    def tokens(self, after: float, until: float) -> float:
        """Tokens a second that were admitted."""
        return sum(n for t, n in self.admitted if after <= t < until) / (until - after)

    def refused(self, after: float = 0.0, until: float = float("inf")) -> float:
        calls = [accepted for t, accepted in self.sends if after <= t < until]
        return calls.count(False) / len(calls) if calls else 0.0

    def refusals(self, after: float = 0.0, until: float = float("inf")) -> list[float]:
        return [t for t, accepted in self.sends if not accepted and after <= t < until]


@dataclass
class _Process:
    reports: list[tuple[float, Report]] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    alive: bool = True


class Simulation:
    def __init__(
        self,
        provider: Provider,
        works: Sequence[Work],
        *,
        workers: int = 2,
        seed: int = 1,
        limits: LaneLimits | None = None,
        lead: float = 0.0,
        is_late: bool = False,
        changes: Sequence[Change] = (),
        erase_at: float | None = None,
        kill_at: float | None = None,
        until: float = 3600.0,
    ) -> None:
        self.random = random.Random(seed)
        self.provider, self.lead, self.until, self.is_late = provider, lead, until, is_late
        self.limits = limits or LaneLimits()
        self.row: bytes | None = None
        self.unstored: Lane | None = None
        """The lane as a turn left it that had nothing to store."""
        self.waiting = list(reversed(works))
        self.left = len(works)
        self.in_flight = 0
        self.seen = Seen()
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = itertools.count()
        self.jobs = itertools.count()
        self.processes = [_Process() for _ in range(workers)]
        for process in self.processes:
            self._at(self.random.uniform(0, 0.05), partial(self._turn, process))
        for at, change in changes:
            self._at(at, lambda _now, change=change: change(provider))  # type: ignore[misc]
        if erase_at is not None:
            self._at(erase_at, lambda _now: self._erase())
        if kill_at is not None:
            self._at(kill_at, lambda now: self._kill(self.processes[0], now))

    def run(self) -> Seen:
        while self.events and self.left:
            now, _, event = heapq.heappop(self.events)
            if now > self.until:
                break
            event(now)
            self.seen.over_at = now
        return self.seen

    def lane(self, now: float) -> Lane:
        if self.unstored is not None:
            return self.unstored
        if self.row is None:
            return Lane.new(self.limits, EPOCH + now)
        return Lane.from_json(msgspec.json.decode(self.row), self.limits)

    def _at(self, when: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), event))

    def _turn(self, process: _Process, now: float) -> None:
        if not process.alive:
            return
        lane = self.lane(now)
        told, reserved = [r for at, r in process.reports if at <= now], 0
        lane.apply(told, self.in_flight, EPOCH + now)
        process.reports = [(at, r) for at, r in process.reports if at > now]
        for _ in range(min(lane.room(self.in_flight, EPOCH + now, self.lead), len(self.waiting))):
            work = self.waiting[-1]
            estimate = work.prompt_tokens + lane.estimate_output()
            tokens = lane.expect(estimate, EPOCH + now)
            send_at = lane.reserve(tokens, EPOCH + now, self.lead, estimate)
            if send_at is None:
                break
            self.waiting.pop()
            self.in_flight += 1
            reserved += 1
            sent = max(send_at - EPOCH, now + self.random.uniform(0.005, 0.030))
            count = self.in_flight
            arrives = sent + self._on_the_way()
            self._at(arrives, lambda t, w=work, e=tokens, c=count, s=sent: self._send(process, w, e, c, s, t))  # type: ignore[misc]
        if told or reserved:  # as dispatch does it
            self.row, self.unstored = msgspec.json.encode(lane.to_json()), None
        else:
            self.unstored = lane
        self.seen.in_flight.append((now, self.in_flight))
        self._at(now + self.random.uniform(0.020, 0.050), lambda t: self._turn(process, t))

    def _report(self, process: _Process, at: float, report: Report, after: Callable[[], None] | None = None) -> None:
        """It reaches the rows some time later, and the lane at the process's next turn."""
        arrives = at + self.random.uniform(0.010, 0.060)
        process.reports.append((arrives, report))
        if after is not None:
            self._at(arrives, lambda _now: after())

    def _on_the_way(self) -> float:
        """From the moment that a worker notes as the sending: with `is_late`, as on a busy machine, where it mostly
        takes milliseconds and sometimes a turn of the core."""
        if not self.is_late:
            return 0.0
        return self.random.expovariate(800) + (self.random.uniform(0.01, 0.05) if self.random.random() < 0.005 else 0.0)

    def _send(self, process: _Process, work: Work, tokens: int, count: int, noted: float, now: float) -> None:
        if not process.alive:
            self._at(now + 15.0, lambda _now: self._requeue(work))
            return
        answer = self.provider.send(work, now)
        self.seen.sends.append((now, answer.starts_at is not None))
        if answer.starts_at is not None:
            self.seen.admitted.append((now, work.tokens))
        sent = EPOCH + noted
        for observed in answer.headers:
            self._at(
                answer.ends_at if answer.starts_at is None else answer.starts_at,
                partial(self._observe, process, observed),
            )
        if answer.starts_at is None:
            refused = Refused(sent, EPOCH + answer.ends_at, answer.retry_after, count, tokens)
            self._report(process, answer.ends_at, refused, lambda: self._requeue(work))
            return
        job = next(self.jobs)
        process.running.add(job)
        begun = Accepted(sent, EPOCH + answer.starts_at, answer.starts_at - noted, count)
        self._at(answer.starts_at, lambda t: self._report(process, t, begun) if job in process.running else None)
        self._at(answer.ends_at, lambda t: self._end(process, job, work, tokens, sent, t))

    def _observe(self, process: _Process, observed: Observed, now: float) -> None:
        told = Observed(EPOCH + now, observed.kind, observed.limit, observed.remaining, observed.reset_seconds, 60.0)
        self._report(process, now, told)

    def _end(self, process: _Process, job: int, work: Work, tokens: int, sent: float, now: float) -> None:
        self.provider.leave()
        if not process.alive:
            self._at(now + 15.0, lambda _now: self._requeue(work))
            return
        process.running.discard(job)
        self.seen.ends.append((now, work.tokens))
        self._report(process, now, Finished(sent, EPOCH + now, tokens, work.tokens, work.output_tokens), self._done)

    def _done(self) -> None:
        self.in_flight -= 1
        self.left -= 1

    def _requeue(self, work: Work) -> None:
        self.in_flight -= 1
        self.waiting.append(work)

    def _erase(self) -> None:
        self.row = self.unstored = None

    def _kill(self, process: _Process, now: float) -> None:
        """Its reports are lost, its jobs are rescued when their leases have ended, the provider writes on for
        nobody."""
        process.alive = False
        process.reports = []
