"""Providers without sockets: what they count, what they refuse, and when they begin to write."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jobs.pace.reports import LimitKind, Observed


@dataclass(frozen=True)
class Work:
    """One job: how long its text takes, and its tokens."""

    seconds: float = 0.3
    first_delta: float = 0.06
    prompt_tokens: int = 100
    output_tokens: int = 400

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.output_tokens


class Counter(Protocol):
    """One way to count up to a rate. `fits` does not take."""

    def fits(self, amount: float, now: float) -> bool: ...
    def take(self, amount: float, now: float) -> None: ...
    def scale(self, factor: float, now: float) -> None: ...
    def remaining(self, now: float) -> float: ...
    def reset_seconds(self, now: float) -> float: ...


class SlidingWindow:
    def __init__(self, limit: float, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.taken: deque[tuple[float, float]] = deque()
        self.total = 0.0

    def _forget(self, now: float) -> None:
        while self.taken and self.taken[0][0] <= now - self.seconds:
            self.total -= self.taken.popleft()[1]

    def fits(self, amount: float, now: float) -> bool:
        self._forget(now)
        return self.total + amount <= self.limit

    def take(self, amount: float, now: float) -> None:
        self.taken.append((now, amount))
        self.total += amount

    def scale(self, factor: float, now: float) -> None:
        self.limit *= factor

    def remaining(self, now: float) -> float:
        self._forget(now)
        return max(0.0, self.limit - self.total)

    def reset_seconds(self, now: float) -> float:
        return self.taken[-1][0] + self.seconds - now if self.taken else 0.0


class FixedWindow:
    def __init__(self, limit: float, seconds: float, phase: float = 0.37) -> None:
        self.limit, self.seconds, self.phase = limit, seconds, phase
        self.window, self.total = -1, 0.0

    def _turn(self, now: float) -> None:
        window = math.floor((now + self.phase * self.seconds) / self.seconds)
        if window != self.window:
            self.window, self.total = window, 0.0

    def fits(self, amount: float, now: float) -> bool:
        self._turn(now)
        return self.total + amount <= self.limit

    def take(self, amount: float, now: float) -> None:
        self.total += amount

    def scale(self, factor: float, now: float) -> None:
        self.limit *= factor

    def remaining(self, now: float) -> float:
        self._turn(now)
        return max(0.0, self.limit - self.total)

    def reset_seconds(self, now: float) -> float:
        return (self.window + 1) * self.seconds - self.phase * self.seconds - now


class TokenBucket:
    def __init__(self, per_second: float, capacity: float) -> None:
        self.per_second, self.capacity = per_second, capacity
        self.level, self.at = capacity, 0.0

    def _fill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_second)
        self.at = now

    def fits(self, amount: float, now: float) -> bool:
        self._fill(now)
        return self.level >= min(amount, self.capacity)

    def take(self, amount: float, now: float) -> None:
        self.level -= amount

    def scale(self, factor: float, now: float) -> None:
        self._fill(now)
        self.per_second *= factor
        self.capacity *= factor
        self.level = min(self.level, self.capacity)

    def remaining(self, now: float) -> float:
        self._fill(now)
        return max(0.0, self.level)

    def reset_seconds(self, now: float) -> float:
        return (self.capacity - self.level) / self.per_second


@dataclass(frozen=True)
class Answer:
    """None for `starts_at`: refused."""

    starts_at: float | None
    ends_at: float
    retry_after: float | None = None
    headers: tuple[Observed, ...] = ()


@dataclass
class Provider:
    """Limits of any kind together. What is refused is not counted."""

    requests: Counter | None = None
    tokens: Counter | None = None
    in_flight_limit: int | None = None
    slots: int | None = None
    """It writes so many texts at a time and lets all others wait."""
    retry_after: float | None = None
    stated: dict[LimitKind, float] = field(default_factory=dict)
    """Limits per minute that every answer's headers state."""
    in_flight: int = 0
    most_in_flight: int = 0
    refuses_until: float = -1.0
    busy_until: list[float] = field(default_factory=list)

    def send(self, work: Work, now: float) -> Answer:
        for counter, amount in ((self.requests, 1.0), (self.tokens, float(work.tokens))):
            if counter is not None and not counter.fits(amount, now):
                return self._refuse(now)
        if now < self.refuses_until or (self.in_flight_limit is not None and self.in_flight >= self.in_flight_limit):
            return self._refuse(now)
        for counter, amount in ((self.requests, 1.0), (self.tokens, float(work.tokens))):
            if counter is not None:
                counter.take(amount, now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        begins = self._take_slot(work, now)
        return Answer(begins + work.first_delta, begins + work.seconds, headers=self._headers(now))

    def leave(self) -> None:
        """A stream ended."""
        self.in_flight -= 1

    def _refuse(self, now: float) -> Answer:
        return Answer(None, now + 0.005, self.retry_after, self._headers(now))

    def _take_slot(self, work: Work, now: float) -> float:
        if self.slots is None:
            return now
        self.busy_until = sorted(t for t in self.busy_until if t > now)
        waiting = len(self.busy_until) - self.slots
        begins = self.busy_until[waiting] if waiting >= 0 else now
        self.busy_until.append(begins + work.seconds)
        return begins

    def _headers(self, now: float) -> tuple[Observed, ...]:
        counters: dict[LimitKind, Counter | None] = {"requests": self.requests, "tokens": self.tokens}
        return tuple(
            Observed(now, kind, limit, counter.remaining(now), counter.reset_seconds(now), 60.0)
            for kind, limit in self.stated.items()
            if (counter := counters.get(kind)) is not None
        )


Change = tuple[float, Callable[[Provider], None]]
"""At this time the provider changes."""
