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

    def locked(self) -> bool:
        """Whether somebody is in."""
        return self._is_held

    @contextmanager
    def hold(self, project: str = "", timeout: float | None = None) -> Iterator[None]:
        """Inside, it is this thread's turn. Raises TimeoutError if it does not come within so many seconds."""
        turn = threading.Event()
        with self._guard:
            if self._is_held:
                self._waiting.add(project, turn)
            else:
                self._is_held = True
                turn.set()
        if not turn.wait(timeout) and self._gives_up(project, turn):
            raise TimeoutError
        try:
            yield
        finally:
            self._pass_on(project)

    def _gives_up(self, project: str, turn: threading.Event) -> bool:
        """Wait no longer; False if the turn has come at this moment."""
        with self._guard:
            return not turn.is_set() and self._waiting.remove(project, turn)

    def _pass_on(self, leaving: str) -> None:
        with self._guard:
            turn = self._waiting.next(leaving)
            if turn is None:
                self._is_held = False
            else:
                turn.set()
