"""Readings without a socket: the bytes of each answer come in exactly the given pieces.

Over loopback the kernel joins what is sent in pieces, so what depends on the cuts is tested with this.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from unittest import mock

import httpx
import uvloop

from tests.upstream.reading import BODY
from worker.upstream import Clocks, Ending, Upstream
from worker.upstream import stream as stream_module
from worker.upstream.errors import UpstreamError
from worker.upstream.http.client import HttpClient, Response
from worker.upstream.http.connection import Connection

URL = "http://provider.test/v1"
Outcome = tuple[Ending | UpstreamError, str]


@dataclass
class Fed:
    """What came of it: each reading's outcome with its text, and the bodies that were asked with."""

    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)


class _Wire(asyncio.Transport):
    """Answers a request with pieces, then hangs up."""

    def __init__(self, connection: Connection, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._connection = connection
        self._pieces = list(pieces)
        self._is_open = True

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        asyncio.get_running_loop().call_soon(self._feed)

    def abort(self) -> None:
        self._is_open = False

    def _feed(self) -> None:
        if not self._is_open:
            return
        if not self._pieces:
            self._connection.connection_lost(None)
            return
        self._connection.data_received(self._pieces.pop(0))
        asyncio.get_running_loop().call_soon(self._feed)


class _FedClient(HttpClient):
    """The n-th request gets the n-th answer, later ones the last."""

    def __init__(self, answers: Sequence[Sequence[bytes]], fed: Fed) -> None:
        super().__init__(httpx.URL(URL), URL)
        self._answers = answers
        self._fed = fed

    async def post(self, headers: Mapping[str, str], content: bytes) -> Response:
        self._fed.asked.append(content)
        return await super().post(headers, content)

    async def _connect(self) -> Connection:
        connection = Connection(URL)
        answer = self._answers[min(len(self._fed.asked), len(self._answers)) - 1]
        connection.connection_made(_Wire(connection, answer))
        return connection


def feed(*answers: Sequence[bytes], readings: int = 1, body: Mapping[str, object] | None = None, **options: Any) -> Fed:
    """Read these answers, one after the other, with one `Upstream`."""
    fed = Fed()
    client = _FedClient(answers, fed)

    async def run() -> None:
        with mock.patch.object(stream_module, "HttpClient", return_value=client):
            upstream = Upstream(URL, "sk-a-key-of-tests", Clocks(), **options)
        for _ in range(readings):
            fed.outcomes.append(await _read(upstream, {**BODY, **(body or {})}))
        await upstream.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return fed


async def _read(upstream: Upstream, body: dict[str, object]) -> Outcome:
    pieces: list[str] = []
    try:
        return await upstream.stream(body, pieces.append), "".join(pieces)
    except UpstreamError as error:
        return error, "".join(pieces)


def cut(wire: bytes, places: Iterable[int]) -> list[bytes]:
    """The same bytes, cut at these places (taken modulo their number)."""
    edges = [0, *sorted({place % (len(wire) + 1) for place in places}), len(wire)]
    return [wire[start:end] for start, end in pairwise(edges) if start != end]
