"""Look-ups by a name, those that come at once in one read: any number of strangers' keys, or of watchers' jobs.

A thread for each would keep the event loop waiting for the interpreter when many come at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLookups(Generic[T]):
    """Reads with `read` what is asked for: at most so many names `together`, and so many `reads_at_once`. Each read
    answers those who came before it began, and no others: what they ask for may have changed meanwhile.
    """

    def __init__(
        self, read: Callable[[Collection[str]], Awaitable[dict[str, T]]], *, together: int, reads_at_once: int
    ) -> None:
        self._read = read
        self._together = together
        self._reads_at_once = reads_at_once
        self._waiting: dict[str, asyncio.Future[T | None]] = {}
        self._reading: set[asyncio.Task[None] | None] = set()

    async def find(self, name: str) -> T | None:
        """What has this name, as it is now or later. Raises what the read raises."""
        asked = self._waiting.get(name)
        if asked is None:
            asked = self._waiting[name] = asyncio.get_running_loop().create_future()
            asked.add_done_callback(_hear)
        if len(self._reading) < self._reads_at_once:
            self._reading.add(asyncio.create_task(self._read_all()))
        return await asyncio.shield(asked)  # one of several that wait may be cancelled

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                together = {name: self._waiting.pop(name) for name in list(self._waiting)[: self._together]}
                await self._read_some(together)
        finally:
            # A callback comes one turn later, and a caller in between would wait for a read that has ended.
            self._reading.discard(asyncio.current_task())

    async def _read_some(self, together: dict[str, asyncio.Future[T | None]]) -> None:
        try:
            found = await self._read(list(together))
        except Exception as error:  # whatever it is, it is each asker's
            for asked in together.values():
                asked.set_exception(error)
        else:
            for name, asked in together.items():
                asked.set_result(found.get(name))


def _hear(asked: "asyncio.Future[T | None]") -> None:
    """Its error is somebody's, even if they all have gone."""
    asked.exception()
