"""A Response with `store: false` is erased when its client has it, and not when it was only sent."""

import asyncio
import json
import socket
import struct
from collections.abc import Iterator
from logging import INFO
from types import SimpleNamespace

import httpx
import pytest

from api.http.gone import FollowedTransport
from api.server import ApiServer
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from tests.api.completing import Asking, only_job
from tests.api.responding import rows_of
from tests.api.watching import wait_until
from tests.attacks.test_large_answers import TEXT, budget_of, keys, server
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written

__all__ = ["keys", "server"]

ASK = {"model": "m", "input": "a", "store": False}
PATH = "/v1/responses"
SHORT = TEXT[:200_000]
"""Its answer is not counted as a large one, and is more than the client's socket takes."""


@pytest.fixture
def key(keys: tuple[str, str]) -> dict[str, str]:
    """The header with the key of the client."""
    return {"Authorization": f"Bearer {keys[0]}"}


def end(database: Database, text: str) -> str:
    """Let the one job there is write this text; its id."""
    job_id = only_job(database)
    claim_now(database, job_id, "w", 60)
    assert finish(database, job_id, 1, written(text))
    return job_id


def wait_for_log(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the request is over in the server, with all that follows its answer."""
    wait_until(lambda: any(f"POST {PATH} " in record.getMessage() for record in list(caplog.records)))


def text_of(server: ApiServer, job_id: str, key: dict[str, str]) -> str:
    """The text of the Response, as long as it can be read."""
    response_id = f"resp_{job_id.removeprefix('job_')}"
    answer = httpx.get(f"http://127.0.0.1:{server.port}{PATH}/{response_id}", headers=key, timeout=60)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["output"][0]["content"][0]["text"]
    return text


@pytest.fixture
def asking(server: ApiServer, key: dict[str, str]) -> Iterator[socket.socket]:
    """A connection that takes little at once."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(60)
        line.connect(("127.0.0.1", server.port))
        yield line


def post(line: socket.socket, key: dict[str, str], *, stream: bool) -> None:
    """Send the request for a Response."""
    body = json.dumps({**ASK, "stream": stream})
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nAuthorization: {key['Authorization']}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    line.sendall((head + body).encode())


def reset(line: socket.socket) -> None:
    """Cut the connection, whatever is on its way."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def test_one_whose_answer_found_no_room_can_be_read(
    server: ApiServer, sqlite_database: Database, key: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(INFO, "api.access")
    budget_of(server).held = budget_of(server).most
    waiting = Asking(server.port, PATH, json=ASK, headers=key)
    job_id = end(sqlite_database, TEXT)
    assert waiting.join().status_code == 503
    wait_for_log(caplog)
    budget_of(server).held = 0
    assert text_of(server, job_id, key) == TEXT


@pytest.mark.parametrize("text", [TEXT, SHORT], ids=["large", "short"])
def test_one_whose_client_was_cut_while_it_read_can_be_read(
    server: ApiServer, sqlite_database: Database, key: dict[str, str], caplog: pytest.LogCaptureFixture,
    asking: socket.socket, text: str,
) -> None:  # fmt: skip
    """A socket of the server takes megabytes that the client may never get."""
    caplog.set_level(INFO, "api.access")
    post(asking, key, stream=False)
    job_id = end(sqlite_database, text)
    assert asking.recv(512).startswith(b"HTTP/1.1 200")
    reset(asking)
    wait_for_log(caplog)
    assert text_of(server, job_id, key) == text


def test_one_whose_client_was_cut_before_the_last_events_can_be_read(
    server: ApiServer, sqlite_database: Database, key: dict[str, str], caplog: pytest.LogCaptureFixture,
    asking: socket.socket,
) -> None:  # fmt: skip
    caplog.set_level(INFO, "api.access")
    text, counts = SHORT[:5000], server.config.app.state.services.metrics.counts  # type: ignore[union-attr]  # FastAPI's
    post(asking, key, stream=True)
    job_id = end(sqlite_database, text)
    wait_until(lambda: counts.sent_bytes > 5 * len(text))  # as a delta, at three ends, and in the Response
    reset(asking)
    wait_for_log(caplog)
    assert text_of(server, job_id, key) == text


@pytest.mark.parametrize("text", [TEXT, "short"], ids=["large", "short"])
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_one_that_its_client_has_read_is_erased(
    server: ApiServer, sqlite_database: Database, key: dict[str, str], connection: str, text: str
) -> None:
    """Whichever side closes the connection then."""
    waiting = Asking(server.port, PATH, json=ASK, headers={**key, "Connection": connection})
    job_id = end(sqlite_database, text)
    assert text in waiting.join().text
    wait_until(lambda: rows_of(sqlite_database, job_id) == 0)


class Accepting(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self.ended, self.lost = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.opened.set_result(transport)

    def eof_received(self) -> None:
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


def test_what_was_dropped_with_a_connection_that_we_gave_up_was_not_taken() -> None:
    """The client gets what the system had of it, and acknowledges that."""

    async def give_up() -> bool:
        accepting = Accepting()
        serving = await asyncio.get_running_loop().create_server(lambda: accepting, "127.0.0.1", 0)
        async with serving:
            reader, writer = await asyncio.open_connection(*serving.sockets[0].getsockname())
            transport = await accepting.opened
            connection = SimpleNamespace(transport=transport, given_up=False)
            followed = FollowedTransport(connection)
            followed.write(TEXT.encode())
            assert transport.get_write_buffer_size() > 0
            followed.end()
            await asyncio.sleep(0)  # it begins to wait
            connection.given_up = True
            transport.abort()
            reading = asyncio.create_task(reader.read())
            taken = await followed.is_taken()
            assert 0 < len(await reading) < len(TEXT)
            writer.close()
            return taken

    assert not asyncio.run(give_up())


@pytest.mark.parametrize("when", ["before", "behind"])
def test_what_is_written_when_the_client_has_closed_was_not_taken_and_what_it_had_before_was(when: str) -> None:
    async def close() -> bool:
        accepting = Accepting()
        serving = await asyncio.get_running_loop().create_server(lambda: accepting, "127.0.0.1", 0)
        async with serving:
            reader, writer = await asyncio.open_connection(*serving.sockets[0].getsockname())
            followed = FollowedTransport(SimpleNamespace(transport=await accepting.opened, given_up=False))
            followed.write(b"first")
            assert await reader.readexactly(5) == b"first"
            if when == "behind":
                followed.write(b"last")
                followed.end()
                assert await reader.readexactly(4) == b"last"
            writer.close()
            if when == "before":
                await accepting.ended.wait()
                assert followed.is_closing()
                followed.write(b"last")
                followed.end()
            await accepting.lost.wait()
            return await followed.is_taken()

    assert asyncio.run(close()) is (when == "behind")
