"""Who of several projects is next: the projects in turn, and those of one project in the order of their coming."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class ProjectTurns(Generic[T]):
    """What waits, by project, each of it once. It locks nothing: its user sees that one thread at a time is in it."""

    def __init__(self) -> None:
        self._waiting: dict[str, OrderedDict[T, None]] = {}  # thousands may go away at once, from anywhere in the line

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def count(self, project: str) -> int:
        """How many of this project wait."""
        return len(self._waiting.get(project, ()))

    def projects(self) -> list[str]:
        """Of which some wait, in their turn."""
        return list(self._waiting)

    def first_of(self, project: str) -> T:
        """The one of this project that has waited longest. At least one must wait."""
        return next(iter(self._waiting[project]))

    def add(self, project: str, waiting: T) -> None:
        self._waiting.setdefault(project, OrderedDict())[waiting] = None

    def next(self, leaving: str) -> T | None:
        """Take out who comes after one of the project `leaving`. Another project goes first, even if it came last."""
        if not self._waiting:
            return None
        return self.take_first(next((project for project in self._waiting if project != leaving), leaving))

    def take_first(self, project: str) -> T:
        """Take out the one of this project that has waited longest. At least one must wait."""
        queue = self._waiting.pop(project)
        first, _ = queue.popitem(last=False)
        if queue:
            self._waiting[project] = queue  # at the end: the others are first
        return first

    def remove(self, project: str, waiting: T) -> bool:
        """Let it wait no longer; False if it does not."""
        queue = self._waiting.get(project)
        if queue is None or waiting not in queue:
            return False
        del queue[waiting]
        if not queue:
            del self._waiting[project]
        return True
