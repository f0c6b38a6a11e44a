"""What costs much and is asked for by many at once is made once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedTask(Generic[T]):
    """One task for all who ask while it runs. With `keep`, what it made is everybody's from then on."""

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._task: asyncio.Task[T] | None = None

    async def result(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the task that runs makes, or a new one. Raises what it raises; it goes on if this is cancelled."""
        task = self._task
        if task is None or (task.done() and not (self._keep and not task.cancelled() and task.exception() is None)):
            task = self._task = asyncio.create_task(make())
        return await asyncio.shield(task)
