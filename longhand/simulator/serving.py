"""One accepted request: its share of the limits, its slot and its record in the stats, each given back exactly once."""

import time
from collections.abc import Callable

from longhand.simulator.gate import Gate, Ticket
from longhand.simulator.slots import Slots
from longhand.simulator.stats import Stats


class Serving:
    """Made when a request is accepted; `start` begins it, now or when a slot is free, and `end` ends it."""

    def __init__(
        self, gate: Gate, slots: Slots, stats: Stats, ticket: Ticket, key: str, model: str, billed_as: str
    ) -> None:
        self._gate = gate
        self._slots = slots
        self._stats = stats
        self._ticket = ticket
        self._key = key
        self._model = model
        self._billed_as = billed_as
        self._waiting: Callable[[], None] | None = None
        self.over = False
        stats.accept(key, model)

    def start(self, begin: Callable[[], None]) -> None:
        """Call `begin` when a slot is free."""

        def run() -> None:
            self._waiting = None
            self._stats.run(self._key, self._model)
            begin()

        self._waiting = run
        if self._slots.enter(run):
            self._stats.wait()

    def end(self, event: str, written_tokens: int) -> None:
        """It is over; `event` as in `Stats.end`."""
        if self.over:
            return
        self.over = True
        self._gate.end(self._ticket, written_tokens, time.monotonic(), completed=event == "completed")
        tokens = self._ticket.prompt_tokens + written_tokens
        self._stats.end(event, self._key, self._model, tokens, was_running=self._waiting is None)
        if self._billed_as:
            self._stats.bill(self._billed_as, self._ticket.prompt_tokens, written_tokens)
        if self._waiting is None:
            self._slots.free()
        else:
            self._slots.leave(self._waiting)
