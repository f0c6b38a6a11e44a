"""Costs as the API shows them."""

from typing import Any

from jobs.model.cost import NANOS, Cost, CostSum, KnownCost
from jobs.model.records import Attempt


def attempt_cost_json(attempt: Attempt) -> dict[str, Any] | None:
    """What an attempt cost; None when that is unknown."""
    if attempt.cost is None:
        return None
    source = "upstream" if attempt.usage is None or attempt.usage.source == "upstream" else "estimated"
    return _amount_json(attempt.cost, source)


def cost_json(cost: CostSum) -> dict[str, Any]:
    """The fields that show a sum. `cost` is the total; it is null while part of it is unknown."""
    return {
        "cost": _known_json(cost.whole) if cost.whole else None,
        "known_costs": [_known_json(known) for known in cost.known],
        "unknown_cost_attempts": cost.unknown,
    }


def _known_json(known: KnownCost) -> dict[str, Any]:
    return _amount_json(Cost(known.nanos, known.currency), "estimated" if known.estimated else "upstream")


def _amount_json(cost: Cost, source: str) -> dict[str, Any]:
    # Exact to the billionth: a float holds as many digits.
    return {"amount": cost.nanos / NANOS, "currency": cost.currency, "source": source}
