"""The gate that watches pass while they open: a few at a time, so that running watches and all other requests go on."""

import asyncio
from collections import deque
from collections.abc import Callable

OPENING_AT_ONCE = 4
LONGEST_SECONDS = 0.5
"""How long one watch keeps the next from opening, however long its text, its reader or the database takes."""


class OpeningGate:
    """Opens watches in the order in which they come, and never more than `most` at once."""

    def __init__(self, most: int = OPENING_AT_ONCE) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._waiting)

    async def enter(self) -> "Opening":
        """Wait for a place. It has to be released, and is by itself after `LONGEST_SECONDS`."""
        loop = asyncio.get_running_loop()
        if self._free > 0:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()  # it was let in at that moment
                raise
        return Opening(self._leave, loop)

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # the place goes over to the next
                return
        self._free += 1


class Opening:
    """A place in the gate."""

    __slots__ = ("_leave", "_timer")

    def __init__(self, leave: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._leave: Callable[[], None] | None = leave
        self._timer = loop.call_later(LONGEST_SECONDS, self.release)

    def release(self) -> None:
        """Let the next one in. Safe to call twice."""
        leave, self._leave = self._leave, None
        if leave is not None:
            self._timer.cancel()
            leave()
