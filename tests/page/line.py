"""A line between a browser and the API that a test can cut, as a train in a tunnel does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class Line:
    """Carries TCP connections to one port, until it is cut; then it refuses new ones as well."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._carried: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.cut_connections = 0
        """How many connections were open when the line was cut."""

    @classmethod
    @contextmanager
    def to(cls, target: int) -> Iterator[Self]:
        """A line to this port of this machine, in a thread of its own."""
        line = cls(target)
        thread = threading.Thread(target=line._loop.run_forever, name="line")
        thread.start()
        try:
            line.mend()
            yield line
        finally:
            line.cut()
            line._loop.call_soon_threadsafe(line._loop.stop)
            thread.join()
            line._loop.close()

    def cut(self) -> None:
        """Break every connection and take no new one."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def mend(self) -> None:
        """Carry connections again, on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        carried = list(self._carried)
        self.cut_connections += len(carried)
        for one in carried:
            one.cancel()
        await asyncio.gather(*carried, return_exceptions=True)

    async def _carry(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        ends = [near_out]
        try:
            far, far_out = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(far_out)
            await asyncio.gather(_pour(near, far_out), _pour(far, near_out))
        except (asyncio.CancelledError, ConnectionError):
            for end in ends:
                end.transport.abort()
        finally:
            self._carried.discard(task)


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        sink.write(piece)
        await sink.drain()
    sink.close()
    await sink.wait_closed()
