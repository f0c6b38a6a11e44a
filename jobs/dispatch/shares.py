"""Shares out the free streams of one process: over the projects in their turn, then in turn over the models of each.

A project that waits for many models gets no more for it. Nor does it cost the others time: a round looks at few models
of each project, and at the room of a lane only when its turn comes.
"""

import heapq
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.lane_rooms import LaneRooms
from jobs.dispatch.rounds import Key
from jobs.dispatch.upstream_turns import Ahead
from jobs.model.fair_turns import MOST_REMEMBERED, Turns

MOST_MODELS = 200
"""A round looks at no more models of a project, and the next round at others."""

_PASSED_OVER = 0.01
"""What a look without room costs a model then, in turns: it must not keep the others from being looked at."""

_Queue = list[tuple[bool, float, str]]
"""A heap of the models of a project: whether they are looked at last, and their times."""


class StreamShares:
    """Whose turn it is, from round to round."""

    def __init__(self, due: DueLanes) -> None:
        self._due = due
        self._projects = Turns()
        """By the seconds of this process's streams, where several upstreams share these."""
        self._ahead = Turns()
        """A copy, charged for every stream that a round gives out. `_projects` is charged only for streams that a job
        has used.
        """
        self._late: dict[str, float] = {}
        """By how much the streams of each last longer already than was expected, by its weight."""
        self._rounds = Turns()
        """The same by number, of rounds in which not every lane can have a turn."""
        self._models: dict[str, Turns] = {}
        self._upstreams: dict[str, Turns] = {}
        self._looked_at: dict[str, set[str]] = {}
        """The models of each project to which streams are shared out in this round."""
        self.contenders: dict[str, list[str]] = {}
        """The projects that could have the streams of each upstream that were shared out last."""
        self.has_more = False
        """Whether the last look has left models out."""

    def note(self, projects: Iterable[str], weights: Mapping[str, float]) -> None:
        """A job of each of these has one of the streams."""
        able = [one for name, some in self.contenders.items() for one in some if self._due.has_due(one, name)]
        for project in projects:
            self._projects.take(project, weights.get(project, 1.0), others=able)

    def learn(self, project: str, seconds: float, weight: float = 1.0) -> None:
        """A stream of this project took so long. By number, one with texts of half a minute had nearly all streams."""
        late = self._late.get(project, 0.0)
        self._late[project] = late - min(late, self._projects.lateness(project, [seconds]) / weight)
        self._projects.learn(project, seconds, weight)

    def put_off_late(self, running: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> None:
        """Streams of these projects, of all processes, have run for so long by now."""
        turns, counts = self._projects, self._projects.count_open()
        own = {project: min(1.0, counts.get(project, 0.0) / len(some)) for project, some in running.items()}
        self._late = {
            project: own[project] * turns.lateness(project, some) / weights.get(project, 1.0)
            for project, some in running.items()
        }

    def look_at(self, waiting: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The models to look at in this round, with the projects that wait for each."""
        models_of: defaultdict[str, list[str]] = defaultdict(list)
        for model, projects in waiting.items():
            for project in projects:
                models_of[project].append(model)
        if not waiting:
            self.catch_up()
        self._forget(waiting, models_of)
        self._looked_at = kept = {project: set(models) for project, models in models_of.items()}
        for project, models in models_of.items():
            turns = self._models.setdefault(project, Turns())
            turns.forget_others(kept[project])
            if len(models) > MOST_MODELS:
                kept[project] = self._some_of(project, models)
        looked_at = {
            model: [project for project in projects if model in kept[project]] for model, projects in waiting.items()
        }
        looked_at = {model: projects for model, projects in looked_at.items() if projects}
        self.has_more = sum(map(len, looked_at.values())) < sum(map(len, waiting.values()))
        return looked_at

    def catch_up(self) -> None:
        """There are streams for all, so what one had of them is no debt."""
        self._projects.catch_up()

    def share(self, lanes: LaneRooms, weights: Mapping[str, float], free: int, ahead: Ahead) -> dict[Key, list[str]]:
        """Give out the free streams. The result has, for each lane, the project of each stream that it gets, in turn.

        `ahead` says which project is next at an upstream. Where several upstreams share the streams of this process,
        the project that has had least of these streams is next.
        """
        self._ahead = self._projects.copy()
        queues = {project: self._queue(project) for project in sorted(self._looked_at)}
        found = {project: self._next_lane(project, queue, lanes) for project, queue in queues.items()}
        keys = {project: key for project, key in found.items() if key is not None}
        self.contenders = {name: [one for one, key in keys.items() if key[0] == name] for name, _ in keys.values()}
        grants: dict[Key, list[str]] = {}
        # One lane for each project before the rest: by the time of texts alone, one with hundreds of models and short
        # texts had all turns of a round, and left streams free that others waited for.
        crowded = sum(map(len, self._looked_at.values())) > lanes.most < min(free, lanes.shared_room)
        first = self._rounds.in_order(keys)[::-1] if crowded else []
        while free > 0 and keys:
            is_first = bool(first)
            project = first.pop() if first else min(keys, key=partial(self._place, keys, queues, ahead, lanes))
            if not lanes.has_room(keys[project]):
                key = self._next_lane(project, queues[project], lanes)
                if key is None and lanes.are_all_taken:
                    break  # this project is the first in the next round
                if key is None:
                    del keys[project]
                    continue
                keys[project] = key
                if not is_first:
                    continue  # at another upstream it may not be next
            key = keys[project]
            weight = weights.get(project, 1.0)
            self._take(project, queues[project], key, lanes)
            self._ahead.take(project, weight)
            ahead.take(key[0], project, weight)
            if is_first:
                self._rounds.take(project, 1.0)
            grants.setdefault(key, []).append(project)
            free -= 1
            if (following := self._next_lane(project, queues[project], lanes)) is not None:
                keys[project] = following
        return grants

    def _place(
        self,
        keys: Mapping[str, Key],
        queues: Mapping[str, _Queue],
        ahead: Ahead,
        lanes: LaneRooms,
        project: str,
    ) -> tuple[float, ...]:
        """The smallest is next."""
        queue = queues[project]
        is_last = bool(queue) and queue[0][0]
        own = (self._ahead.place(project)[0] + self._late.get(project, 0.0),) if lanes.has_several else ()
        return is_last, *own, *ahead.place(keys[project][0], project)

    def _some_of(self, project: str, models: Iterable[str]) -> set[str]:
        """So many models that have had least, rather those with jobs that are due."""
        time_of = self._models[project].time_of
        doubtful = {model for model in models if self._due.is_doubtful(project, model)}
        some = heapq.nsmallest(MOST_MODELS, models, key=lambda model: (model in doubtful, time_of(model)))
        return {*some, *heapq.nsmallest(1, doubtful, key=time_of)}

    def _queue(self, project: str) -> _Queue:
        """The models of a project: whose time is smallest is next. Those that are doubtful come last, behind all other
        projects, but for one, which shows whether it still is.
        """
        turns, models = self._models[project], self._looked_at[project]
        last = {model for model in models if self._due.is_doubtful(project, model)}
        if last and not self._due.is_mistaken(project):
            last.remove(min(last, key=turns.time_of))
        queue = [(model in last, turns.time_of(model), model) for model in models]
        heapq.heapify(queue)
        return queue

    def _next_lane(self, project: str, queue: _Queue, lanes: LaneRooms) -> Key | None:
        """The lane whose turn it is among those of the project; `_take` it. None: none has room."""
        turns = self._models[project]
        while queue:
            model = queue[0][-1]
            specs = lanes.open_to(model)
            if not specs:
                heapq.heappop(queue)
                if self.has_more:
                    turns.take(model, 1 / _PASSED_OVER)
                continue
            lowest = min(spec.tier for spec in specs)
            names = sorted(spec.name for spec in specs if spec.tier == lowest)
            return self._upstreams.setdefault(model, Turns()).next(names), model
        return None

    def _take(self, project: str, queue: _Queue, key: Key, lanes: LaneRooms) -> None:
        name, model = key
        turns = self._models[project]
        turns.take(model, 1.0)
        if queue[0][-1] == model:
            heapq.heapreplace(queue, (self._due.is_doubtful(project, model), turns.time_of(model), model))
        self._upstreams[model].take(name, lanes.weight_of(name))
        lanes.take(key)

    def _forget(self, models: Container[str], projects: Container[str]) -> None:
        """Drop what no longer waits once there is much of it: clients may name any number of models."""
        self._projects.forget_others(projects)
        self._rounds.forget_others(projects)
        if len(self._models) > MOST_REMEMBERED:
            self._models = {project: turns for project, turns in self._models.items() if project in projects}
        if len(self._upstreams) > MOST_REMEMBERED:
            self._upstreams = {model: turns for model, turns in self._upstreams.items() if model in models}
