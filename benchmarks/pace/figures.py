"""Figures out of a provider's counts per second, and the verdict on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SETTLED_SECONDS = 10
"""Until then a pace may still be learned."""


@dataclass
class Row:
    """One line of a table: figures, and what of them misses its bound."""

    figures: dict[str, Any]
    missed: list[str] = field(default_factory=list)

    def demand(self, holds: bool, bound: str) -> None:
        """Note a bound, in words, that does not hold."""
        if not holds:
            self.missed.append(bound)

    def cells(self) -> dict[str, Any]:
        return {**self.figures, "verdict": f"MISSED: {'; '.join(self.missed)}" if self.missed else "OK"}


class Seconds:
    """The counts of one model, second by second."""

    def __init__(self, stats: Mapping[str, Any], model: str) -> None:
        self._rows = {row["second"]: row for row in stats["per_second"] if row["model"] == model}

    def total(self, name: str, since: int = 0, until: int | None = None) -> int:
        """The sum of a count over some seconds; all by default."""
        return sum(
            row.get(name, 0)
            for second, row in self._rows.items()
            if second >= since and (until is None or second < until)
        )

    def last(self, name: str) -> int:
        """The last second in which a count is not zero."""
        return max((second for second, row in self._rows.items() if row.get(name)), default=0)

    def with_any(self, name: str) -> list[int]:
        """The seconds in which a count is not zero."""
        return sorted(second for second, row in self._rows.items() if row.get(name))

    def rate(self, name: str, since: int = SETTLED_SECONDS, until: int | None = None) -> float:
        """A count per second, from a second on and without the last one, which was not a whole second."""
        end = self.last(name) if until is None else until
        return self.total(name, since, end) / (end - since) if end > since else float("nan")

    def refused_percent(self, since: int = 0, until: int | None = None) -> float:
        """How many of a hundred calls were refused."""
        return 100 * self.total("refused", since, until) / max(1, self.total("requests", since, until))
