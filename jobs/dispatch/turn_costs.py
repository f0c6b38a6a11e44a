"""What a project's turn in a lane costs: the share that it had of what the lane is short of."""

from dataclasses import dataclass
from typing import Self

from jobs.dispatch.upstream_total import UpstreamTotal
from jobs.pace.lane import Lane
from jobs.pace.sizes import FIRST_GUESS

SCARCE_SECONDS = 60.0
"""Tokens or requests are what a lane is short of for so long after they have last held a request back."""


@dataclass(frozen=True, slots=True)
class TurnCosts:
    """Of a lane at one moment. By seconds of streams alone, a project whose prompts are long and whose answers are
    short had nearly all tokens of a lane, and one whose texts are short nearly all requests of a minute. A cost by
    tokens or by requests is near the mean time of a request, so that what was learned stands when they become scarce.
    """

    of_one_token: float
    """0: there are enough."""
    of_each: float | None
    """What every turn costs, as each is one request; None: there are enough of these."""

    @classmethod
    def of(cls, lane: Lane, total: UpstreamTotal, now: float) -> Self:
        states = [one.state for one in (lane, total.lane) if one is not None]
        lasts = lane.state.window.lasts or 1.0
        if now - max(state.tokens.held_at for state in states) < SCARCE_SECONDS:
            return cls(lasts / (lane.state.tokens.mean_used or FIRST_GUESS), None)
        are_scarce = now - max(state.rate_held_at for state in states) < SCARCE_SECONDS
        return cls(0.0, lasts if are_scarce else None)

    def of_tokens(self, tokens: int) -> float:
        return self.of_one_token * tokens
