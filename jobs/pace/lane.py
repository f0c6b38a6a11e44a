"""The pace controller of one lane."""

from collections.abc import Iterable
from typing import Any, Self

from jobs.pace.reports import Accepted, Finished, LaneLimits, LimitedBy, Refused, Report


class Lane:
    """A window that doubles while it is full and clean and halves once for each overload. Branch `pace` has the real one."""

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._window = 8.0
        self._cut_at = 0.0
        self._paused_until = 0.0
        self._ceiling = 1e9

    @classmethod
    def new(cls, limits: LaneLimits, now: float) -> Self:
        """A lane of which nothing is known yet."""
        del now
        return cls(limits)

    @classmethod
    def from_json(cls, stored: dict[str, Any], limits: LaneLimits) -> Self:
        """What `to_json` gave. ValueError: it is no such object."""
        lane = cls(limits)
        try:
            lane._window, lane._cut_at, lane._paused_until, lane._ceiling = map(float, stored["state"])
        except (KeyError, TypeError) as error:
            raise ValueError("no lane") from error
        return lane

    def to_json(self) -> dict[str, Any]:
        """The state."""
        return {"state": [self._window, self._cut_at, self._paused_until, self._ceiling]}

    def apply(self, reports: Iterable[Report], in_flight: int, now: float) -> None:
        """Learn from what one worker process saw since its last turn."""
        for report in reports:
            if isinstance(report, Accepted | Finished) and report.sent_at >= self._cut_at:
                self._window += 1.0 if self._window < self._ceiling else 1.0 / self._window
            elif isinstance(report, Refused):
                if report.retry_after_seconds:
                    self._paused_until = max(self._paused_until, report.at + report.retry_after_seconds)
                if report.sent_at >= self._cut_at:
                    self._cut_at = now
                    self._window = max(1.0, min(self._window, in_flight + 1) / 2)
                    self._ceiling = self._window
        self._window = min(self._window, max(8.0, 2.0 * (in_flight + 1)))

    def room(self, in_flight: int, now: float, lead: float = 0.0) -> int:
        """How many more requests may start now."""
        del lead
        if now < self._paused_until:
            return 0
        most = min(self._window, self._limits.max_streams or 1e9)
        return max(0, int(most) - in_flight)

    def reserve(self, estimated_tokens: int, now: float, lead: float = 0.0) -> float | None:
        """Take one request and its tokens."""
        del estimated_tokens, lead
        return now

    def release(self, reserved_tokens: int, now: float) -> None:
        """Give back a reservation that was never sent."""

    def limited_by(self, in_flight: int, now: float) -> LimitedBy | None:
        """Why no more can start now."""
        if now < self._paused_until:
            return "retry_after"
        if self._limits.max_streams and in_flight >= self._limits.max_streams:
            return "max_streams"
        return "window" if self.room(in_flight, now) <= 0 else None

    def next_at(self, in_flight: int, now: float) -> float:
        """When to look again at the latest."""
        return self._paused_until if now < self._paused_until else now + 1.0

    def estimate_output(self) -> int:
        """A guess."""
        return 500
