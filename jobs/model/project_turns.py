"""Who of several projects is next: the projects in turn, and those of one project in the order of their coming."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ProjectTurns(Generic[T]):
    """What waits, by project. It locks nothing: its user sees that one thread at a time is in it."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def count(self, project: str) -> int:
        """How many of this project wait."""
        return len(self._waiting.get(project, ()))

    def add(self, project: str, waiting: T) -> None:
        self._waiting.setdefault(project, deque()).append(waiting)

    def next(self, leaving: str) -> T | None:
        """Take out who comes after one of the project `leaving`. Another project goes first, even if it came last."""
        if not self._waiting:
            return None
        project = next((project for project in self._waiting if project != leaving), leaving)
        queue = self._waiting.pop(project)
        first = queue.popleft()
        if queue:
            self._waiting[project] = queue  # at the end: the others are first
        return first

    def remove(self, project: str, waiting: T) -> bool:
        """Let it wait no longer; False if it does not."""
        queue = self._waiting.get(project)
        if queue is None or waiting not in queue:
            return False
        queue.remove(waiting)
        if not queue:
            del self._waiting[project]
        return True
