"""Whose check is next. One runs at a time, and of the projects that wait that one is next whose checks took least time.

By count, each of ten quick checks would wait for a slow one of somebody else: 20 s.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from jobs.model.fair_turns import MOST_REMEMBERED, Turns
from jobs.model.project_turns import ProjectTurns

MOST_BEHIND_SECONDS = 4.0
"""A project whose checks need more than this for all that wait is behind."""

_LOOK_SECONDS = 0.25
"""How often one that waits looks whether it is still to wait."""

_LEARNING = 0.3
"""How much the latest check counts in the average of a project's checks."""

GivesUp = Callable[[], bool]
"""Whether to wait no longer."""


class GivenUpError(Exception):
    """The turn did not come before it was given up."""


class CheckTurns:
    """Each turn costs the time that it really took."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting = ProjectTurns[threading.Event]()
        self._holder: str | None = None
        self._began = 0.0
        self._turns = Turns()
        self._average: dict[str, float] = {}

    @contextmanager
    def hold(self, project: str, gives_up: GivesUp | None = None) -> Iterator[None]:
        """Inside, it is this thread's turn. Raises `GivenUpError` if it does not come before `gives_up` says so."""
        turn = threading.Event()
        with self._guard:
            if self._holder is None:
                self._begin(project, turn)
            else:
                self._waiting.add(project, turn)
        while not turn.wait(None if gives_up is None else _LOOK_SECONDS):
            if gives_up is not None and gives_up() and self._leave(project, turn):
                raise GivenUpError
        try:
            yield
        finally:
            self._end(project)

    def behind(self, most_waiting: int) -> set[str]:
        """The projects whose checks take long, so that more of their texts would only wait; and all that have any
        waiting, once more than so many wait: nobody knows what the first check of a project will take.
        """
        with self._guard:
            is_full = len(self._waiting) > most_waiting
            return {project for project in self._waiting.projects() if is_full or self._is_behind(project)}

    def _is_behind(self, project: str) -> bool:
        # The first slow check of all is known by how long it runs already.
        running = monotonic() - self._began if self._holder == project else 0.0
        return self._waiting.count(project) * max(running, self._average.get(project, 0.0)) > MOST_BEHIND_SECONDS

    def _begin(self, project: str, turn: threading.Event) -> None:
        self._holder, self._began = project, monotonic()
        turn.set()

    def _end(self, project: str) -> None:
        with self._guard:
            took = monotonic() - self._began
            self._turns.take(project, 1.0, exactly=took)
            known = self._average.get(project, took)
            self._average[project] = known + _LEARNING * (took - known)
            self._forget_others(project)
            self._holder = None
            if self._waiting:
                following = self._turns.next(self._waiting.projects())
                self._begin(following, self._waiting.take_first(following))

    def _leave(self, project: str, turn: threading.Event) -> bool:
        """False if the turn has come at this moment."""
        with self._guard:
            return self._waiting.remove(project, turn)

    def _forget_others(self, project: str) -> None:
        """Forget those of whom none waits, if there are too many; not this one, which has just had its turn."""
        if len(self._average) > MOST_REMEMBERED:
            kept = {project, *self._waiting.projects()}
            self._turns.forget_others(kept)
            self._average = {name: took for name, took in self._average.items() if name in kept}
