"""What something cost, for a terminal."""

from longhand.client.objects import Cost, CostFields, Json
from longhand.words.catalogue import t


def cost_text(found: Json) -> str | None:
    """The cost of a job or a batch; of one with an unknown part, what is known, and that it is not all."""
    whole, known = found.get("cost"), found.get("known_costs")
    if whole:
        return _amount(whole)
    unknown = found.get("unknown_cost_attempts")
    if not known:
        return None
    listed = t("cost.and").join(map(_amount, known))
    return t("cost.partly_unknown", listed=listed, number=f"{unknown:,}") if unknown else listed


def short_cost(found: CostFields) -> str:
    """The whole cost for a cell of a table; empty when it is unknown."""
    return _amount(cost) if (cost := found.get("cost")) else ""


def attempt_cost(attempt: Json) -> str:
    """The cost of an attempt for a cell; empty when it is unknown."""
    cost = attempt.get("cost")
    return _amount(cost) if cost and cost["currency"] else ""


def _amount(cost: Cost) -> str:
    about = t("cost.about") if cost["source"] == "estimated" else ""
    amount = f"{cost['amount']:,.9f}".rstrip("0")
    places = len(amount.partition(".")[2])
    return f"{about}{amount}{'0' * max(0, 2 - places)} {cost['currency']}"
