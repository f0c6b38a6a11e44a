"""Costs, and what a project has used."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described


class CostObject(Described):
    """What something cost, by the price in the upstreams file at the time."""

    amount: float = Field(description="In units of the currency, exact to a billionth.")
    currency: str | None = Field(description="Null only where nothing was charged and the upstream has no price.")
    source: Literal["upstream", "estimated"] = Field(
        description="`estimated`: tokens of it were counted by Longhand, because the upstream did not report them."
    )


class CostFields(Described):
    """What all attempts that have ended cost together, failed ones included."""

    cost: CostObject | None = Field(
        description="The whole; null while the cost of any attempt is unknown, or for several currencies."
    )
    known_costs: list[CostObject] = Field(
        description="What is known, one for each currency: only a part if `unknown_cost_attempts` is not 0."
    )
    unknown_cost_attempts: int = Field(description="How many of the attempts have an unknown cost.")


class ModelUsageObject(CostFields):
    """What the attempts of one model at one upstream have used. What no attempt knows is null, never 0."""

    model: str
    upstream: str | None
    attempts: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    unknown_usage_attempts: int = Field(description="How many of the attempts are not in these counts.")


class ProjectUsage(CostFields):
    """What your project has used by attempts that ended in a time."""

    object: Literal["usage"]
    project: str
    from_: float = Field(alias="from")
    to: float
    data: list[ModelUsageObject]
