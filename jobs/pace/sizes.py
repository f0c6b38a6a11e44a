"""How many tokens the texts of a lane take: a histogram with logarithmic bins, which forgets what is long ago."""

import math

import msgspec

BIN_RATIO = 1.15
"""Each bin ends at this many times the one before, so a percentile is at most so much too high."""
REMEMBERED = 1000
"""At twice as many texts all counts are halved, so what is new counts more."""
FIRST_GUESS = 1000
"""Output tokens of a text, until `ENOUGH` have finished."""
ENOUGH = 5


class Sizes(msgspec.Struct):
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """By the number of the bin. JSON has no other keys than strings."""

    def add(self, tokens: int) -> None:
        key = str(math.ceil(math.log(max(1, tokens), BIN_RATIO)))
        self.counts[key] = self.counts.get(key, 0) + 1
        if sum(self.counts.values()) >= 2 * REMEMBERED:
            self.counts = {k: n // 2 for k, n in self.counts.items() if n > 1}

    def percentile(self, share: float) -> int:
        total = sum(self.counts.values())
        if total < ENOUGH:
            return FIRST_GUESS
        seen = 0
        for key in sorted(self.counts, key=int):
            seen += self.counts[key]
            if seen >= share * total:
                return round(BIN_RATIO ** int(key))
        raise AssertionError("the last bin reaches every share")
