"""How much of its limits a lane uses, for people to see. It changes nothing."""

from dataclasses import dataclass

from jobs.pace.lane import Lane
from jobs.pace.reports import LimitedBy


@dataclass(frozen=True, slots=True)
class LimitUse:
    """What was used of a limit in the last minute, and what it is a minute. None: not known, or no such limit."""

    used: float | None
    limit: float | None
    """What the file or the upstream says, or what was learned from refusals."""


@dataclass(frozen=True, slots=True)
class LaneUsage:
    """What is known of a lane."""

    window: int
    """How many streams may be in flight."""
    limited_by: LimitedBy | None
    requests: LimitUse
    tokens: LimitUse
    """Of requests that ended in it."""


def usage_of(lane: Lane, in_flight: int, now: float) -> LaneUsage:
    """What is known of a lane that has so many streams."""
    limited_by = lane.limited_by(in_flight, now)  # first: it brings the state up to this moment
    state, limits = lane.state, lane.limits
    rates = (state.rate.known(limits.requests_per_minute, now), state.rate.learned)
    requests = _per_minute(limits.requests_per_minute, min(filter(None, rates), default=None))
    return LaneUsage(
        window=lane.most_streams(),
        limited_by=limited_by,
        requests=LimitUse(state.rate.in_last_minute(now), requests),
        tokens=LimitUse(
            state.tokens.used_in_last_minute(now), _per_minute(limits.tokens_per_minute, lane.token_rate(now))
        ),
    )


def _per_minute(from_file: float | None, per_second: float | None) -> float | None:
    """The limit of the file as it stands there, unless less is known. The pace keeps a margin below it."""
    if per_second is None:
        return from_file
    known = per_second * 60
    return from_file if from_file is not None and known > 0.9 * from_file else round(known, 1)
