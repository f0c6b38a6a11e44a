"""What a usage costs by a price."""

from decimal import ROUND_HALF_EVEN, Decimal

from jobs.model.cost import NANOS, Cost
from jobs.model.records import Usage
from jobs.upstreams import Price

_NANOS_PER_TOKEN = NANOS // 1_000_000
"""For a price of 1 per million tokens."""


def cost_of(usage: Usage | None, price: Price | None) -> Cost | None:
    """The cost, rounded once to a billionth; None when a count or a price that it needs is not known."""
    if price is None or usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    counts = (
        (usage.input_tokens - cached, price.input),
        (cached, price.input if price.cached is None else price.cached),
        (_billed_output(usage.input_tokens, usage.output_tokens, usage), price.output),
    )
    nanos = Decimal(0)
    for tokens, amount in counts:
        if tokens and amount is None:
            return None
        # By its shortest text, which is what the file says: 0.1 is a tenth.
        nanos += tokens * Decimal(str(amount or 0)) * _NANOS_PER_TOKEN
    return Cost(int(nanos.to_integral_value(ROUND_HALF_EVEN)), price.currency)


def _billed_output(input_tokens: int, output_tokens: int, usage: Usage) -> int:
    """The tokens written, with those of the reasoning: some upstreams (xAI, Gemini) count these beside the output."""
    reasoning, total = usage.reasoning_tokens or 0, usage.total_tokens or 0
    return output_tokens + reasoning if total >= input_tokens + output_tokens + reasoning else output_tokens
