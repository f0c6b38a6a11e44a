"""Threads for one kind of work, few at once, of which one project never has all."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect

P = ParamSpec("P")
R = TypeVar("R")

ASKING: ContextVar[str] = ContextVar("project", default="")
"""The project whose request this is; empty for what nobody has asked for."""


class Client(NamedTuple):
    """Who sent a request, and whether that client has closed its connection."""

    only_reads: bool
    has_gone: Callable[[], bool]


CLIENT: ContextVar[Client | None] = ContextVar("client", default=None)
"""The client whose request this is."""

MOST_GONE = 1000
"""A request that changes something is carried out even if its client has gone, unless this many requests of its project
wait behind it."""


class Turns:
    """Runs so many calls at once. One project has at most three quarters of them, or `of_one`: what is slow, or is sent
    without end, keeps its own project waiting and leaves the others room. `abandon`: a call whose request is cancelled
    is left to itself. `of_clients`: these are requests, and a client may have gone by the time its turn comes. Then
    nothing is read for it. A change is still made, unless very many requests of its project wait.
    """

    def __init__(
        self, most: int, *, of_one: int | None = None, abandon: bool = False, of_clients: bool = False
    ) -> None:
        self.of_one_project = of_one or (most - most // 4 if most > 2 else 1)
        self.all = CapacityLimiter(most)
        self._abandon = abandon
        self._of_clients = of_clients
        self._by_project: dict[str, CapacityLimiter] = {}

    async def run(self, call: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call it in a thread when its turn has come. Raises `ClientDisconnect` if nobody waits for it any more."""
        project = ASKING.get()
        own = self._by_project.setdefault(project, CapacityLimiter(self.of_one_project))
        try:
            async with own:
                if self._of_clients and _is_left(own):
                    raise ClientDisconnect
                bound = partial(call, *arguments, **keywords)
                return await to_thread.run_sync(bound, limiter=self.all, abandon_on_cancel=self._abandon)
        finally:
            if not own.borrowed_tokens and not own.statistics().tasks_waiting:
                self._by_project.pop(project, None)


def leave_with_client() -> None:
    """For work that changes nothing, while it goes on: raises `ClientDisconnect` if nobody waits for it any more."""
    client = CLIENT.get()
    if client is not None and client.has_gone():
        raise ClientDisconnect


def _is_left(own: CapacityLimiter) -> bool:
    client = CLIENT.get()
    if client is None or not (client.only_reads or own.statistics().tasks_waiting >= MOST_GONE):
        return False
    return client.has_gone()
