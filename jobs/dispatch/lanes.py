"""The rounds of one process: its free streams are shared out over the lanes that have jobs waiting.

A stream is for the project whose turn it is at an upstream; all processes share these turns, in the upstream's row
(`jobs/dispatch/upstream_turns.py`). Which of the project's models gets it is a matter of the process alone, and which
job of that is next stands in the rows of the jobs (`jobs/dispatch/reservation.py`).
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from logging import getLogger
from time import monotonic

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.holds import Hold, HoldKind
from jobs.dispatch.lane_news import LaneNews, LaneTurn, LaneWish, UnwrittenNews
from jobs.dispatch.lane_rooms import LaneRooms
from jobs.dispatch.part_places import PartPlaces
from jobs.dispatch.reservation import LEAD_SECONDS, take_lane_turn
from jobs.dispatch.rounds import Key, Round, View
from jobs.dispatch.shares import MOST_MODELS, StreamShares
from jobs.dispatch.turn_costs import Ended
from jobs.dispatch.upstream_changes import UpstreamChanges
from jobs.dispatch.upstream_total import UNLIMITED
from jobs.dispatch.upstream_turns import UpstreamTurns
from jobs.dispatch.waiting_models import WaitingModels
from jobs.store.database import Database, is_transient
from jobs.upstreams import Upstreams, UpstreamSpec

log = getLogger(__name__)

LOCKED_SECONDS = 0.02
"""A lane that another process has at this moment is tried again after this time."""

BROKEN_SECONDS = 1.0
"""The same after a turn that failed."""

ROUND_SECONDS = 0.2
"""About how long the turns of a round take: what has come meanwhile waits for its end. Then the next round begins."""

_FEWEST_LANES = 4
"""So many have a turn in a round, however long that takes."""

_LEARNING = 0.1
"""How much the latest turn counts in the average of what they take."""

_PASSES = 3
"""A lane that had fewer jobs than streams leaves the rest to the others, in another pass of the same round."""


class Lanes:
    """Used by the dispatch of one process; news may come from any thread."""

    def __init__(self, database: Database, hint_seconds: float, upstreams: Callable[[], Upstreams]) -> None:
        self._database = database
        self._hint_seconds = hint_seconds
        self._upstreams = upstreams
        self._lock = threading.Lock()
        self._news = UnwrittenNews()
        self._ended: list[Ended] = []
        self._changes = UpstreamChanges(database)
        self._due = DueLanes()
        self._shares = StreamShares(self._due)
        self._turns = UpstreamTurns(database, self._due)
        self._over: list[tuple[str, str, float]] = []
        """Turns that are over and were not written in a round."""
        self._waiting = WaitingModels(MOST_MODELS)
        self._in_flight: dict[Key, int] = {}
        self._projects: Mapping[str, Sequence[str]] = {}
        """Those that wait for each model."""
        self._crowded: set[Key] = set()
        self.parts = PartPlaces(database, self._turns, self._due)
        self._held: dict[str, Hold] = {}
        self._turn_seconds = 0.0

    def note(self, key: Key, news: LaneNews) -> None:
        """Add to the news of a lane; they are written in the next round."""
        self._news.add(key, news)
        with self._lock:
            self._ended += news.ended

    def in_flight(self, key: Key) -> int:
        """How many streams the lane had in the last round, of all processes."""
        return self._in_flight.get(key, 0)

    def do_others_wait(self, key: Key, project: str) -> bool:
        """Whether jobs of another project waited for the model in the last round."""
        return any(other != project for other in self._projects.get(key[1], ()))

    def write_news(self, key: Key) -> bool:
        """Write the news of a lane now, from any thread. False: another process has the lane at this moment."""
        news, streams = self._news.take(key), self._turns.streams(key[0])
        try:
            wish = LaneWish(self._upstreams().find_or_bare(key[0]), key[1], (), 0, streams, news=news)
            turn = take_lane_turn(self._database, wish, self._hint_seconds)
        except Exception as error:
            if is_transient(error):
                self._news.put_back(key, news)
                raise
            log.exception("news of %s at %s are lost, as no turn can write them: %s", key[1], key[0], news)
            return False
        if turn is None:
            self._news.put_back(key, news)
            return False
        self.parts.see(key, turn)
        with self._lock:
            self._over += [(key[0], *ended) for ended in turn.ended]
        return True

    def hold_of(self, key: Key) -> Hold | None:
        """The hold of the upstream, as it was in the last round."""
        return self._held.get(key[0])

    def is_eager(self, key: Key) -> bool:
        """Whether news of this lane should be written at once: jobs wait for its pace, or its upstream is held."""
        return key in self._crowded or key[0] in self._held

    def reserve(self, free: int, most_crashes: int, behind: Collection[str] = ()) -> Round:
        """Reserve jobs for up to `free` streams, less the hints that are under way already; none of the projects that
        are `behind`.
        """
        done = Round()
        upstreams = self._changes.note(self._upstreams())
        specs, weights = upstreams.specs, upstreams.project_weights
        view = self._look(behind)
        self._projects = view.waiting
        self._turns.read(view.rows, free)
        self._learn(weights)
        self._in_flight = {key: counted.total for key, counted in view.in_flight.items()}
        self._held = {hold.target: hold for hold in view.holds if hold.kind is HoldKind.UPSTREAM}
        free -= sum(counted.reserved for counted in view.in_flight.values())
        closed, touched = set[Key](), set[Key]()
        shared = {spec.name: self._shared_room(view, spec) for spec in specs}
        until, has_more = monotonic() + ROUND_SECONDS, False
        for _ in range(_PASSES):
            most = max(_FEWEST_LANES, int(ROUND_SECONDS / max(self._turn_seconds, 0.0001)))
            rooms = LaneRooms(specs, partial(self._room, view, closed), shared, most)
            grants = self._shares.share(rooms, weights, free, self._turns.look_ahead())
            has_more = rooms.are_all_taken or self._shares.has_more or self._waiting.has_more
            void = [key for key, counted in view.in_flight.items() if counted.void]
            seen = {*touched, *grants}
            owed = [key for key in dict.fromkeys([*self._news.keys(), *void, *view.to_judge]) if key not in seen]
            if not grants and not owed:
                break
            in_order = sorted([*grants, *owed], key=self._news.may_wait)
            for key in (key for key in in_order if key not in grants or shared[key[0]] > 0):
                if key not in grants and self._news.may_wait(key) and monotonic() > until:
                    done.look(self._database.now())  # the rest of the news can wait for the next round
                    break
                touched.add(key)
                wish = self._wish(key, view, upstreams, grants.get(key, ()), most_crashes)
                turn = self._take_turn(wish, done)
                if turn is None or len(turn.reserved) < wish.most:
                    closed.add(key)
                if turn is not None:
                    free -= len(turn.reserved)
                    self._note_turn(wish, turn, weights, shared)
                    self.parts.see(key, turn)
                    self.parts.note_short(wish, turn, view, self._in_flight, weights)
            if free <= 0 or monotonic() > until:
                break
        if done.reserved and (has_more or monotonic() > until):
            done.look(self._database.now())
        elif free > 0:
            self._shares.catch_up()
        self._turns.store(view.waiting)
        view.note_when_to_look(specs, done, self._in_flight, self._database.now())
        return done

    def _learn(self, weights: Mapping[str, float]) -> None:
        """How long the streams last that run, and what those took that have ended here since the last round."""
        if (running := self._turns.put_off_late(weights)) is not None:
            self._shares.put_off_late(running, weights)
        with self._lock:
            ended, self._ended = self._ended, []
            over, self._over = self._over, []
        for one in ended:
            self._shares.learn(one.project, one.seconds, weights.get(one.project, 1.0))
        for name, project, cost in over:
            self._turns.learn(name, project, cost, weights.get(project, 1.0))

    def _note_turn(self, wish: LaneWish, turn: LaneTurn, weights: Mapping[str, float], shared: dict[str, int]) -> None:
        name = wish.spec.name
        # The next job may need more tokens than are left. Then nobody starts until it can: else small jobs take them.
        shared[name] = 0 if turn.is_short_of_all else shared.get(name, 0) - len(turn.reserved)
        self._in_flight[wish.key] = turn.in_flight
        self._due.note(wish, turn)
        self._shares.note((job.project for job in turn.reserved), weights)
        self._turns.note(wish, turn, weights, self._shares.contenders.get(name, ()))

    def _look(self, behind: Collection[str]) -> View:
        now = self._database.now()
        with self._database.read() as connection:
            found = self._waiting.find(connection)
            if behind:
                others = {model: [name for name in projects if name not in behind] for model, projects in found.items()}
                found = {model: projects for model, projects in others.items() if projects}
            self._due.begin(found, are_all=not self._waiting.has_more)
            waiting = self._shares.look_at(found)
            return View.read(connection, now, self._hint_seconds, waiting)

    def _room(self, view: View, closed: Collection[Key], spec: UpstreamSpec, model: str) -> int:
        return 0 if (spec.name, model) in closed else view.room(spec, model, self._database.now())

    def _shared_room(self, view: View, spec: UpstreamSpec) -> int:
        """How many more the upstream's own limits allow, of all its models. Of a held one each lane says it."""
        if spec.name in self._held:
            return UNLIMITED
        return view.total(spec, self._database.now().timestamp()).room(LEAD_SECONDS)

    def _wish(self, key: Key, view: View, upstreams: Upstreams, grants: Sequence[str], most_crashes: int) -> LaneWish:
        name, model = key
        spec = upstreams.find_or_bare(name)
        others = any(other.name != name and other.takes(model) for other in upstreams.specs)
        news, waiting = self._news.take(key), self._turns.in_order(name, view.waiting.get(model, []))
        streams = self._turns.streams(name)
        return LaneWish(spec, model, waiting, most_crashes, streams, others, news, grants)

    def _take_turn(self, wish: LaneWish, done: Round) -> LaneTurn | None:
        turn, again, began = None, LOCKED_SECONDS, monotonic()
        try:
            turn = take_lane_turn(self._database, wish, self._hint_seconds)
        except Exception as error:
            if is_transient(error):
                raise
            # What breaks the turn of one lane, such as a job that nobody foresaw, must not stop the others.
            log.exception("no job of %s starts at %s: its turn failed", wish.model, wish.spec.name)
            again = BROKEN_SECONDS
        finally:
            if turn is None:  # another process has the lane, or the database is away
                self._news.put_back(wish.key, wish.news)
        self._turn_seconds += _LEARNING * (monotonic() - began - self._turn_seconds)
        if turn is None:
            if again == BROKEN_SECONDS:  # the news must not wait for a job that breaks each turn
                self.write_news(wish.key)
            done.look(self._database.now() + timedelta(seconds=again))
            return None
        done.reserved += [job.id for job in turn.reserved]
        self._crowded.discard(wish.key)
        if turn.room <= 0 and wish.projects:
            self._crowded.add(wish.key)
            done.look(turn.look_at)
        if turn.lifted is not None:
            done.lifted = True
            done.batch_ids.update(turn.lifted)
            done.look(self._database.now())
        return turn
