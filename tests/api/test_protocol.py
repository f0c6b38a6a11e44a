"""Requests whose head never ends: cut before they fill the memory, and the next request is none the worse for it."""

import gc
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from api.http import protocol
from api.http.heads import MOST_HEAD_BYTES, MOST_URL_BYTES
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watching import wait_until
from tests.conftest import serve_api

START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture
def line(sqlite_api: ApiServer) -> Iterator[socket.socket]:
    """A connection to the API."""
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as opened:
        yield opened


def sent_until_cut(line: socket.socket, piece: bytes, most_bytes: int = 100 * MOST_HEAD_BYTES) -> int:
    """Send this again and again until the other end has closed; how many bytes went out."""
    sent = 0
    try:
        while sent < most_bytes:
            line.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


def everything_from(line: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := line.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (START, b"X-More: " + b"x" * 1000 + b"\r\n"),
        (START + b"X-Long: ", b"x" * 1000),
        (b"GET /", b"x" * 1000),
        (POST + b"0\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"),
        (POST + b"0\r\nX-Long: ", b"x" * 1000),
        (POST + b"1;", b"x" * 1000),
    ],
    ids=["headers", "header", "url", "trailers", "trailer", "extension"],
)
def test_what_is_sent_without_end_before_or_after_a_body_is_cut(
    sqlite_api: ApiServer, line: socket.socket, start: bytes, more: bytes
) -> None:
    line.sendall(start)
    # What the kernel buffers on the way counts as sent, and is some megabytes at most.
    assert sent_until_cut(line, more, 1000 * MOST_HEAD_BYTES) < 1000 * MOST_HEAD_BYTES
    assert httpx.get(f"http://127.0.0.1:{sqlite_api.port}/healthz").status_code == 200


def test_a_head_that_is_too_long_is_told_so(line: socket.socket) -> None:
    line.sendall(START + b"X-Long: " + b"x" * MOST_HEAD_BYTES + b"\r\n\r\n")
    answer = everything_from(line)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"head_too_large"' in answer


def test_a_head_may_have_what_is_allowed_and_bodies_do_not_count(sqlite_api: ApiServer) -> None:
    long = {"X-Long": "x" * (MOST_HEAD_BYTES - 1000), "Content-Type": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", headers=long) as client:
        for _ in range(3):  # one after the other on one connection
            assert client.get("/healthz").status_code == 200
            body = iter([b" " * 50_000] * 10)  # in chunks
            assert client.post("/v1/jobs", content=body).json()["error"]["code"] == "invalid_json"


def test_a_connection_that_rests_keeps_nothing_of_what_was_asked(line: socket.socket) -> None:
    """Thousands may rest, each after a head of 30 kB."""
    asked = (b"x-long", b"marked" * 4000)

    def is_kept() -> bool:
        cycles = [one.cycle for one in connections() if one.cycle is not None]
        heads = [*(one.headers or [] for one in connections()), *(cycle.scope["headers"] for cycle in cycles)]
        return any(asked in head for head in heads)

    line.sendall(START + b"X-Long: " + asked[1] + b"\r\n\r\nGET")  # the next head has begun before the answer
    assert answer_from(line).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: not is_kept())
    line.sendall(b" /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + asked[1] + b"\r\n\r\n")
    assert answer_from(line).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: not is_kept())


def connections() -> list[protocol.BoundedProtocol]:
    """All that are open in this process."""
    return [one for one in gc.get_objects() if isinstance(one, protocol.BoundedProtocol)]


def answer_from(line: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"}"):
        piece = line.recv(65536)
        assert piece, f"the connection was closed after {answer!r}"
        answer += piece
    return answer


def test_what_is_not_http_is_refused_in_the_one_form(line: socket.socket) -> None:
    line.sendall(b"SURPRISE\r\n\r\n")
    answer = everything_from(line)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_http"' in answer


@pytest.mark.parametrize("start", [b"", START, START + b"X-Slow: "], ids=["nothing", "headers", "header"])
def test_a_head_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sqlite_api: ApiServer, start: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(start)
        assert everything_from(line) == b""


