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

    def is_known(self) -> bool:
        return sum(self.counts.values()) >= ENOUGH

    def expect(self, most: int | None, believed: float) -> int:
        """The output tokens of a text that may take `most`: no more than the 95th percentile, as many requests allow a
        hundred times what they use. Until some have finished, `most` may be the truth and is believed up to `believed`.
        """
        usual = self._usual()
        if most is None:
            return usual
        return min(most, usual if self.is_known() else max(usual, int(believed)))

    def _usual(self) -> int:
        """The 95th percentile."""
        if not self.is_known():
            return FIRST_GUESS
        total, seen = sum(self.counts.values()), 0
        for key in sorted(self.counts, key=int):
            seen += self.counts[key]
            if seen >= min(0.95 * total, total - 1):  # one text alone says nothing of the others
                return round(BIN_RATIO ** int(key))
        raise AssertionError("the last bin reaches all")
