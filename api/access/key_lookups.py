"""Look-ups of keys, those that come at once in one read: strangers may send any number of keys that there are not."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from jobs.store.keys import ApiKey

MOST_TOGETHER = 200
READS_AT_ONCE = 2


class KeyLookups:
    """Reads with `read` what is asked for, in few reads at a time. Each answers those who came before it began, and no
    others: a key may have been made meanwhile.
    """

    def __init__(self, read: Callable[[Collection[str]], Awaitable[dict[str, ApiKey]]]) -> None:
        self._read = read
        self._waiting: dict[str, asyncio.Future[ApiKey | None]] = {}
        self._reading: set[asyncio.Task[None] | None] = set()

    async def find(self, name: str) -> ApiKey | None:
        """The key with this name. Raises what the read raises."""
        asked = self._waiting.get(name)
        if asked is None:
            asked = self._waiting[name] = asyncio.get_running_loop().create_future()
            asked.add_done_callback(_hear)
        if len(self._reading) < READS_AT_ONCE:
            self._reading.add(asyncio.create_task(self._read_all()))
        return await asyncio.shield(asked)

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                together = {name: self._waiting.pop(name) for name in list(self._waiting)[:MOST_TOGETHER]}
                await self._read_some(together)
        finally:
            # A callback comes one turn later, and a caller in between would wait for a read that has ended.
            self._reading.discard(asyncio.current_task())

    async def _read_some(self, together: dict[str, asyncio.Future[ApiKey | None]]) -> None:
        try:
            found = await self._read(list(together))
        except Exception as error:  # whatever it is, it is each asker's
            for asked in together.values():
                asked.set_exception(error)
        else:
            for name, asked in together.items():
                asked.set_result(found.get(name))


def _hear(asked: "asyncio.Future[ApiKey | None]") -> None:
    """Its error is somebody's, even if they all have gone."""
    asked.exception()
