"""What a round of dispatch begins with, and what it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping

from jobs.dispatch.due import InFlight
from jobs.dispatch.holds import Hold
from jobs.dispatch.lane_news import Held
from jobs.dispatch.lane_rows import read_lane
from jobs.dispatch.routes import Route
from jobs.pace.lane import Lane

Key = tuple[str, str]
"""A lane: the upstream's name and the model."""


@dataclass(slots=True)
class Round:
    """What a round has reserved, to be hinted now, and when the next one is due if nobody wakes it before."""

    reserved: list[str] = field(default_factory=list)
    batch_ids: set[str] = field(default_factory=set)
    """The batches to publish to that a hold was lifted."""
    lifted: bool = False
    look_at: datetime | None = None

    def look(self, at: datetime) -> None:
        """Look again at this time or before."""
        self.look_at = at if self.look_at is None else min(self.look_at, at)


@dataclass(slots=True)
class View:
    """The rows as they were when the round began. Only rooms are guessed from it; each lane's turn counts again."""

    waiting: dict[str, list[str]]
    in_flight: dict[Key, InFlight]
    rows: dict[Key, RowMapping]
    holds: Sequence[Hold]

    _lanes: dict[Key, Lane] = field(default_factory=dict)

    def lane(self, key: Key, route: Route, in_flight: int, moment: float) -> Lane:
        """The lane at this moment, as its row says; the row is parsed once."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = read_lane(self.rows.get(key), route, moment)
        lane.apply([], in_flight, moment)
        return lane

    def held(self, key: Key) -> Held:
        """What of the holds concerns this lane."""
        return Held.of(self.holds, key)
