"""A streaming OpenAI-compatible upstream for trials, benchmarks and fault tests.

It writes prose of the length that the prompt asks for, at a steady pace. It breaks in the ways that a request orders in
its `simulate` field (see `orders.py`), and it has the limits of its `Provider` (see `provider.py`). It is a
tool: the product talks to it only when its URL is given.
"""

import asyncio

from longhand.simulator.connection import Connection, Shared
from longhand.simulator.control import Control, OutageOrder
from longhand.simulator.gate import Gate
from longhand.simulator.listener import Listener
from longhand.simulator.provider import HEALTHY, Provider
from longhand.simulator.slots import Slots
from longhand.simulator.stats import Stats
from longhand.simulator.stream import Pace, Wheel


class Simulator:
    """The server, on the running event loop."""

    def __init__(self, pace: Pace | None = None, provider: Provider = HEALTHY) -> None:
        self.stats = Stats()
        self.gate = Gate(provider)
        self.url = ""
        slots = Slots(provider.slots)
        self.control = Control(self.gate, slots, self._order_outage)
        self._shared = Shared(pace or Pace(), Wheel(), self.stats, self.gate, slots, self.control)
        self._listener = Listener(lambda: Connection(self._shared))
        self._outages: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port if `port` is 0. Raises `OSError` if the address is taken."""
        await self._listener.open(host, port)
        named, port = self._listener.address
        self.url = f"http://{named}:{port}/v1"

    async def stop(self) -> None:
        """Stop listening and cut what is running."""
        for outage in self._outages:
            outage.cancel()
        self._shared.wheel.stop()
        self._cut()
        await self._listener.close()

    # What may happen while it runs.

    async def go_away(self, status: int | None = None) -> None:
        """Answer every request with `status`; None: listen no more, and cut what is running."""
        self.stats.outage("outage")
        self.gate.outage_status = status
        if status is None:
            await self._listener.refuse()
            self._cut()

    async def come_back(self) -> None:
        """Serve as before."""
        self.gate.outage_status = None
        await self._listener.reopen()
        self.stats.outage("outage_over")

    def _cut(self) -> None:
        for connection in list(self._shared.connections):
            connection.cut()

    def _order_outage(self, order: OutageOrder) -> None:
        async def hold() -> None:
            await self.go_away(order.status)
            await asyncio.sleep(order.seconds)
            await self.come_back()

        outage = asyncio.get_running_loop().create_task(hold())
        self._outages.add(outage)
        outage.add_done_callback(self._outages.discard)
