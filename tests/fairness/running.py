"""What runs while a mix is played."""

from dataclasses import dataclass, field

from jobs.dispatch.lanes import Lanes
from jobs.lifecycle.lease import Claimed
from worker.reports import LaneReporter, Sent, Used


@dataclass(slots=True)
class Text:
    """A job that runs."""

    claimed: Claimed
    member: int
    worker: "Worker"
    begun: float
    used: Used = field(default_factory=Used)
    sent: Sent | None = None
    part: int = 1
    large_tokens: int = 0

    @property
    def upstream(self) -> int:
        """Its place in the mix."""
        return int(self.claimed.upstream[1:])


@dataclass(slots=True)
class Worker:
    streams: int
    lanes: Lanes
    reporter: LaneReporter
    running: set[str] = field(default_factory=set)
    round_at: float | None = None
    last_round: float = -1.0
    is_dead: bool = False
