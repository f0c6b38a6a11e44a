"""A streaming OpenAI-compatible upstream for trials, benchmarks and fault tests.

It writes prose of the length that the prompt asks for, at a steady pace. It breaks in the ways that a request orders in
its `simulate` field (see `orders.py`), and it has the limits and outages of its `Provider` (see `provider.py`). It is a
tool: the product talks to it only when it is told to.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from longhand.simulator.connection import Connection, Shared
from longhand.simulator.control import Control, OutageOrder
from longhand.simulator.gate import Gate
from longhand.simulator.listener import Listener
from longhand.simulator.provider import HEALTHY, Limits, Provider
from longhand.simulator.slots import Slots
from longhand.simulator.stats import Stats
from longhand.simulator.stream import Pace, Wheel

"""A provider that takes everything and never fails."""


class Simulator:
    """The server, on the running event loop."""

    def __init__(self, pace: Pace | None = None, provider: Provider = HEALTHY) -> None:
        self.pace = pace or Pace()
        self.provider = provider
        self.stats = Stats()
        self.url = ""
        self._shared: Shared | None = None
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port if `port` is 0. Raises `OSError` if the address is taken."""
        wheel = Wheel(asyncio.get_running_loop())
        gate = Gate(self.provider, time.monotonic())
        slots = Slots(self.provider.slots)
        shared = Shared(self.pace, wheel, self.stats, gate, slots, Control(gate, slots, self._order_outage))
        listener = Listener(lambda: Connection(shared))
        await listener.open(host, port)
        self._shared, self._listener = shared, listener
        named, port = listener.address
        self.url = f"http://{named}:{port}/v1"
        if self.provider.outages:
            self._run(self._hold_outages(time.monotonic()))

    async def stop(self) -> None:
        """Stop listening and cut what is running."""
        if self._listener is None or self._shared is None:
            return
        for task in self._tasks:
            task.cancel()
        self._shared.wheel.stop()
        self._cut()
        await self._listener.close()
        self._listener = None

    # What may happen while it runs.

    async def go_away(self, status: int | None = None) -> None:
        """Answer every request with `status`; None: listen no more, and cut what is running."""
        assert self._shared is not None and self._listener is not None, "it has started"  # noqa: S101, PT018
        self.stats.outage("outage")
        self._shared.gate.outage_status = status
        if status is None:
            await self._listener.refuse()
            self._cut()

    async def come_back(self) -> None:
        """Serve as before."""
        assert self._shared is not None and self._listener is not None, "it has started"  # noqa: S101, PT018
        self._shared.gate.outage_status = None
        await self._listener.reopen()
        self.stats.outage("outage_over")

    def change_limits(self, limits: Limits) -> None:
        """Go by other limits from now on; what was used stays used."""
        assert self._shared is not None, "it has started"  # noqa: S101
        self._shared.control.change_limits(limits)

    @property
    def gate(self) -> Gate:
        """What the provider counts, and the switches for its credit and its key."""
        assert self._shared is not None, "it has started"  # noqa: S101
        return self._shared.gate

    def _cut(self) -> None:
        if self._shared is not None:
            for connection in list(self._shared.connections):
                connection.cut()

    def _order_outage(self, order: OutageOrder) -> None:
        async def hold() -> None:
            await self.go_away(order.status)
            await asyncio.sleep(order.seconds)
            await self.come_back()

        self._run(hold())

    async def _hold_outages(self, started: float) -> None:
        for outage in sorted(self.provider.outages, key=lambda outage: outage.start):
            await asyncio.sleep(started + outage.start - time.monotonic())
            await self.go_away(outage.status)
            await asyncio.sleep(started + outage.end - time.monotonic())
            await self.come_back()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an outage of the simulator failed", "exception": error}
            )
