"""When the next parts of texts go. Nobody reserves them, and they keep to the same limits.

A part takes its place in the lane, and in what its upstream declares, as this process knows both: from their last turn,
and by what it has booked there since. The rows learn of it in the next turn, so no part waits for the database. What
two processes book at the same time is too much for a moment, and both wait until the rows' time has come.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import NamedTuple

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.lane_news import LaneTurn, LaneWish
from jobs.dispatch.part_queues import LastRequest, PartQueues, WaitingPart
from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.dispatch.rounds import Key, View
from jobs.dispatch.running_turns import Of
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

MOST_LATE_SECONDS = 60.0
"""The same where parts of another project wait, too: it was late because of what those, or theirs in another process,
took before it.
"""

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


class _Booked(NamedTuple):
    """The last place that a part of a project had where others waited."""

    since: float
    last: LastRequest
    """What is to be paid for."""


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
        self._booked: dict[tuple[Key, str], _Booked] = {}
        """By what was short, and project."""
        self.waiting = PartQueues()
        self.texts: Counter[Of] = Counter()
        """How many texts of each project run in this process that may go on in parts."""

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
        if not has_prices:
            return
        # Parts may have all streams, so that no job could start, and a moment's room is that for which one saves up.
        has_rivals = self.waiting.has_rivals(name)
        if not has_rivals and (turn.room > 0 or sum(in_flight.values()) >= self._turns.streams(name)):
            return
        startable = view.startable(wish.spec, in_flight, now)
        able = {model: {one for one in some if self._due.has_due(one, name)} for model, some in startable.items()}
        of_model, of_all = able.get(wish.model, set()), set[str]().union(*able.values())
        short = {key: one for key, one in self._short.items() if one.is_so(now)}
        continued = self._turns.continued(name)
        if turn.prices is not None and (of_model or has_rivals):
            short[wish.key] = Short(turn.prices, frozenset(of_model | continued), weights, now)
        if turn.prices_of_all is not None and (of_all or has_rivals):
            short[name, ALL_MODELS] = Short(turn.prices_of_all, frozenset(of_all | continued), weights, now)
        self._short = short
        with self._lock:  # parts book meanwhile
            self._booked = {
                (limit, project): last
                for (limit, project), last in self._booked.items()
                if now < max(last.since + REMEMBERED_SECONDS, self._paid_at(limit, project, last))
            }

    @contextmanager
    def running(self, of: Of) -> Iterator[None]:
        """A text of this project that may go on in parts, from its claim to its end."""
        with self._lock:
            self.texts[of] += 1
        try:
            yield
        finally:
            with self._lock:
                self.texts[of] -= 1
                if not self.texts[of]:
                    del self.texts[of]

    def book(self, part: WaitingPart) -> Place:
        """A place for a part that waits, in its turn. Those of a project go in the order in which they were ready, and
        in a lane the one that could go first is first. Else small parts would have each place before a large one.
        """
        now = self._now()
        part.ready_at = min(part.ready_at, now)  # or the clock was set back
        since = self._due_at(part)
        ahead = self.waiting.ahead_of(part) or (self._before(part, since, now) if since <= now else [])
        if ahead:
            seconds = max(0.0, since - now, ahead[0].look_at - now) + len(ahead) * SHORTEST_LOOK
            place = Place(seconds, is_booked=False)
        elif now < since:
            part.kept_by = None
            place = Place(since - now, is_booked=False)
        else:
            place = self._book(part, since, now)
        part.look_at = now + place.seconds
        return place

    def least_seconds(self, limit: Key, project: str, tokens: int) -> float:
        """How long a project has its share of a limit that others wait for used by one request of so many tokens."""
        return self._short[limit].least_seconds(project, tokens) if self._is_short(limit) else 0.0

    def _due_at(self, part: WaitingPart) -> float:
        """When it may go by the share of its project: once the last place is paid for, whichever part had it. By its
        own cost, a large part could never go while small ones of its project did. Counted for each text apart, those
        that were begun put off those that had been begun before.
        """
        own, limits = _Booked(part.last.sent_at, part.last), _limits(part.key)
        last = [self._booked.get((limit, part.project), own) for limit in limits]
        return max(
            part.ready_at, *(self._paid_at(limit, part.project, one) for limit, one in zip(limits, last, strict=True))
        )

    def _paid_at(self, limit: Key, project: str, booked: _Booked) -> float:
        """When a place is paid for by the share of its project as it is now: nobody owes what no one waits for. This
        process has as much of that share as it has of the texts that may go on, whether they wait or are written.
        """
        seconds = self.least_seconds(limit, project, booked.last.tokens)
        if not seconds or booked.since > self._now():  # the clock was set back: nobody knows when that was
            return 0.0
        of = limit[0], project
        own = min(1.0, max(1, self.texts[of]) / self._turns.continued_texts(*of))
        return booked.since + seconds / own

    def _before(self, part: WaitingPart, since: float, now: float) -> list[WaitingPart]:
        """The parts that this one would take a place from: those that could go before it."""
        own = since, part.ready_at
        due = [(self._due_at(one), one.ready_at, one) for one in self.waiting.rivals_of(part)]
        before = [one for one in due if one[0] <= now and one[:2] < own]
        return [one for _, _, one in sorted(before, key=itemgetter(0, 1))]

    def _book(self, part: WaitingPart, since: float, now: float) -> Place:
        """The longer a part waits for a place, the further ahead that may be: jobs are planned ahead, too, and would
        have each place before it.
        """
        key, tokens = part.key, part.tokens
        part.due_at = since if part.due_at is None else part.due_at
        lead = min(max(LEAD_SECONDS, now - part.due_at), PLANNED_AHEAD)
        with self._lock:
            both = [self._paces.get(limit) for limit in _limits(key)]
            paces = [pace for pace in both if pace is not None]
            for pace in paces:
                pace.apply([], 0, now)
            blocked_for = [0.0 if pace is None else pace.blocked_for(tokens, now, lead) for pace in both]
            blocked = max(blocked_for)
            at = max((pace.reserve(tokens, now, lead) or now for pace in paces), default=now) if blocked <= 0 else now
            is_stale = blocked > 0 and abs(now - self._seen_at.get(key, now)) >= FRESH_SECONDS
            if blocked <= 0:
                self._pay(part, max(since, now - self._most_late(part)))
        if blocked <= 0:
            return Place(max(0.0, at - now), is_booked=True)
        of_lane, of_upstream = blocked_for  # what an upstream declares counts in each of its lanes, too
        part.kept_by = "lane" if of_lane > of_upstream + SHORTEST_LOOK else "upstream"
        return Place(max(SHORTEST_LOOK, blocked / 2), is_booked=False, is_stale=is_stale)

    def _pay(self, part: WaitingPart, since: float) -> None:
        for limit in _limits(part.key):
            if self._is_short(limit):
                self._booked[limit, part.project] = _Booked(since, part.last)
            else:
                self._booked.pop((limit, part.project), None)

    def _most_late(self, part: WaitingPart) -> float:
        others = self.waiting.projects_at(part.key[0]) - {part.project}
        return MOST_LATE_SECONDS if others else LATE_SECONDS

    def _is_short(self, limit: Key) -> bool:
        return limit in self._short and self._short[limit].is_so(self._now())

    def _now(self) -> float:
        return self._database.now().timestamp()


def _limits(key: Key) -> tuple[Key, Key]:
    """Those of the lane, and those of all models of its upstream."""
    return key, (key[0], ALL_MODELS)
