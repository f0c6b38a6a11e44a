"""In which lanes the projects that wait have jobs that are due, as the streams show that a process has given out.

A queued job may not start while its batch is paused or full, before its retry is due, or at an upstream that it does
not name. To check all queued jobs in each round would cost too much. So dispatch gives a lane a stream, and remembers
whether a job could use it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from jobs.dispatch.lane_news import LaneTurn, LaneWish

MOST_LANES = 10_000
"""With more lanes remembered, those are forgotten that this round does not look at."""


class DueLanes:
    """Used by the rounds of one process."""

    def __init__(self) -> None:
        self._used: dict[str, dict[str, dict[str, bool]]] = {}
        """By project, model and upstream: whether there was a job for the last stream."""
        self._passed: dict[str, set[str]] = {}
        """By project, the upstreams at which it could not use its last stream, of whatever model."""
        self._missed: set[str] = set()
        """The projects that could not use their last stream, wherever that was."""
        self._models: dict[str, list[str]] = {}
        self._mistaken: set[str] = set()
        """The projects that could not use a stream in this round."""

    def begin(self, waiting: Mapping[str, Iterable[str]], *, are_all: bool) -> None:
        """A round begins, with the projects that wait for each model. `are_all`: nobody waits for another model."""
        self._mistaken.clear()
        self._models = {}
        for model, projects in waiting.items():
            for project in projects:
                self._models.setdefault(project, []).append(model)
        if are_all or sum(map(len, self._used.values())) > MOST_LANES:
            self._passed = {project: names for project, names in self._passed.items() if project in self._models}
            self._missed.intersection_update(self._models)
            self._used = {
                project: {model: of_model[model] for model in self._models[project] if model in of_model}
                for project, of_model in self._used.items()
                if project in self._models
            }

    def note(self, wish: LaneWish, turn: LaneTurn) -> None:
        """What became of the streams that a lane was given."""
        name, model = wish.key
        granted, reserved = Counter(wish.grants), Counter(job.project for job in turn.reserved)
        for project in reserved:
            if self._used.get(project, {}).get(model, {}).get(name) is False:
                self._used[project].clear()  # something was resumed or is due again: perhaps the others, too
            self._used.setdefault(project, {}).setdefault(model, {})[name] = True
            self._passed.get(project, set()).discard(name)
            self._missed.discard(project)
        if turn.room > 0 or reserved - granted:  # else there was no room for all
            for project in granted - reserved:
                self._passed.setdefault(project, set()).add(name)
            for project in granted.keys() - reserved.keys():
                self._used.setdefault(project, {}).setdefault(model, {})[name] = False
                self._missed.add(project)
                self._mistaken.add(project)

    def is_doubtful(self, project: str, model: str) -> bool:
        """Whether the project probably has no job of this model that is due: the last stream for it was not used, or
        nobody knows, and the last one of another model was not.
        """
        used = self._used.get(project, {}).get(model)
        return not any(used.values()) if used else project in self._missed

    def is_mistaken(self, project: str) -> bool:
        """Whether it was given a stream in this round that it could not use."""
        return project in self._mistaken

    def has_due(self, project: str, upstream: str) -> bool:
        """Whether it may have a job that is due there. Without one it is away: the others are not to wait for it."""
        if upstream not in self._passed.get(project, ()):
            return True
        of_project = self._used.get(project, {})
        return any(of_project.get(model, {}).get(upstream) for model in self._models.get(project, ()))
