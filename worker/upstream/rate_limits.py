"""What an answer's headers say about the upstream's rate limits."""

from dataclasses import dataclass

from jobs.pace.reports import LimitKind


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit, as one answer states it. None is unknown."""

    kind: LimitKind
    limit: float | None
    """How many are allowed in `window_seconds`, or in a window whose length is not known."""
    remaining: float | None
    """How many are left of them now."""
    reset_seconds: float | None
    """When the window is full again, in seconds from the answer."""
    window_seconds: float | None = None
