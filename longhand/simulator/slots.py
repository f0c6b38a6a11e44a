"""The queue of a server that writes only so many texts at once and refuses nothing."""

from collections import deque
from collections.abc import Callable


class Slots:
    """Requests in the order of their arrival; each is started when a slot is free."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._used = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, start: Callable[[], None]) -> bool:
        """Start a request now if a slot is free, else keep it. Returns whether it has to wait."""
        if self.limit is not None and self._used >= self.limit:
            self._waiting.append(start)
            return True
        self._used += 1
        start()
        return False

    def leave(self, start: Callable[[], None]) -> None:
        """The client of a waiting request has left."""
        self._waiting.remove(start)

    def free(self) -> None:
        """A text has ended: the next ones begin."""
        self._used -= 1
        self.refill()

    def refill(self) -> None:
        """Start what waits and fits, also after the limit was changed."""
        while self._waiting and (self.limit is None or self._used < self.limit):
            self._used += 1
            self._waiting.popleft()()
