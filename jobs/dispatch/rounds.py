"""What a round of dispatch begins with, and what it ends with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, RowMapping

from jobs.dispatch.due import InFlight, count_in_flight
from jobs.dispatch.holds import Hold, find_holds
from jobs.dispatch.lane_news import Held
from jobs.dispatch.lane_rows import find_lanes, read_lane
from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.dispatch.upstream_total import ALL_MODELS, UpstreamTotal
from jobs.pace.lane import Lane
from jobs.upstreams import UpstreamSpec

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
    """The rows as they were at one moment. Only rooms are guessed from it; each lane's turn counts again."""

    waiting: dict[str, list[str]]
    in_flight: dict[Key, InFlight]
    rows: dict[Key, RowMapping]
    holds: Sequence[Hold]

    to_judge: set[Key] = field(default_factory=set)
    """The lanes with a refusal whose judgement is due. It is judged here, too, but only a turn stores that."""

    _lanes: dict[Key, Lane] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        connection: Connection,
        now: datetime,
        hint_seconds: float,
        waiting: dict[str, list[str]],
        batch_ids: Collection[str] = (),
    ) -> Self:
        """As they are now, for the models of `waiting`, which has their projects, with the holds of `batch_ids`."""
        in_flight = count_in_flight(connection, now, hint_seconds)
        lanes, holds = find_lanes(connection, {*waiting, ALL_MODELS}), find_holds(connection, batch_ids)
        return cls(waiting, in_flight, lanes, holds)

    def streams(self, key: Key) -> int:
        return self.in_flight.get(key, InFlight()).total

    def total(self, spec: UpstreamSpec, moment: float) -> UpstreamTotal:
        """What all models of the upstream share."""
        return UpstreamTotal.of(self.rows.get((spec.name, ALL_MODELS)), spec, self.in_flight, moment)

    def lane(self, key: Key, spec: UpstreamSpec, in_flight: int, moment: float) -> Lane:
        """The lane at this moment, as its row says; the row is parsed once."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = read_lane(self.rows.get(key), spec, moment)
            if lane.state.judged is not None and moment >= lane.state.judge_at:
                self.to_judge.add(key)
        lane.apply([], in_flight, moment)
        return lane

    def room(self, spec: UpstreamSpec, model: str, now: datetime) -> int:
        """How many more jobs of a model the upstream takes, as far as the model's own lane and the holds go."""
        key, held = (spec.name, model), self.held((spec.name, model))
        if held.model or held.projects.issuperset(self.waiting[model]):
            return 0
        if held.upstream is not None:
            return int(held.upstream.may_probe(set(self.waiting[model]) - held.projects, now))
        in_flight, moment = self.streams(key), now.timestamp()
        return self.lane(key, spec, in_flight, moment).room(in_flight, moment, LEAD_SECONDS)

    def startable(self, spec: UpstreamSpec, in_flight: Mapping[Key, int], moment: float) -> dict[str, set[str]]:
        """The projects of jobs that no person holds and that their lane has streams for, by model."""
        found: dict[str, set[str]] = {}
        for model, projects in self.waiting.items():
            key = spec.name, model
            held, has = self.held(key), in_flight.get(key, 0)
            if spec.takes(model) and not held.model and has < self.lane(key, spec, has, moment).most_streams():
                found[model] = set(projects) - held.projects
        return found

    def held(self, key: Key) -> Held:
        return Held.of(self.holds, key)

    def note_when_to_look(
        self, specs: Sequence[UpstreamSpec], done: Round, in_flight_of: Mapping[Key, int], now: datetime
    ) -> None:
        """Lanes and upstreams with jobs waiting and without room may have some before anybody wakes this process."""
        for spec in specs:
            total = self.total(spec, now.timestamp())
            if total.room(LEAD_SECONDS) <= 0 and any(spec.takes(model) for model in self.waiting):
                done.look(datetime.fromtimestamp(total.next_at(), now.tzinfo))
        for model in self.waiting:
            for spec in specs:
                key = (spec.name, model)
                if not spec.takes(model) or key not in self.rows:
                    continue
                hold = self.held(key).upstream
                if hold is not None:
                    if hold.probe_at is not None:
                        done.look(hold.probe_at)
                    continue
                in_flight = in_flight_of.get(key, 0)
                lane = self.lane(key, spec, in_flight, now.timestamp())
                if lane.room(in_flight, now.timestamp(), LEAD_SECONDS) <= 0:
                    done.look(datetime.fromtimestamp(lane.next_at(in_flight, now.timestamp()), now.tzinfo))
