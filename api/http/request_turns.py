"""Turns on the event loop: in which order the requests are begun that come at once.

One turn of the loop reads all sockets that have something, and hundreds of connections may ask again as soon as they
have their answer. Were they all answered in that turn, any other request, which needs five to eight turns (its key, its
thread, its answer), would take as many seconds as the loop is held up each time.
"""

import asyncio
from collections.abc import Callable

from jobs.model.project_turns import ProjectTurns

BEGUN_AT_ONCE = 4
"""How many requests are begun in one turn of the loop. Each takes half a millisecond of it until it first waits."""


class RequestTurns:
    """Begins a few requests in each turn of the loop, those of different askers by turns. Nothing is refused here: what
    waits is bounded by the connections that there may be.
    """

    def __init__(self) -> None:
        self._waiting: ProjectTurns[tuple[str, Callable[[], None]]] = ProjectTurns()
        self._begun = 0
        self._last = ""

    def take(self, asker: str, begin: Callable[[], None]) -> None:
        """Begin a request of this asker: now, or when its turn has come."""
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._begun < BEGUN_AT_ONCE and not self._waiting:
            self._begin(asker, begin)
        else:
            self._waiting.add(asker, (asker, begin))

    def _next_turn(self) -> None:
        self._begun = 0
        while self._begun < BEGUN_AT_ONCE and (first := self._waiting.next(self._last)) is not None:
            self._begin(*first)
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _begin(self, asker: str, begin: Callable[[], None]) -> None:
        self._begun += 1
        self._last = asker
        begin()
