"""Threads for one kind of work, few at once, of which one project never has all."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
R = TypeVar("R")

ASKING: ContextVar[str] = ContextVar("project", default="")
"""The project whose request this is; empty for what nobody has asked for."""


class Turns:
    """Runs so many calls at once. One project has at most three quarters of them, or `of_one`: what is slow, or is sent
    without end, keeps its own project waiting and leaves the others room. `abandon`: a call whose request is cancelled
    is left to itself.
    """

    def __init__(self, most: int, *, of_one: int | None = None, abandon: bool = False) -> None:
        self.of_one_project = of_one or (most - most // 4 if most > 2 else 1)
        self.all = CapacityLimiter(most)
        self._abandon = abandon
        self._by_project: dict[str, CapacityLimiter] = {}

    async def run(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Call it in a thread when its turn has come."""
        project = ASKING.get()
        own = self._by_project.setdefault(project, CapacityLimiter(self.of_one_project))
        try:
            async with own:
                bound = partial(call, *arguments, **named)
                return await to_thread.run_sync(bound, limiter=self.all, abandon_on_cancel=self._abandon)
        finally:
            if not own.borrowed_tokens and not own.statistics().tasks_waiting:
                self._by_project.pop(project, None)
