"""Ways to run simulators: until a signal, for the command, or in a thread, for tests."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import uvloop

from longhand.simulator.provider import HEALTHY, Provider, Upstream, changed
from longhand.simulator.server import Simulator
from longhand.simulator.stream import Pace


def run_simulators(host: str, upstreams: Sequence[Upstream], on_ready: Callable[[list[str]], None]) -> None:
    """Serve all of them until SIGINT or SIGTERM. `on_ready` is given their URLs, to use as upstreams' base URLs.

    Raises `OSError` if a port is taken.
    """

    async def serve() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        simulators = []
        try:
            for upstream in upstreams:
                pace = Pace(upstream.deltas_per_second, upstream.first_delta_seconds)
                simulators.append(Simulator(pace, upstream))
                await simulators[-1].start(host, upstream.port)
            on_ready([simulator.url for simulator in simulators])
            await stopped.wait()
        finally:
            for simulator in simulators:
                await simulator.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


class ServedSimulator:
    """A simulator that runs in another thread. Each method returns when what it does is in force."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._simulator = simulator
        self._loop = loop
        self.url = simulator.url

    def stats(self) -> dict[str, Any]:
        """What `GET /stats` gives."""
        return self._simulator.stats.snapshot()

    def ledger(self) -> dict[str, tuple[int, int]]:
        """The tokens that each request has read and written, by its `Idempotency-Key`, once it is over."""
        with self._simulator.stats.changed:
            return dict(self._simulator.stats.ledger)

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_seconds: float = 60) -> dict[str, Any]:
        """Wait until `holds` of the stats and return them. Raises `TimeoutError`. See `Stats.wait_until`."""
        return self._simulator.stats.wait_until(holds, timeout_seconds)

    def go_away(self, status: int | None = None) -> None:
        """Answer every request with `status`; None: listen no more, and cut what is running."""
        self._in_loop(lambda: self._simulator.go_away(status))

    def come_back(self) -> None:
        """Serve as before `go_away`."""
        self._in_loop(self._simulator.come_back)

    def change_limits(self, **changes: Any) -> None:
        """Change some fields of `Limits`; None takes a limit away."""
        control, gate = self._simulator.control, self._simulator.gate
        self._in_loop(lambda: control.change_limits(changed(gate.limits, changes)))

    def top_up(self, completions: int) -> None:
        """Pay for so many completions more."""
        self._in_loop(lambda: self._simulator.gate.top_up(completions))

    def run_out_of_credit(self) -> None:
        """Pay for nothing more, until `top_up`."""
        self._in_loop(self._simulator.gate.run_out)

    def refuse_key(self, refused: bool = True) -> None:
        """Refuse every key, or none any more."""
        self._simulator.gate.key_refused = refused

    def _in_loop(self, change: Callable[[], Awaitable[None] | None]) -> None:
        async def carry_out() -> None:
            if (waits := change()) is not None:
                await waits

        asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result(timeout=60)


@contextlib.contextmanager
def serve_in_thread(pace: Pace, provider: Provider = HEALTHY) -> Iterator[ServedSimulator]:
    """Serve on a free port in a separate thread, for as long as the block lasts."""
    started: Future[tuple[ServedSimulator, Callable[[], object]]] = Future()

    async def serve() -> None:
        stopped = asyncio.Event()
        simulator = Simulator(pace, provider)
        await simulator.start()
        loop = asyncio.get_running_loop()
        started.set_result((ServedSimulator(simulator, loop), lambda: loop.call_soon_threadsafe(stopped.set)))
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
