"""Threads for one kind of work, few at once, of which one project never has all."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect

P = ParamSpec("P")
R = TypeVar("R")

ASKING: ContextVar[str] = ContextVar("project", default="")
"""The project whose request this is; empty for what nobody has asked for."""

HAS_GONE: ContextVar[Callable[[], bool]] = ContextVar("has gone", default=lambda: False)
"""Whether the client that asked, and wants nothing but the answer, has closed its connection."""


class Turns:
    """Runs so many calls at once. One project has at most three quarters of them, or `of_one`: what is slow, or is sent
    without end, keeps its own project waiting and leaves the others room. `abandon`: a call whose request is cancelled
    is left to itself. `while_there`: what a client has only asked for is not done once it has gone.
    """

    def __init__(
        self, most: int, *, of_one: int | None = None, abandon: bool = False, while_there: bool = False
    ) -> None:
        self.of_one_project = of_one or (most - most // 4 if most > 2 else 1)
        self.all = CapacityLimiter(most)
        self._abandon = abandon
        self._while_there = while_there
        self._by_project: dict[str, CapacityLimiter] = {}

    async def run(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Call it in a thread when its turn has come. Raises `ClientDisconnect` if nobody waits for it any more."""
        project = ASKING.get()
        own = self._by_project.setdefault(project, CapacityLimiter(self.of_one_project))
        try:
            async with own:
                if self._while_there and HAS_GONE.get()():
                    raise ClientDisconnect
                bound = partial(call, *arguments, **named)
                return await to_thread.run_sync(bound, limiter=self.all, abandon_on_cancel=self._abandon)
        finally:
            if not own.borrowed_tokens and not own.statistics().tasks_waiting:
                self._by_project.pop(project, None)
