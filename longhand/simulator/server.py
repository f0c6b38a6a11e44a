"""A streaming OpenAI-compatible upstream for trials, benchmarks and fault tests.

It writes prose of the length that the prompt asks for, at a steady pace, and breaks in the ways that a request orders
in its `simulate` field (see `orders.py`). It is a tool: the product talks to it only when it is told to.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import uvloop

from longhand.simulator.connection import Connection
from longhand.simulator.stats import Stats
from longhand.simulator.stream import Pace, Wheel

__all__ = ["Pace", "ServedSimulator", "Simulator", "run_simulator", "serve_in_thread"]


class Simulator:
    """The server, on the running event loop."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self.stats = Stats()
        self.url = ""
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._wheel: Wheel | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port if `port` is 0. Raises `OSError` if the address is taken."""
        loop = asyncio.get_running_loop()
        wheel = self._wheel = Wheel(loop)
        self._server = await loop.create_server(
            lambda: Connection(self.pace, wheel, self.stats, self._connections),
            host,
            port,
            # A benchmark opens its streams all at once.
            backlog=2048,
        )
        listening = self._server.sockets[0]
        named = f"[{host}]" if listening.family == socket.AF_INET6 else host
        self.url = f"http://{named}:{listening.getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Stop listening and cut what is running."""
        if self._server is None or self._wheel is None:
            return
        self._server.close()
        self._wheel.stop()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None


def run_simulator(host: str, port: int, pace: Pace, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` is given the URL to use as an upstream's base URL."""

    async def serve() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        simulator = Simulator(pace)
        await simulator.start(host, port)
        on_ready(simulator.url)
        await stopped.wait()
        await simulator.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


class ServedSimulator:
    """A simulator that runs in another thread."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.url = simulator.url

    def stats(self) -> dict[str, Any]:
        """What `GET /stats` gives."""
        return self._simulator.stats.snapshot()

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_seconds: float = 60) -> dict[str, Any]:
        """Wait until `holds` of the stats and return them. Raises `TimeoutError`. See `Stats.wait_until`."""
        return self._simulator.stats.wait_until(holds, timeout_seconds)


@contextlib.contextmanager
def serve_in_thread(pace: Pace | None = None) -> Iterator[ServedSimulator]:
    """Serve on a free port in a thread of its own, for as long as the block lasts."""
    started: Future[tuple[ServedSimulator, Callable[[], object]]] = Future()

    async def serve() -> None:
        stopped = asyncio.Event()
        simulator = Simulator(pace)
        await simulator.start()
        loop = asyncio.get_running_loop()
        started.set_result((ServedSimulator(simulator), lambda: loop.call_soon_threadsafe(stopped.set)))
        await stopped.wait()
        await simulator.stop()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    served, stop = started.result()
    try:
        yield served
    finally:
        stop()
        thread.join()
