"""A lock whose holders take turns by project: one with many questions does not make the others wait for all of them."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class FairLock:
    """Lets one thread in at a time: the projects in turn, and of each project those that came first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: dict[str, deque[threading.Event]] = {}

    @contextmanager
    def hold(self, project: str) -> Iterator[None]:
        turn = threading.Event()
        with self._guard:
            if self._is_held:
                self._waiting.setdefault(project, deque()).append(turn)
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
            if not self._waiting:
                self._is_held = False
                return
            # Another project first, also one that has come during this turn.
            project = next((project for project in self._waiting if project != leaving), leaving)
            queue = self._waiting.pop(project)
            queue.popleft().set()
            if queue:
                self._waiting[project] = queue  # at the end: the others are first
