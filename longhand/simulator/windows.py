"""Limits over time, in the three ways in which providers count them. They do no I/O and are given the time.

Each has `largest` (what can fit at all), `wait_for` (0 when an amount fits now, else the seconds until it does),
`take`, `settle` (correct an amount that was taken), `left`, and `reset_seconds` (until nothing counts any more).
`limit` may be changed at any time.
"""

import math
from collections import deque

from longhand.simulator.provider import WindowKind

# Amounts are sums of floats: what misses a limit by less than this fits.
_ROUNDING = 1e-6


class SlidingWindow:
    """Everything of the last so many seconds counts."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[list[float]] = deque()
        self._sum = 0.0

    @property
    def largest(self) -> float:
        return self.limit

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now - self.seconds:
            self._sum -= self._taken.popleft()[1]

    def wait_for(self, amount: float, now: float) -> float:
        self._forget(now)
        excess = self._sum + amount - self.limit
        if excess <= _ROUNDING:
            return 0.0
        for at, taken in self._taken:
            excess -= taken
            if excess <= _ROUNDING:
                return at + self.seconds - now
        return math.inf

    def take(self, amount: float, now: float) -> list[float]:
        entry = [now, amount]
        self._taken.append(entry)
        self._sum += amount
        return entry

    def settle(self, entry: list[float], amount: float, now: float) -> None:
        self._forget(now)
        if self._taken and entry[0] >= self._taken[0][0]:
            self._sum += amount - entry[1]
            entry[1] = amount

    def left(self, now: float) -> float:
        self._forget(now)
        return max(0.0, self.limit - self._sum)

    def reset_seconds(self, now: float) -> float:
        self._forget(now)
        return self._taken[-1][0] + self.seconds - now if self._taken else 0.0


class FixedWindow:
    """Everything since the last turn of the clock counts; then all of it is forgotten at once."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._turn = 0
        self._sum = 0.0

    @property
    def largest(self) -> float:
        return self.limit

    def _forget(self, now: float) -> None:
        if (turn := int(now // self.seconds)) != self._turn:
            self._turn, self._sum = turn, 0.0

    def wait_for(self, amount: float, now: float) -> float:
        self._forget(now)
        if self._sum + amount <= self.limit + _ROUNDING:
            return 0.0
        return self.reset_seconds(now) if amount <= self.limit else math.inf

    def take(self, amount: float, now: float) -> list[float]:
        self._forget(now)
        self._sum += amount
        return [self._turn, amount]

    def settle(self, entry: list[float], amount: float, now: float) -> None:
        self._forget(now)
        if entry[0] == self._turn:
            self._sum += amount - entry[1]
            entry[1] = amount

    def left(self, now: float) -> float:
        self._forget(now)
        return max(0.0, self.limit - self._sum)

    def reset_seconds(self, now: float) -> float:
        return (now // self.seconds + 1) * self.seconds - now


class TokenBucket:
    """A bucket, refilled steadily with `limit` in `seconds`. It holds that much, or the refill of `burst_seconds`."""

    def __init__(self, limit: float, seconds: float, burst_seconds: float | None = None) -> None:
        self.limit = limit
        self.seconds = seconds
        self._burst_seconds = seconds if burst_seconds is None else min(burst_seconds, seconds)
        self._level = self.largest
        self._at = -math.inf

    @property
    def largest(self) -> float:
        # A bucket that is too small for one request would let none through.
        return max(1.0, self.limit * self._burst_seconds / self.seconds)

    def _refill(self, now: float) -> None:
        self._level = min(self.largest, self._level + max(0.0, now - self._at) * self.limit / self.seconds)
        self._at = now

    def wait_for(self, amount: float, now: float) -> float:
        self._refill(now)
        if amount > self.largest + _ROUNDING:
            return math.inf
        return max(0.0, amount - self._level - _ROUNDING) * self.seconds / self.limit

    def take(self, amount: float, now: float) -> list[float]:
        self._refill(now)
        self._level -= amount
        return [now, amount]

    def settle(self, entry: list[float], amount: float, now: float) -> None:
        self._refill(now)
        self._level = min(self.largest, self._level + entry[1] - amount)
        entry[1] = amount

    def left(self, now: float) -> float:
        self._refill(now)
        return max(0.0, self._level)

    def reset_seconds(self, now: float) -> float:
        self._refill(now)
        return (self.largest - self._level) * self.seconds / self.limit


Window = SlidingWindow | FixedWindow | TokenBucket


def make_window(kind: WindowKind, limit: float, seconds: float, burst_seconds: float | None) -> Window:
    """An empty window."""
    if kind == "bucket":
        return TokenBucket(limit, seconds, burst_seconds)
    return SlidingWindow(limit, seconds) if kind == "sliding" else FixedWindow(limit, seconds)