def test_a_body_may_take_longer_than_a_head_while_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, sqlite_api: ApiServer, line: socket.socket
) -> None:
    def in_body() -> list[bool]:
        return [one._in_body for one in sqlite_api.server_state.connections]  # type: ignore[union-attr]  # all are of our protocol

    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "LEAST_BODY_BYTES", 1)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 10)
    line.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    line.sendall(b"Content-Length: 4\r\n\r\n{")
    wait_until(lambda: in_body() == [True])
    for piece in b" ", b" ":
        time.sleep(0.2)  # a whole HEAD_SECONDS
        line.sendall(piece)
    line.sendall(b"}")
    assert line.recv(65536).startswith(b"HTTP/1.1 400 ")  # read to its end: the model is missing


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 60000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n4e20\r\n"]
)
def test_a_large_body_that_no_endpoint_reads_is_refused(line: socket.socket, method: bytes, framing: bytes) -> None:
    line.sendall(method + b" /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" + framing + b"x" * 20_000)
    answer = everything_from(line)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body_too_large"' in answer


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_small_body_that_no_endpoint_reads_is_left_aside(sqlite_api: ApiServer, method: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for _ in range(2):
            assert client.request(method, "/v1/jobs/job_0", content=b"x" * 8192).status_code == 404


def test_a_body_is_not_too_slow_when_it_was_we_who_did_not_read_it(sqlite_api: ApiServer, line: socket.socket) -> None:
    line.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    line.sendall(b"Content-Length: 2\r\n\r\n{")
    wait_until(lambda: [one._in_body for one in sqlite_api.server_state.connections] == [True])  # type: ignore[union-attr]  # as above
    (connection,) = sqlite_api.server_state.connections
    assert isinstance(connection, protocol.BoundedProtocol)
    looked = threading.Event()

    def look() -> None:
        connection.flow.pause_reading()
        connection._check_body()  # 20 s have passed, and we did not read
        connection.flow.resume_reading()
        connection._check_body()  # 20 s later; we have read for a moment of them
        looked.set()

    connection.loop.call_soon_threadsafe(look)
    assert looked.wait(60)
    line.sendall(b"}")
    assert line.recv(65536).startswith(b"HTTP/1.1 400 ")  # it was read to its end: the model is missing


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz?" + b"a=b&" * 100 + b"a=b HTTP/1.1\r\n\r\n",
        b"GET /healthz?a=" + b"b" * MOST_URL_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"%41" * (MOST_URL_BYTES // 3 + 1) + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 202,  # without an end: it is not waited for
    ],
    ids=["parameters", "query", "path", "headers"],
)
def test_a_head_that_takes_long_to_parse_is_refused(line: socket.socket, head: bytes) -> None:
    """A hundred with 15,000 parameters each stopped everybody for six seconds."""
    line.sendall(head)
    answer = everything_from(line)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"head_too_large" in answer


def test_too_many_trailers_are_refused_once(line: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    """The second refusal wrote to a connection whose end was sent, which is an error of the loop's."""
    line.sendall(POST + b"0\r\n" + b"a: b\r\n" * 300)
    everything_from(line)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("hosts", "status"),
    [(b"", 400), (b"Host: localhost\r\n", 200), (b"Host: localhost\r\nHost: localhost\r\n", 400)],
    ids=["none", "one", "two"],
)
def test_a_request_has_one_host(line: socket.socket, hosts: bytes, status: int) -> None:
    line.sendall(b"GET /healthz HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    answer = everything_from(line)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b"one Host header" in answer) is (status == 400)


def test_a_key_in_a_trailer_is_none(sqlite_url: str, redis_url: str, sqlite_database: Database) -> None:
    """A proxy that judges the headers has not seen it."""
    key = create_key(sqlite_database)[1].encode()
    with serve_api(sqlite_url, redis_url) as api, socket.create_connection(("127.0.0.1", api.port), timeout=60) as line:
        line.sendall(
            b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\nAuthorization: Bearer " + key + b"\r\n\r\n"
        )
        assert everything_from(line).startswith(b"HTTP/1.1 401 ")
