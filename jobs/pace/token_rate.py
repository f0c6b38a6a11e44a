"""A limit of tokens that nothing states: seen in which requests are refused, measured by what is accepted between."""

import math

import msgspec

FEWEST_REFUSALS, SURE, STILL_SURE = 4, 2.0, 0.5
"""The refused requests must be larger than the others by so many standard errors. Once a limit is learned, by fewer."""
SMOOTHING = 0.05
"""How much one request moves the mean of their sizes."""
REMEMBERED = 24
"""Of so many refusals the older half is forgotten."""
SHORTEST_SECONDS = 1.0
"""In less the largest request counts for too much."""
BELOW, LARGEST_CUT = 0.985, 0.6
GROWTH, LARGEST_GROWTH, GROW_SECONDS = 0.01, 0.25, 4.0
"""After so many seconds without a refusal, so much more; twice as much each time."""


class TokenRate(msgspec.Struct):
    learned: float | None = None
    """Tokens a second."""
    growth: float = GROWTH
    grown_at: float = 0.0
    mean: float | None = None
    square: float = 0.0
    """Of the sizes of all requests: the mean, and the mean of their squares."""
    refusals: int = 0
    above: float = 0.0
    """By how many standard deviations the refused requests were larger than the mean, in all."""
    since: float = 0.0
    taken: float = 0.0
    """What was accepted since then. At both ends the upstream had nothing left."""

    def take(self, tokens: float, now: float) -> None:
        self.since = self.since or now
        self.taken += tokens
        if self.mean is None:
            self.mean, self.square = tokens, tokens * tokens
        else:
            self.mean += SMOOTHING * (tokens - self.mean)
            self.square += SMOOTHING * (tokens * tokens - self.square)

    def give_back(self, tokens: float) -> None:
        self.taken = max(0.0, self.taken - tokens)

    def refused(self, tokens: float) -> None:
        self.give_back(tokens)
        deviation = math.sqrt(max(0.0, self.square - (self.mean or 0.0) ** 2))
        if self.mean is None or deviation < 0.1 * self.mean:
            return
        if self.refusals >= REMEMBERED:
            self.refusals, self.above = self.refusals // 2, self.above / 2
        self.refusals += 1
        self.above += (tokens - self.mean) / deviation

    def is_reason(self) -> bool:
        """Whether refusals depend on the size of the requests."""
        sure = SURE if self.learned is None else STILL_SURE
        return self.refusals >= FEWEST_REFUSALS and self.above >= sure * math.sqrt(self.refusals)

    def measure(self, now: float) -> float | None:
        """What was accepted since the last refusal, in tokens a second."""
        if now - self.since < SHORTEST_SECONDS:
            return None
        measured = self.taken / (now - self.since)
        self.since, self.taken = now, 0.0
        return measured

    def cut(self, measured: float | None, now: float) -> None:
        """Come back to what was accepted."""
        self.growth, self.grown_at = GROWTH, now
        if measured is None:
            return
        if self.learned is None:
            self.learned = measured
        else:
            self.learned = max(self.learned * LARGEST_CUT, min(self.learned, measured) * BELOW)

    def grow(self, now: float) -> None:
        """It has held requests back, and none was refused of late."""
        if self.learned is not None and now - self.grown_at >= GROW_SECONDS:
            self.learned *= 1 + self.growth
            self.growth, self.grown_at = min(LARGEST_GROWTH, 2 * self.growth), now
