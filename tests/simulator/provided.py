"""For the tests of a simulated provider: one that is served, and requests to it that end or keep running."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from longhand.simulator import Pace, Provider, ServedSimulator, serve_in_thread
from longhand.simulator.provider import make
from tests.simulator.wire import UNPACED, address, asking, ordering, post

SLOW = Pace(deltas_per_second=1, first_delta_seconds=3600)


@contextmanager
def provider(pace: Pace = UNPACED, **fields: Any) -> Iterator[ServedSimulator]:
    with serve_in_thread(pace, make(Provider, fields)) as served:
        yield served


def ask(simulator: ServedSimulator, *, key: str = "k", **fields: Any) -> httpx.Response:
    request = {**ordering(), **fields}
    return httpx.post(
        f"{simulator.url}/chat/completions", json=request, headers={"authorization": f"Bearer {key}"}, timeout=60
    )


def statuses(simulator: ServedSimulator, count: int, **fields: Any) -> list[int]:
    return [ask(simulator, **fields).status_code for _ in range(count)]


@contextmanager
def running(simulator: ServedSimulator, count: int = 1) -> Iterator[list[socket.socket]]:
    """So many requests that the provider has accepted and that do not end."""
    before = simulator.stats()["accepted"]
    connections = [socket.create_connection(address(simulator.url)) for _ in range(count)]
    try:
        for connection in connections:
            connection.sendall(post(asking()))
        simulator.wait_until(lambda stats: stats["accepted"] == before + count)
        yield connections
    finally:
        for connection in connections:
            connection.close()
