"""Of a body hardly anything is read before its endpoint asks for it: until then nobody counts it."""

import socket
import struct

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.http import request_turns
from api.http.body_bounds import LEAST_READ, MOST_READ
from api.http.protocol import BoundedProtocol
from api.http.reading import BoundedReading
from api.server import ApiServer
from tests.api.watching import wait_until

HEAD = (
    b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
)


@pytest.fixture
def nobody_begins(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Requests wait for their turn, which does not come until this is undone."""
    monkeypatch.setattr(request_turns, "PLACES", dict.fromkeys(request_turns.PLACES, 0))
    monkeypatch.setattr(request_turns, "BEGUN_AT_ONCE", 0)
    return monkeypatch


def connection_of(server: ApiServer) -> BoundedProtocol:
    """The only one, when it is not read any more."""

    def unread() -> list[BoundedProtocol]:
        ours = [one for one in server.server_state.connections if isinstance(one, BoundedProtocol)]
        return [one for one in ours if one.flow is not None and one.flow.read_paused]

    wait_until(lambda: len(unread()) == 1)
    return unread()[0]


def test_of_a_body_that_waits_one_small_read_is_in_memory(
    sqlite_api: ApiServer, nobody_begins: pytest.MonkeyPatch
) -> None:
    """Of 4,000 connections without a key, 94 KB each were: 370 MB that no budget counted."""
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(HEAD + b" " * 330_000)
        connection = connection_of(sqlite_api)
        assert len(connection.cycle.body) <= LEAST_READ
        nobody_begins.undo()
        connection.loop.call_soon_threadsafe(connection.give_up)
        wait_until(lambda: not sqlite_api.server_state.connections)


def test_a_request_that_was_reset_while_nobody_read_it_is_not_begun(
    sqlite_api: ApiServer, nobody_begins: pytest.MonkeyPatch
) -> None:
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(HEAD + b" " * 330_000)
        connection_of(sqlite_api)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # who closes it resets it
    nobody_begins.undo()
    begun: list[str] = []
    run = RequestResponseCycle.run_asgi

    async def note(cycle: RequestResponseCycle, app: object) -> None:
        begun.append(cycle.scope["path"])
        await run(cycle, app)  # type: ignore[arg-type]  # an application

    nobody_begins.setattr(RequestResponseCycle, "run_asgi", note)
    assert httpx.get(f"http://127.0.0.1:{sqlite_api.port}/healthz").status_code == 200
    wait_until(lambda: not sqlite_api.server_state.connections)
    assert begun == ["/healthz"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read from now on brings in."""
    sizes: list[int] = []
    updated = BoundedReading.buffer_updated

    def note(reading: BoundedReading, nbytes: int) -> None:
        sizes.append(nbytes)
        updated(reading, nbytes)

    monkeypatch.setattr(BoundedReading, "buffer_updated", note)
    return sizes


def test_at_once_no_more_is_read_of_a_body_than_has_come_of_it(sqlite_api: ApiServer, reads: list[int]) -> None:
    """What is read and not yet counted is as much as is counted at most."""
    body = b'{"requests": [' + b" " * 2_000_000 + b"]}"
    answer = httpx.post(
        f"http://127.0.0.1:{sqlite_api.port}/v1/batches", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400  # it was read to its end: there are no requests in it
    assert sum(reads) > len(body)
    assert all(size <= max(LEAST_READ, sum(reads[:place])) for place, size in enumerate(reads))
    assert LEAST_READ < max(reads) <= MOST_READ


def test_a_read_that_brings_only_framing_is_followed_by_the_next(sqlite_api: ApiServer, reads: list[int]) -> None:
    head = HEAD.replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        sent = 0
        for piece in (head, b"2", b"\r\n", b"{", b"}", b"\r", b"\n0", b"\r\n", b"X-Trailer: 1\r\n", b"\r\n"):
            line.sendall(piece)
            sent += len(piece)
            wait_until(lambda: sum(reads) == sent)  # noqa: B023  # it is asked for at once
        assert line.recv(65536).startswith(b"HTTP/1.1 400 ")  # read to its end: there are no requests
