"""The gates that watches pass while they open: a few at a time, so that running watches and all other requests go on.

The first is passed in the order of coming, before any layer has worked for the request: that alone would keep a
thousand of them busy for seconds. The second is passed by the projects in turn, once the key is known: a watch of a
large batch takes long to open.
"""

import asyncio
from collections.abc import Callable

from jobs.model.project_turns import ProjectTurns

OPENING_AT_ONCE = 4
LONGEST_SECONDS = 0.5
"""How long one watch keeps the next from opening, however long its text, its reader or the database takes."""

OPENING = "longhand.opening"
"""The key of the scope under which the `Opening` of a watch stands."""


class OpeningGate:
    """Never lets in more than `most` at once: the projects in turn, and those of one in the order of their coming."""

    def __init__(self, most: int = OPENING_AT_ONCE) -> None:
        self._free = most
        self._waiting: ProjectTurns[asyncio.Future[None]] = ProjectTurns()

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._waiting)

    async def enter(self, project: str = "") -> "Place":
        """Wait for a place. It has to be released, and is by itself after `LONGEST_SECONDS`."""
        loop = asyncio.get_running_loop()
        if self._free > 0:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.add(project, turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave(project)  # it was let in at that moment
                raise
        return Place(lambda: self._leave(project), loop)

    def _leave(self, project: str) -> None:
        while (turn := self._waiting.next(project)) is not None:
            if not turn.done():
                turn.set_result(None)  # the place goes over to the next
                return
        self._free += 1


class Place:
    """A place in a gate."""

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


class Opening:
    """One watch on its way through both gates."""

    def __init__(self, place: Place, second: OpeningGate) -> None:
        self._place = place
        self._second = second

    async def enter(self, project: str) -> None:
        """Go on to the second gate: the key of this project was good."""
        self._place.release()
        self._place = await self._second.enter(project)

    def release(self) -> None:
        """It is open, or will not be. Safe to call twice."""
        self._place.release()
