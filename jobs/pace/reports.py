"""What a worker process reports to a lane: one value for each thing that it saw of an upstream. Times are seconds of
the shared clock."""

from dataclasses import dataclass
from typing import Literal

LimitKind = Literal["requests", "tokens", "input_tokens", "output_tokens"]


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What the upstreams file says of the lane. None: not known, so it is learned."""

    max_streams: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The first delta of a request came."""

    sent_at: float
    at: float
    waited_seconds: float
    """From the request to the first delta."""
    in_flight: int
    """The lane's streams when it was reserved or sent, itself among them."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A request ended that was accepted: cleanly, or (with `used_tokens` None) by an error, a cancel or a lost
    worker."""

    sent_at: float
    at: float
    reserved_tokens: int
    """What it took from the bucket."""
    used_tokens: int | None = None
    """Prompt and output together, as the upstream counts them; 0: it refused the request or was not reached."""
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was refused for now: 429, 503, 529, or an error that says "overloaded"."""

    sent_at: float
    at: float
    retry_after_seconds: float | None
    in_flight: int
    """The lane's streams when it was reserved or sent, itself among them."""
    reserved_tokens: int = 0
    """Given back: a refused request used none."""
    project: str = ""
    """Whose it was, if other projects wait for the lane, too."""
    is_own: bool = False
    """It met a limit of its own project or job. The lane keeps its pace."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One rate limit, as the headers of any answer state it. None is unknown."""

    at: float
    kind: LimitKind
    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None
    window_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """A claimed job ended before its request was sent: it was cancelled, or its worker drains."""

    at: float
    reserved_tokens: int


@dataclass(frozen=True, slots=True)
class Unplanned:
    """A running job has a place for a request that no reservation stands for: for the next part of its text. It stays
    in flight, and takes a request and its tokens from the lane's limits as any other."""

    at: float
    """When it is sent."""
    estimated_tokens: int


Report = Accepted | Finished | Refused | Observed | Unplanned | Unsent
LimitedBy = Literal["max_streams", "window", "requests", "tokens", "retry_after"]
