"""What attempts cost, as whole billionths of a currency's unit: sums of them are exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import RowMapping

NANOS = 1_000_000_000
"""So many make one unit of a currency."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt cost, by the price at its end. Unknown is no `Cost` at all, never one of 0."""

    nanos: int
    currency: str | None
    """None only for an attempt that cost nothing on an upstream without a price."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self | None:
        """The cost in a row of `attempts`; None when it is unknown."""
        return None if row["cost_nanos"] is None else cls(row["cost_nanos"], row["cost_currency"])


def cost_columns(cost: Cost | None) -> dict[str, Any]:
    """The same as columns of `attempts`."""
    return {"cost_nanos": cost.nanos if cost else None, "cost_currency": cost.currency if cost else None}


@dataclass(frozen=True, slots=True)
class KnownCost:
    """What is known of a sum, in one currency."""

    currency: str
    nanos: int
    estimated: bool
    """Whether tokens in it were counted by Longhand, because the upstream did not report them."""


@dataclass(frozen=True, slots=True)
class CostSum:
    """What the ended attempts of something cost together."""

    known: tuple[KnownCost, ...] = ()
    unknown: int = 0
    """How many of the attempts have an unknown cost: with any, `known` is not the whole."""

    @property
    def whole(self) -> KnownCost | None:
        """The whole; None while a part is unknown, and for several currencies, which cannot be added."""
        return self.known[0] if len(self.known) == 1 and not self.unknown else None

    def as_json(self) -> dict[str, Any]:
        """As a batch that has ended keeps it."""
        known = [[cost.currency, cost.nanos, cost.estimated] for cost in self.known]
        return {"known": known, "unknown": self.unknown}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(tuple(KnownCost(*cost) for cost in stored["known"]), stored["unknown"])


NO_COST = CostSum()
"""Of what has no ended attempt."""
