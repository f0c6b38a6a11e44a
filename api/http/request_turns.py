"""Turns on the event loop: in which order the requests are begun that come at once.

One turn of the loop reads all sockets that have something, and hundreds of connections may ask again as soon as they
have their answer. Were they all answered in that turn, any other request, which needs five to eight turns (its key, its
thread, its answer), would take as many seconds as the loop is held up each time.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from jobs.model.project_turns import ProjectTurns

Kind = Literal["project", "check", "stranger"]

PLACES: Mapping[Kind, int] = {"project": 2, "check": 1, "stranger": 1}
"""How many requests of each kind are begun in one turn of the loop, if there are so many; the others may have what is
left. Each takes half a millisecond of it until it first waits. Somebody may have thousands of addresses, and each is an
asker: so strangers share one place."""

BEGUN_AT_ONCE = sum(PLACES.values())


class Asker(NamedTuple):
    """Whose turn a request takes."""

    kind: Kind
    name: str


class Beginning(NamedTuple):
    """A request that is to be begun."""

    asker: Asker
    begin: Callable[[], None]


class RequestTurns:
    """Begins a few requests in each turn of the loop, those of different askers by turns. Nothing is refused here: what
    waits is bounded by the connections that are open, for a request leaves with its connection.
    """

    def __init__(self) -> None:
        self._waiting: dict[Kind, ProjectTurns[Beginning]] = {kind: ProjectTurns() for kind in PLACES}
        self._last: dict[Kind, str] = dict.fromkeys(PLACES, "")
        self._begun = 0

    def take(self, beginning: Beginning) -> None:
        """Begin it: now, or when the turn of its asker has come."""
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._begun < BEGUN_AT_ONCE and not any(self._waiting.values()):
            self._begin(beginning)
        else:
            self._waiting[beginning.asker.kind].add(beginning.asker.name, beginning)

    def leave(self, beginning: Beginning) -> None:
        """Let it wait no longer, if it does: nobody is there to be answered. In a flood of requests that are reset, who
        stayed would wait in front of all others, and more would come than are begun.
        """
        self._waiting[beginning.asker.kind].remove(beginning.asker.name, beginning)

    def _next_turn(self) -> None:
        self._begun = 0
        try:
            for kind, places in PLACES.items():
                self._begin_some(kind, places)
            for kind in PLACES:
                self._begin_some(kind, BEGUN_AT_ONCE - self._begun)
        finally:  # one that cannot be begun must not keep the others waiting for ever
            if self._begun:
                asyncio.get_running_loop().call_soon(self._next_turn)

    def _begin_some(self, kind: Kind, places: int) -> None:
        for _ in range(places):
            first = self._waiting[kind].next(self._last[kind])
            if first is None:
                return
            self._begin(first)

    def _begin(self, beginning: Beginning) -> None:
        self._begun += 1
        self._last[beginning.asker.kind] = beginning.asker.name
        beginning.begin()
