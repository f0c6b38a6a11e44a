"""What a project's turn at an upstream costs: the largest share that it takes of what there is to share out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from jobs.pace.lane import Lane
from jobs.pace.tokens import BURST_SECONDS, WINDOW_SECONDS

STILL_SHORT_SECONDS = 15.0
"""For so long parts of texts go on waiting for their share after the lane was short last. A project that pays for a
large part takes nothing meanwhile, and the lane has room: after 5 s nobody owed anything, and then its large parts all
went at once.
"""


class Ended(NamedTuple):
    """What a turn that is over has cost its project: a request, or all parts of a text."""

    project: str
    seconds: float
    """For so long it had a stream."""
    tokens: int = 0
    """What it used of the lane's limit, or took if nobody knows."""
    requests: int = 1
    reserved: int = 0
    """The tokens that were kept for it, and from all others, until it was over."""


@dataclass(frozen=True, slots=True)
class TurnCosts:
    """Of a lane at one moment, in seconds of one stream. Where 8 streams and 2 requests a second are allowed, one
    request is as large a share of the one as 4 s of a stream are of the other, and so with tokens. Whichever a project
    needs most of is what it pays for: by seconds alone, one whose prompts are long and whose answers are short had
    nearly all tokens of an upstream, and one whose texts are short nearly all requests of a minute.
    """

    of_token: float
    of_request: float
    """0: nothing limits them."""
    streams: float

    @classmethod
    def of(cls, lane: Lane, of_upstream: Lane | None, now: float, streams: int) -> Self:
        """`streams`: so many have all processes together."""
        both = [one for one in (lane, of_upstream) if one is not None]
        of_all = float(min([streams, *(most for one in both if (most := _known_streams(one)) is not None)]))
        requests = [one.state.rate.lasting(one.limits.requests_per_minute) for one in both]
        tokens = [one.token_rate(now) for one in both]
        return cls(of_all * _least_time(tokens), of_all * _least_time(requests), of_all)

    def of_ended(self, ended: Ended) -> float:
        """What a turn has cost. Tokens beyond what a lane takes at once keep everybody else from starting until they
        are given back: a request that seemed to need a minute's tokens had all of the lane, and paid for one stream.
        """
        reserved, all_streams = self.of_token * ended.reserved, self.streams * ended.seconds
        kept = min(reserved, all_streams) if reserved > self.streams * BURST_SECONDS else 0.0
        return max(ended.seconds, kept, self.of_used(ended.tokens, ended.requests))

    def of_used(self, tokens: int, requests: int) -> float:
        """For how long a stream has all of its share of the limits that so much is of. A request counts for no more
        than a minute's tokens, as in the lane (`jobs/pace/tokens.py`): what an upstream reports may be wrong.
        """
        of_tokens = min(self.of_token * tokens, self.streams * WINDOW_SECONDS * requests)
        return max(of_tokens, self.of_request * requests)


@dataclass(frozen=True, slots=True)
class Short:
    """A lane in which others waited for requests or tokens a moment ago. For a moment there may be some: parts that all
    went then would have the next seconds'.
    """

    prices: TurnCosts
    waited: frozenset[str]
    """The projects that have a share, whether their jobs waited or parts of their texts may."""
    weights: Mapping[str, float]
    at: float

    def is_so(self, now: float) -> bool:
        return now - self.at < STILL_SHORT_SECONDS

    def least_seconds(self, project: str, tokens: int) -> float:
        """For how long a request of so many tokens is all that the share of a project allows."""
        of_all = sum(self.weights.get(one, 1.0) for one in {project, *self.waited})
        share = self.prices.streams * self.weights.get(project, 1.0) / of_all
        return self.prices.of_used(tokens, requests=1) / share


def _known_streams(lane: Lane) -> int | None:
    """A window that still grows says nothing of how many there can be."""
    return lane.limits.max_streams if lane.state.window.plateau is None else lane.most_streams()


def _least_time(rates: list[float | None]) -> float:
    """That one more takes of the tightest of these limits a second."""
    return max((1 / rate for rate in rates if rate is not None), default=0.0)
