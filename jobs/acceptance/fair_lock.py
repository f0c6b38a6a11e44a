"""A lock whose holders take turns by project: one with many questions does not make the others wait for all of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.model.project_turns import ProjectTurns


class FairLock:
    """Lets one thread in at a time: the projects in turn, and of each project those that came first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: ProjectTurns[threading.Event] = ProjectTurns()

    @contextmanager
    def hold(self, project: str) -> Iterator[None]:
        turn = threading.Event()
        with self._guard:
            if self._is_held:
                self._waiting.add(project, turn)
            else:
                self._is_held = True
                turn.set()
        turn.wait()
        try:
            yield
        finally:
            self._pass_on(project)

    def _pass_on(self, leaving: str) -> None:
        with self._guard:
            turn = self._waiting.next(leaving)
            if turn is None:
                self._is_held = False
            else:
                turn.set()
