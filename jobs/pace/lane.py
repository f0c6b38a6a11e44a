"""The pace controller of one lane."""

from collections.abc import Iterable
from typing import Any, Self

from jobs.pace.reports import LaneLimits, LimitedBy, Report


class Lane:
    """See the package. Not thread-safe: one turn of one worker uses one."""

    @classmethod
    def new(cls, limits: LaneLimits, now: float) -> Self:
        """A lane of which nothing is known yet."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, stored: dict[str, Any], limits: LaneLimits) -> Self:
        """What `to_json` gave; the limits come from the upstreams file and may have changed. ValueError: it is no such object."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError

    def apply(self, reports: Iterable[Report], in_flight: int, now: float) -> None:
        """Learn from what one worker process saw since its last turn."""
        raise NotImplementedError

    def room(self, in_flight: int, now: float, lead: float = 0.0) -> int:
        """How many more requests may start now: by the window, the request rate and a pause. Tokens are asked by `reserve`."""
        raise NotImplementedError

    def reserve(self, estimated_tokens: int, now: float, lead: float = 0.0) -> float | None:
        """Take one request and its tokens. The time to send it at (`now`, or at most `lead` later); None: no room now."""
        raise NotImplementedError

    def release(self, reserved_tokens: int, now: float) -> None:
        """Give back a reservation that was never sent: a hint that was lost, a job that was cancelled before."""
        raise NotImplementedError

    def limited_by(self, in_flight: int, now: float) -> LimitedBy | None:
        """Why no more can start now. None: they can."""
        raise NotImplementedError

    def next_at(self, in_flight: int, now: float) -> float:
        """When to look again at the latest, if no report comes before."""
        raise NotImplementedError

    def estimate_output(self) -> int:
        """The 95th percentile of what texts of this lane took in output tokens; a guess until some have finished."""
        raise NotImplementedError
