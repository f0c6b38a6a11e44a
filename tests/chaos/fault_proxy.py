"""A TCP proxy that breaks what passes through it, and counts what it did.

It stands between a process of Longhand and Redis, PostgreSQL or an upstream. It runs on an event loop in a thread of
its own; its methods are called from the test's thread and return when the fault stands.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvloop

from tests.chaos.trap import Action, Direction, Trap

T = TypeVar("T")
_PIECE_BYTES = 1 << 16


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: "FaultProxy", client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.client = client
        self.server = server
        self.swallowing = False
        self.received_bytes = 0
        self._seen: set[Trap] = set()
        self._carried: dict[Trap, bytes] = {}

    def cut(self) -> None:
        """Break both sides at once: the peers see a reset, not an end."""
        self.client.transport.abort()
        self.server.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Pass on what comes from one side, as long as both are there."""
        proxy = self._proxy
        while piece := await reader.read(_PIECE_BYTES):
            self.received_bytes += len(piece) if direction == "to_client" else 0
            if not await proxy.let_pass(direction, len(piece), self.received_bytes):
                self.cut()
                return
            trap = self._caught(piece, direction)
            if trap is not None and not await self._spring(trap):
                return
            if direction == "to_client" and self.swallowing:
                proxy.counts["swallowed"] += 1
                self.cut()
                return
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def _spring(self, trap: Trap) -> bool:
        self._proxy.counts[trap.action] += 1
        if trap.action == "cut":
            self.cut()
        elif trap.action == "swallow":
            self.swallowing = True
        trap.spring()
        if trap.action == "hold" and not await trap.held():
            self.cut()
        return not (trap.action == "cut" or trap.broken_off)

    def _caught(self, piece: bytes, direction: Direction) -> Trap | None:
        for trap in self._proxy.traps:
            if not trap.armed or trap.direction != direction:
                continue
            window = self._carried.get(trap, b"") + piece  # a pattern may come in two pieces
            if trap.after and trap not in self._seen and trap.after in window:
                self._seen.add(trap)
                window = window.partition(trap.after)[2]
            self._carried[trap] = window[-128:]
            if trap.at in window and (trap in self._seen or not trap.after):
                return trap
        return None


class FaultProxy:
    """Listens on a port of its own and forwards to a TCP address or, given a path, to a Unix socket.

    `counts` says what was done: `accepted` and `refused` connections, connections that were `cut` by `cut_all` or a
    trap, pieces `held` by a freeze, answers `swallowed`, and bytes by direction.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self.counts: Counter[str] = Counter()
        self.traps: list[Trap] = []
        self._refusing = False
        self._delay_seconds = 0.0
        self._bytes_left: int | None = None
        self._bytes_each: int | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._flowing: dict[Direction, asyncio.Event] = {"to_server": asyncio.Event(), "to_client": asyncio.Event()}
        self._server = self._run(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    # What a test orders.

    def cut_all(self) -> int:
        """Break every connection now; how many there were. New ones are taken."""
        return self._run(self._cut_all())

    def refuse(self) -> None:
        """Break every connection, and every new one at once, until `heal`."""
        self._refusing = True
        self.cut_all()

    def freeze(self, direction: Direction | None = None) -> None:
        """Pass nothing on, in one direction or in both, until `heal`. Connections are taken and stay open."""
        for one in self._flowing if direction is None else (direction,):
            self._call(self._flowing[one].clear)

    def delay(self, seconds: float) -> None:
        """Pass each piece on so much later, until `heal`."""
        self._delay_seconds = seconds

    def cut_after(self, received_bytes: int) -> None:
        """Break the connection on which the so-many-th byte from now on comes from the server."""
        self._bytes_left = received_bytes

    def cut_each_after(self, received_bytes: int) -> None:
        """Break each connection once so many bytes have come from the server over it, until `heal`."""
        self._bytes_each = received_bytes

    def trap(self, at: bytes, *, after: bytes = b"", action: Action, direction: Direction = "to_server") -> Trap:
        """Set a trap; see `Trap`."""
        trap = Trap(at, after, action, direction, self._call)
        self._call(self.traps.append, trap)
        return trap

    def heal(self) -> None:
        """End every fault, but not a trap that waits or holds."""
        self._refusing = False
        self._delay_seconds = 0.0
        self._bytes_left = self._bytes_each = None
        for flowing in self._flowing.values():
            self._call(flowing.set)

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def close(self) -> None:
        """Break everything and end."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # What the loop does.

    async def let_pass(self, direction: Direction, length: int, received_bytes: int) -> bool:
        """Wait while frozen or delayed; False when the connection is to be cut here."""
        self.counts[f"bytes_{direction}"] += length
        if self._delay_seconds:
            self.counts["delayed"] += 1
            await asyncio.sleep(self._delay_seconds)
        if not self._flowing[direction].is_set():
            self.counts["held"] += 1
            await self._flowing[direction].wait()
        if direction == "to_client" and self._bytes_left is not None:
            self._bytes_left -= length
            if self._bytes_left <= 0:
                self._bytes_left = None
                self.counts["cut"] += 1
                return False
        if direction == "to_client" and self._bytes_each is not None and received_bytes > self._bytes_each:
            self.counts["cut"] += 1
            return False
        return True

    async def _listen(self) -> asyncio.Server:
        for flowing in self._flowing.values():
            flowing.set()
        return await asyncio.start_server(self._take, "127.0.0.1", 0, backlog=512)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.counts["refused"] += 1
            writer.transport.abort()
            return
        self.counts["accepted"] += 1
        try:
            if isinstance(self._target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            self.counts["unreachable"] += 1
            writer.transport.abort()
            return
        link = _Link(self, writer, far_writer)
        self._links.add(link)
        pumps = [
            self._loop.create_task(link.pump(reader, far_writer, "to_server")),
            self._loop.create_task(link.pump(far_reader, writer, "to_client")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.close()
            far_writer.close()

    async def _cut_all(self) -> int:
        links = list(self._links)
        for link in links:
            link.cut()
        self.counts["cut"] += len(links)
        return len(links)

    async def _close(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        async def call() -> None:
            function(*arguments)

        self._run(call())


@contextmanager
def faults_before(target: tuple[str, int] | str) -> Iterator[FaultProxy]:
    """A proxy to this target for as long as the block lasts."""
    proxy = FaultProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
