"""What a project's turn in a lane costs: the share that it had of what the lane is short of."""

from dataclasses import dataclass
from typing import Self

from jobs.dispatch.lane_news import Ended
from jobs.dispatch.upstream_total import UpstreamTotal
from jobs.pace.lane import Lane
from jobs.pace.sizes import FIRST_GUESS

SCARCE_SECONDS = 60.0
"""Tokens are what a lane is short of for so long after they have last held a request back."""


@dataclass(frozen=True, slots=True)
class TurnCosts:
    """Of a lane at one moment. By seconds of streams alone, a project whose prompts are long and whose answers are
    short had nearly all tokens of a lane, and one whose texts are short nearly all requests of a minute. Both costs are
    as large as seconds of streams, so that what was learned stands when something else becomes scarce.
    """

    of_token: float
    """0: there are enough."""
    of_request: float
    """What each costs at least. Where 8 streams and 2 requests a second are allowed, one request is as large a share of
    the one as 4 s of a stream are of the other. So whichever a project needs more of is what it pays for.
    """

    @classmethod
    def of(cls, lane: Lane, total: UpstreamTotal, now: float) -> Self:
        both = [one for one in (lane, total.lane) if one is not None]
        if now - max(one.state.tokens.held_at for one in both) < SCARCE_SECONDS:
            lasts = lane.state.window.lasts or 1.0
            return cls(lasts / (lane.state.tokens.mean_used or FIRST_GUESS), 0.0)
        limits = [one.state.rate.lasting(one.limits.requests_per_minute) for one in both]
        rates = [limit for limit in limits if limit is not None]
        streams = min(one.most_streams() for one in both)
        return cls(0.0, streams / min(rates) if rates else 0.0)

    def at_least(self, tokens: int) -> float:
        """What a turn costs that takes so many."""
        return max(self.of_token * tokens, self.of_request)

    def of_ended(self, ended: Ended) -> float:
        """What a turn has cost."""
        if self.of_token:
            return self.of_token * ended.tokens or ended.seconds
        # A turn of one request is charged `of_request` at least when it begins. If that were learned, the mean would
        # charge the short texts of a project for its long ones.
        return max(ended.seconds, ended.requests * self.of_request) if ended.requests > 1 else ended.seconds
