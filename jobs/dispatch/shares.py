"""Shares out the free streams of one process: over the projects by weight and by the time of their texts, then in turn
over the models of each.

A project that waits for many models gets no more for it. Nor does it cost the others time: a round looks at few models
of each project, and at the room of a lane only when its turn comes.
"""

import heapq
import sys
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence

from jobs.dispatch.rounds import Key
from jobs.model.fair_turns import MOST_REMEMBERED, Turns
from jobs.upstreams import UpstreamSpec

MOST_MODELS = 200
"""A round looks at no more models of a project, and the next round at others."""

_PASSED_OVER = 0.01
"""What a look without room costs a model then, in turns: it must not keep the others from being looked at."""

Room = Callable[[UpstreamSpec, str], int]
"""How many more streams an upstream takes of a model."""


class StreamShares:
    """Whose turn it is, from round to round."""

    def __init__(self) -> None:
        self._projects = Turns()
        self._rounds = Turns()
        """The same by number, of rounds in which not every lane can have a turn."""
        self._models: dict[str, Turns] = {}
        self._upstreams: dict[str, Turns] = {}
        self._looked_at: dict[str, set[str]] = {}
        """The models of each project to which streams are shared out in this round."""
        self.has_more = False
        """Whether the last look has left models out."""

    def learn(self, project: str, seconds: float, weight: float = 1.0) -> None:
        """A stream of this project took so long. By number, one with texts of half a minute had nearly all streams."""
        self._projects.learn(project, seconds, weight)

    def look_at(self, waiting: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The models to look at in this round, with the projects that wait for each."""
        models_of: defaultdict[str, list[str]] = defaultdict(list)
        for model, projects in waiting.items():
            for project in projects:
                models_of[project].append(model)
        if not waiting:
            self._projects.catch_up()
        self._forget(waiting, models_of)
        self._looked_at = kept = {project: set(models) for project, models in models_of.items()}
        for project, models in models_of.items():
            turns = self._models.setdefault(project, Turns())
            turns.forget_others(kept[project])
            if len(models) > MOST_MODELS:
                kept[project] = set(heapq.nsmallest(MOST_MODELS, models, key=turns.time_of))
        looked_at = {
            model: [project for project in projects if model in kept[project]] for model, projects in waiting.items()
        }
        looked_at = {model: projects for model, projects in looked_at.items() if projects}
        self.has_more = sum(map(len, looked_at.values())) < sum(map(len, waiting.values()))
        return looked_at

    def share(self, lanes: "LaneRooms", weights: Mapping[str, float], free: int) -> dict[Key, int]:
        """How many of the free streams each lane gets."""
        queues = {project: self._queue(project) for project in sorted(self._looked_at)}
        grants: dict[Key, int] = {}
        # One lane for each project before the rest: by the time of texts alone, one with hundreds of models and short
        # texts had all turns of a round, and left streams free that others waited for.
        crowded = sum(map(len, self._looked_at.values())) > lanes.most
        first = self._rounds.in_order(queues)[::-1] if crowded else []
        while free > 0 and queues:
            is_first = bool(first)
            project = first.pop() if first else self._projects.next(queues)
            key = self._next_lane(project, queues[project], lanes)
            if key is None and lanes.are_all_taken:
                break  # this project is the first in the next round
            if key is None:
                del queues[project]
                continue
            self._projects.take(project, weights.get(project, 1.0))
            if is_first:
                self._rounds.take(project, 1.0)
            lanes.take(key)
            grants[key] = grants.get(key, 0) + 1
            free -= 1
        return grants

    def _queue(self, project: str) -> list[tuple[float, str]]:
        """A heap of the models by their times: whose is smallest is next."""
        turns = self._models[project]
        queue = [(turns.time_of(model), model) for model in self._looked_at[project]]
        heapq.heapify(queue)
        return queue

    def _next_lane(self, project: str, queue: list[tuple[float, str]], lanes: "LaneRooms") -> Key | None:
        """The lane whose turn it is among those of the project. None: none has room."""
        turns = self._models[project]
        while queue:
            _, model = queue[0]
            specs = lanes.open_to(model)
            if not specs:
                heapq.heappop(queue)
                if self.has_more:
                    turns.take(model, 1 / _PASSED_OVER)
                continue
            turns.take(model, 1.0)
            heapq.heapreplace(queue, (turns.time_of(model), model))
            lowest = min(spec.tier for spec in specs)
            weight_of = {spec.name: spec.weight for spec in specs if spec.tier == lowest}
            upstreams = self._upstreams.setdefault(model, Turns())
            name = upstreams.next(sorted(weight_of))
            upstreams.take(name, weight_of[name])
            return name, model
        return None

    def _forget(self, models: Container[str], projects: Container[str]) -> None:
        """Drop what no longer waits once there is much of it: clients may name any number of models."""
        self._projects.forget_others(projects)
        self._rounds.forget_others(projects)
        if len(self._models) > MOST_REMEMBERED:
            self._models = {project: turns for project, turns in self._models.items() if project in projects}
        if len(self._upstreams) > MOST_REMEMBERED:
            self._upstreams = {model: turns for model, turns in self._upstreams.items() if model in models}


class LaneRooms:
    """What is left of the room of each lane while streams are shared out. `shared` is how many more each upstream takes
    of all its models, and `most` how many lanes may have a turn.
    """

    def __init__(
        self, specs: Sequence[UpstreamSpec], room: Room, shared: Mapping[str, int], most: int = sys.maxsize
    ) -> None:
        self._specs = specs
        self._room = room
        self._shared = dict(shared)
        self.most = most
        self._left: dict[Key, int] = {}
        self._taken: set[Key] = set()

    @property
    def are_all_taken(self) -> bool:
        """Whether no other lane may have a turn."""
        return len(self._taken) >= self.most

    def open_to(self, model: str) -> list[UpstreamSpec]:
        """The upstreams that take one more of this model."""
        return [spec for spec in self._specs if self._shared[spec.name] > 0 and self._left_of(spec, model) > 0]

    def take(self, key: Key) -> None:
        """A stream of this lane is given out."""
        self._shared[key[0]] -= 1
        self._left[key] -= 1
        self._taken.add(key)

    def _left_of(self, spec: UpstreamSpec, model: str) -> int:
        key = (spec.name, model)
        if self.are_all_taken and key not in self._taken:
            return 0
        if key not in self._left:
            self._left[key] = self._room(spec, model) if spec.takes(model) else 0
        return self._left[key]
