"""What is known of an upstream's answer when it is over, well or not."""

from dataclasses import dataclass

import msgspec

from worker.upstream.rate_limits import RateLimit


class Usage(msgspec.Struct, frozen=True):
    """Token counts as the upstream reported them. None is unknown, and never 0."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an answer. None is unknown."""

    finish_reason: str | None
    usage: Usage | None
    upstream_id: str | None
    upstream_model: str | None
    rate_limits: tuple[RateLimit, ...] = ()
    """What the answer's headers said of the upstream's limits."""
