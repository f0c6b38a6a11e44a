"""One read of the whole state serves every caller of a project that asks before it begins; no project waits for
another.
"""

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from api.access.turns import ASKING, Turns
from api.looks import within

T = TypeVar("T")


class _Read(Generic[T]):
    """One read. Until a thread begins it, more callers can join it, and the last one to leave cancels it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self.askers = 0
        self._call = call
        # The thread that begins and the loop that gives up may come at the same time: the first one has it.
        self._claim = Lock()

    def join(self, call: Callable[[], T]) -> bool:
        """Let it be what this one asks for: what that has brought along is newer. False if it has begun."""
        self._call = call
        return not self._claim.locked()

    def begin(self) -> T:
        """Read, in a thread."""
        if not self._claim.acquire(blocking=False):
            raise TimeoutError("nobody waits for it any more")
        return self._call()

    def give_up(self) -> bool:
        """Let it never begin; False if it has begun."""
        return self._claim.acquire(blocking=False)


class SharedReads(Generic[T]):
    """`most` threads; a project uses one at a time."""

    def __init__(self, most: int) -> None:
        self._turns = Turns(most, of_one=1)
        self._open: dict[str, tuple[_Read[T], asyncio.Task[T]]] = {}

    async def read(self, seconds: float, call: Callable[[], T]) -> T:
        """What this `call` gives or that of one who asks later, begun no earlier than this. Raises TimeoutError after
        so many seconds: a read that has begun goes on alone then, and one that nobody waits for any more does not
        begin.
        """
        project = ASKING.get()
        read, task = self._open.get(project, (None, None))
        if read is None or task is None or not read.join(call):
            read = _Read(call)
            task = asyncio.create_task(self._turns.run(read.begin))
            self._open[project] = read, task
            task.add_done_callback(lambda _: self._forget(project, read))
        read.askers += 1
        try:
            return await within(seconds, asyncio.shield(task))
        finally:
            read.askers -= 1
            if not read.askers and read.give_up():
                task.cancel()

    def _forget(self, project: str, read: _Read[T]) -> None:
        if project in self._open and self._open[project][0] is read:
            del self._open[project]
