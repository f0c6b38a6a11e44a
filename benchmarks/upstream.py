"""`python -m benchmarks.upstream`: the simulator, each of whose deltas is the time at which it was sent.

A delta is a space and eight digits: microseconds of `CLOCK_MONOTONIC`, modulo 100 s, which every process of a machine
reads alike. So whoever receives it knows how long it was on its way. The pace is `simulate.deltas_per_second` of the
request, each delta its own HTTP chunk; `GET /stats` says how many deltas left too late.
"""

import time
from collections.abc import Iterator
from typing import Any

from longhand.simulator import Upstream, connection, run_simulators
from longhand.simulator.orders import ChatRequest, Orders
from longhand.simulator.script import Completion

WRAP = 100_000_000


def stamp_now() -> int:
    """The time as it stands in a delta."""
    return time.monotonic_ns() // 1000 % WRAP


def _stamps() -> Iterator[str]:
    while True:  # max_tokens of the request ends it
        yield f" {stamp_now():08d}"


class StampedCompletion(Completion):
    """A completion whose text, or endless reasoning, is made while it is sent."""

    def __init__(self, request: ChatRequest, orders: Orders, *given: Any, **named: Any) -> None:
        super().__init__(request, orders, *given, **named)
        if request.max_deltas is not None:
            self.deltas = _stamps()
        if orders.reasoning:
            self.thoughts = _stamps()


def main() -> None:
    """Serve until SIGTERM; the first line says where."""
    connection.Completion = StampedCompletion  # type: ignore[attr-defined]  # imported there, and made only there

    upstream = Upstream(deltas_per_second=50, first_delta_seconds=0)
    run_simulators("127.0.0.1", [upstream], lambda urls: print(f"ready {urls[0]}", flush=True))


if __name__ == "__main__":
    main()
