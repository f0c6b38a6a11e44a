"""Looks up the names of webhooks. Their name servers may be anybody's, and may never answer.

A thread that waits for one cannot be ended, so it counts until it ends by itself. A project whose names hang has soon
used up its threads, and is then refused at once; the names of others are looked up meanwhile.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass

from jobs.webhooks.addresses import LookUp, look_up

LOOKUP_SECONDS = 6.0
"""A first name server that is away takes the system 5 s; then it asks the next one."""

AT_ONCE, PER_PROJECT = 64, 4
"""How many names one process looks up at once: in all, and for one project."""

_Name = tuple[str, str, int]
"""The project that asks, the host and the port."""


@dataclass(frozen=True, slots=True)
class _LookingUp:
    found: asyncio.Future[list[str] | Exception]
    late_at: float


class Lookups:
    """Those of one event loop. Those of a project for the same host and port share one."""

    def __init__(self, find: LookUp = look_up) -> None:
        self.look_up = find
        self._going: dict[_Name, _LookingUp] = {}

    async def find(self, project: str, host: str, port: int) -> list[str]:
        """All addresses of a name. Raises OSError when it has none, which is TimeoutError when nobody says so in
        time.
        """
        name = project, host, port
        async with asyncio.timeout(LOOKUP_SECONDS):
            while (going := self._going.get(name)) is None:
                if not (before := self._in_the_way(project)):
                    going = self._begin(name)
                    break
                self._refuse_late(before)
                await asyncio.wait([one.found for one in before], return_when=asyncio.FIRST_COMPLETED)
            self._refuse_late([going])
            found = await asyncio.shield(going.found)
        if isinstance(found, Exception):
            raise found
        return found

    def _in_the_way(self, project: str) -> list[_LookingUp]:
        """Those of which one must end before this project may begin another one."""
        own = [one for (of_project, *_), one in self._going.items() if of_project == project]
        if len(own) >= PER_PROJECT:
            return own
        return list(self._going.values()) if len(self._going) >= AT_ONCE else []

    def _refuse_late(self, before: list[_LookingUp]) -> None:
        now = asyncio.get_running_loop().time()
        if all(one.late_at <= now and not one.found.done() for one in before):
            raise TimeoutError

    def _begin(self, name: _Name) -> _LookingUp:
        loop = asyncio.get_running_loop()
        going = self._going[name] = _LookingUp(loop.create_future(), loop.time() + LOOKUP_SECONDS)

        def end(found: list[str] | Exception) -> None:
            del self._going[name]
            going.found.set_result(found)

        def run() -> None:
            try:
                found: list[str] | Exception = self.look_up(name[1], name[2])
            except Exception as error:  # it belongs to those that wait
                found = error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, found)

        # A daemon: neither does the end of the process wait for a name server.
        threading.Thread(target=run, name="webhook-name", daemon=True).start()
        return going
