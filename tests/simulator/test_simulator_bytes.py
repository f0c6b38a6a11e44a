"""Faults in the bytes of a stream: how they are cut, how lines end, how long they are, what they hold."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from longhand.simulator import ServedSimulator, serve_in_thread
from longhand.simulator.connection import Connection
from tests.simulator.wire import (
    UNPACED,
    address,
    asking,
    contents,
    events,
    exchange,
    http_chunks,
    ordering,
    post,
    receive_until,
    text_of,
)


@pytest.fixture
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(UNPACED) as served:
        yield served


class Recorded:
    """A transport whose writes are kept. What arrives says nothing of them: a busy machine joins any number."""

    def __init__(self, transport: asyncio.BaseTransport, writes: list[bytes]) -> None:
        self._transport = transport
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        cast("asyncio.Transport", self._transport).write(data)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the simulator writes to its connections, each write by itself."""
    kept: list[bytes] = []
    made = Connection.connection_made

    def record(connection: Connection, transport: asyncio.BaseTransport) -> None:
        made(connection, cast("asyncio.BaseTransport", Recorded(transport, kept)))

    monkeypatch.setattr(Connection, "connection_made", record)
    return kept


@pytest.mark.parametrize("size", [1, 7])
def test_writes_can_be_cut_inside_characters_and_the_bytes_stay_the_same(
    simulator: ServedSimulator, writes: list[bytes], size: int
) -> None:
    request = asking(simulate={"deltas": ["雷锋", "🌱", "."], "bytes_per_write": size})
    raw = exchange(simulator.url, request)
    assert text_of(events(b"".join(http_chunks(raw)).decode())) == "雷锋🌱."
    assert b"".join(writes) == raw
    assert max(map(len, writes)) == size
    assert simulator.stats()["faults"] == {"bytes_per_write": 1}


def test_a_cut_comes_after_the_last_of_the_small_writes(simulator: ServedSimulator) -> None:
    raw = exchange(simulator.url, ordering(bytes_per_write=5, cut_after=2))
    assert contents(http_chunks(raw)) == "ab"
    assert simulator.stats()["faults"] == {"bytes_per_write": 1, "cut_after": 1}


def test_a_long_line_has_its_length_and_is_never_held_in_memory(simulator: ServedSimulator) -> None:
    length = 100_000_000
    longest = line = most_pages = 0
    before = resident_pages()
    with httpx.stream(
        "POST", f"{simulator.url}/chat/completions", json=ordering(long_line=length), timeout=30
    ) as response:
        for piece in response.iter_raw():
            first, *rest = piece.split(b"\n")
            line += len(first)
            for other in rest:
                longest, line = max(longest, line), len(other)
            most_pages = max(most_pages, resident_pages())
    assert longest == length
    assert (most_pages - before) * 4096 < 16_000_000
    assert simulator.stats()["faults"] == {"long_line": 1}


def test_a_reader_that_stops_holds_up_only_its_own_stream_and_no_memory(simulator: ServedSimulator) -> None:
    length = 100_000_000
    with socket.create_connection(address(simulator.url)) as slow:
        before = resident_pages()
        slow.sendall(post(ordering(long_line=length)))
        received = len(receive_until(slow, b"xxx"))
        for _ in range(20):
            httpx.post(f"{simulator.url}/chat/completions", json=ordering())
        assert (resident_pages() - before) * 4096 < 16_000_000
        assert simulator.stats()["completed"] == 20
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            piece = slow.recv(1_000_000)
            received += len(piece)
            tail = (tail + piece)[-16:]
    assert received > length
    assert simulator.wait_until(lambda stats: stats["completed"] == 21)["late_deltas"] == 0


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])


def test_lines_can_end_in_crlf_after_a_byte_order_mark(simulator: ServedSimulator) -> None:
    body = b"".join(http_chunks(exchange(simulator.url, ordering(crlf=True, bom=True))))
    assert body.startswith(b"\xef\xbb\xbfdata: ")
    assert body.count(b"\r\n") == body.count(b"\n") == 2 * 6
    assert simulator.stats()["faults"] == {"crlf": 1, "bom": 1}


def test_odd_shapes_come_before_the_first_delta_and_before_the_end(simulator: ServedSimulator) -> None:
    shapes = ["empty_choices", "null_content", "reasoning", "tool_calls", "refusal"]
    chunks = events(b"".join(http_chunks(exchange(simulator.url, ordering(shapes=shapes)))).decode())
    assert text_of(chunks) == "abc"
    for odd in (chunks[1:6], chunks[9:14]):
        assert odd[0]["choices"] == []
        deltas = [chunk["choices"][0]["delta"] for chunk in odd[1:]]
        assert deltas[0] == {"content": None}
        assert [next(iter(delta.keys() - {"content"})) for delta in deltas[1:]] == [
            "reasoning_content",
            "tool_calls",
            "refusal",
        ]
    assert simulator.stats()["faults"] == {"shapes": 1}
