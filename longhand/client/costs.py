"""Costs as the API shows them, typed."""

from typing import Literal, TypedDict


class Cost(TypedDict):
    """What something cost. `estimated`: Longhand counted tokens of it, because the upstream did not report them."""

    amount: float
    currency: str | None
    source: Literal["upstream", "estimated"]


class CostFields(TypedDict, total=False):
    """The cost of all ended attempts: None while a part is unknown. Where jobs and batches are read or listed."""

    cost: Cost | None
    known_costs: list[Cost]
    unknown_cost_attempts: int
