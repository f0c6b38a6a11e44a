"""When the next parts of texts go. Nobody reserves them, and they keep to the same limits.

A part takes its place in the lane, and in what its upstream declares, as this process knows both: from their last turn,
and by what it has booked there since. The rows learn of it in the next turn, so no part waits for the database. What
two processes book at the same time is too much for a moment, and both wait until the rows' time has come.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.lane_news import LaneTurn, LaneWish
from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.dispatch.rounds import Key, View
from jobs.dispatch.turn_costs import Short
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.dispatch.upstream_turns import UpstreamTurns
from jobs.pace.lane import Lane
from jobs.pace.state import PLANNED_AHEAD
from jobs.store.database import Database

SHORTEST_LOOK = 0.01

FRESH_SECONDS = 0.25
"""While parts wait, the lane has a turn so often: another process may have taken places, or a pause be over."""

LATE_SECONDS = 0.5
"""A part that asks so much later than it could go costs its project nothing of its share."""

REMEMBERED_SECONDS = 60.0

MOST_LANES = 200
"""So many are remembered: clients may name any number of models."""


class Place(NamedTuple):
    """The place of a part, or none yet."""

    seconds: float
    """So long until it goes; without a place, until it asks again."""
    is_booked: bool
    is_stale: bool = False
    """The lane is to have a turn."""


class PartPlaces:
    """One for a process. Turns come from its rounds, and parts ask from the event loop."""

    def __init__(self, database: Database, turns: UpstreamTurns, due: DueLanes) -> None:
        self._database = database
        self._turns = turns
        self._due = due
        self._lock = threading.Lock()
        self._paces: dict[Key, Lane | None] = {}
        self._seen_at: dict[Key, float] = {}
        self._short: dict[Key, Short] = {}
        self._booked_at: dict[tuple[str, str], float] = {}
        """When a part of each project had its last place, by upstream."""
        self.waiting: Counter[tuple[str, str]] = Counter()
        """How many texts of each have a part that waits here."""

    def see(self, key: Key, turn: LaneTurn) -> None:
        """How a turn has left the lane and what its upstream declares."""
        if turn.paces is None:
            return
        with self._lock:
            self._paces[key], self._paces[key[0], ALL_MODELS] = turn.paces
            self._seen_at.pop(key, None)  # the latest is the last
            self._seen_at[key] = self._now()
            if len(self._seen_at) > MOST_LANES:
                oldest = next(iter(self._seen_at))
                del self._paces[oldest], self._seen_at[oldest]

    def note_short(
        self, wish: LaneWish, turn: LaneTurn, view: View, in_flight: Mapping[Key, int], weights: Mapping[str, float]
    ) -> None:
        """Note which projects wait for requests or tokens, of the lane or of all models: those with jobs that may start
        and could have a stream. `in_flight`: how many streams each lane has.
        """
        now, name = self._now(), wish.spec.name
        has_prices = turn.prices is not None or turn.prices_of_all is not None
        if turn.room > 0 or not has_prices or sum(in_flight.values()) >= self._turns.streams(name):
            return
        startable = view.startable(wish.spec, in_flight, now)
        able = {model: {one for one in some if self._due.has_due(one, name)} for model, some in startable.items()}
        of_model, of_all = able.get(wish.model, set()), set[str]().union(*able.values())
        short = {key: one for key, one in self._short.items() if one.is_so(now)}
        continued = self._turns.continued(name)
        if turn.prices is not None and of_model:
            short[wish.key] = Short(turn.prices, frozenset(of_model | continued), weights, now)
        if turn.prices_of_all is not None and of_all:
            short[name, ALL_MODELS] = Short(turn.prices_of_all, frozenset(of_all | continued), weights, now)
        self._short = short
        with self._lock:  # parts book meanwhile
            self._booked_at = {of: at for of, at in self._booked_at.items() if now - at < REMEMBERED_SECONDS}

    def least_seconds(self, key: Key, project: str, tokens: int) -> float:
        """How long a project has its share of limits that others wait for used by one request of so many tokens."""
        now, both = self._now(), [self._short.get(one) for one in (key, (key[0], ALL_MODELS))]
        short = [one for one in both if one is not None and one.is_so(now)]
        return max((one.least_seconds(project, tokens) for one in short), default=0.0)

    def due_at(self, key: Key, project: str, tokens: int, last_at: float, ready_at: float) -> float:
        """When the next part of a text may go, whose last request used so many tokens and was sent at `last_at`: what
        the parts of its project use is then no more than its share. Of that, this process has as much as it has of the
        texts. Counted for each text apart, those that were begun put off those that had been begun before.
        """
        least, of = self.least_seconds(key, project, tokens), (key[0], project)
        if not least:
            return ready_at
        own = min(1.0, max(1, self.waiting[of]) / self._turns.open_turns(*of))
        return max(ready_at, self._booked_at.get(of, last_at) + least / own)

    def book(self, key: Key, project: str, tokens: int, since: float) -> Place:
        """A place for the next part of a text, which could go since then by the share of its project. The longer it
        waits, the further ahead that may be: jobs are planned ahead, too, and would have each place before it.
        """
        now = self._now()
        if now < since:
            return Place(since - now, is_booked=False)
        lead = min(max(LEAD_SECONDS, now - since), PLANNED_AHEAD)
        with self._lock:
            both = (self._paces.get(key), self._paces.get((key[0], ALL_MODELS)))
            paces = [pace for pace in both if pace is not None]
            for pace in paces:
                pace.apply([], 0, now)
            blocked = max((pace.blocked_for(tokens, now, lead) for pace in paces), default=0.0)
            at = max((pace.reserve(tokens, now, lead) or now for pace in paces), default=now) if blocked <= 0 else now
            is_stale = blocked > 0 and now - self._seen_at.get(key, now) >= FRESH_SECONDS
            if blocked <= 0:
                self._booked_at[key[0], project] = max(since, now - LATE_SECONDS)
        if blocked <= 0:
            return Place(max(0.0, at - now), is_booked=True)
        return Place(max(SHORTEST_LOOK, blocked / 2), is_booked=False, is_stale=is_stale)

    def _now(self) -> float:
        return self._database.now().timestamp()
