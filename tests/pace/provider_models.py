"""Providers without sockets: what they count, what they refuse, and when they begin to write."""

from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.pace.reports import LimitKind, Observed
from longhand.simulator.windows import Window


@dataclass(frozen=True)
class Work:
    """One job: how long its text takes, and its tokens."""

    seconds: float = 0.3
    first_delta: float = 0.06
    prompt_tokens: int = 100
    output_tokens: int = 400

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.output_tokens


CLOCK = 22.37
"""What the provider's clock shows when a simulation begins: no window turns at that moment."""


@dataclass(frozen=True)
class Answer:
    """None for `starts_at`: refused."""

    starts_at: float | None
    ends_at: float
    retry_after: float | None = None
    headers: tuple[Observed, ...] = ()


@dataclass
class Provider:
    """Limits of any kind together. What is refused is not counted."""

    requests: Window | None = None
    tokens: Window | None = None
    in_flight_limit: int | None = None
    slots: int | None = None
    """It writes so many texts at a time and lets all others wait."""
    retry_after: float | None = None
    stated: dict[LimitKind, float] = field(default_factory=dict)
    """Limits per minute that every answer's headers state."""
    in_flight: int = 0
    most_in_flight: int = 0
    refuses_until: float = -1.0
    busy_until: list[float] = field(default_factory=list)

    def send(self, work: Work, now: float) -> Answer:
        for window, amount in ((self.requests, 1.0), (self.tokens, float(work.tokens))):
            if window is not None and window.wait_for(amount, CLOCK + now):
                return self._refuse(now)
        if now < self.refuses_until or (self.in_flight_limit is not None and self.in_flight >= self.in_flight_limit):
            return self._refuse(now)
        for window, amount in ((self.requests, 1.0), (self.tokens, float(work.tokens))):
            if window is not None:
                window.take(amount, CLOCK + now)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        begins = self._take_slot(work, now)
        return Answer(begins + work.first_delta, begins + work.seconds, headers=self._headers(now))

    def leave(self) -> None:
        """A stream ended."""
        self.in_flight -= 1

    def _refuse(self, now: float) -> Answer:
        return Answer(None, now + 0.005, self.retry_after, self._headers(now))

    def _take_slot(self, work: Work, now: float) -> float:
        if self.slots is None:
            return now
        self.busy_until = sorted(t for t in self.busy_until if t > now)
        waiting = len(self.busy_until) - self.slots
        begins = self.busy_until[waiting] if waiting >= 0 else now
        self.busy_until.append(begins + work.seconds)
        return begins

    def _headers(self, now: float) -> tuple[Observed, ...]:
        windows: dict[LimitKind, Window | None] = {"requests": self.requests, "tokens": self.tokens}
        return tuple(
            Observed(now, kind, limit, window.left(CLOCK + now), window.reset_seconds(CLOCK + now), 60.0)
            for kind, limit in self.stated.items()
            if (window := windows.get(kind)) is not None
        )


Change = tuple[float, Callable[[Provider], None]]
"""At this time the provider changes."""
