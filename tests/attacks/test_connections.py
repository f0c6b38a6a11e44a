"""Connections that strangers keep open, or keep busy, without a key: each ends soon, and the others notice nothing."""

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.endpoints import health
from api.http import protocol
from api.http.body_bounds import CHUNKS_FREE
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watching import wait_until
from tests.conftest import serve_api

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SIZED = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 1000")


@pytest.fixture
def locked_api(sqlite_url: str, redis_url: str, sqlite_database: Database) -> Iterator[ApiServer]:
    """An API that wants a key; the attackers have none."""
    create_key(sqlite_database, name="ours")
    with serve_api(sqlite_url, redis_url) as server:
        yield server


@pytest.fixture
def short_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.4)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.4)


@pytest.fixture
def stranger(locked_api: ApiServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", locked_api.port), timeout=60) as opened:
        yield opened


def read_answer(line: socket.socket) -> bytes:
    """The whole first answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += line.recv(65536)
    return head


def everything_from(line: socket.socket) -> bytes:
    """What comes until the other end closes; a timeout of the socket fails the test."""
    answer = b""
    while piece := line.recv(65536):
        answer += piece
    return answer


def is_told_nothing(line: socket.socket) -> bool:
    """Whether the other end closes without a word."""
    try:
        return line.recv(1) == b""
    except ConnectionResetError:  # it had not read all of what came
        return True


def sent_until_cut(line: socket.socket, piece: bytes, most_bytes: int) -> int:
    """Send this again and again until the other end has closed; how many bytes went out."""
    sent = 0
    try:
        while sent < most_bytes:
            line.sendall(piece)
            sent += len(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return sent


def is_cut(line: socket.socket) -> bool:
    """Whether the other end closes; a timeout of the socket fails the test."""
    try:
        while line.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.usefixtures("short_clocks")
@pytest.mark.parametrize(
    ("request_bytes", "status", "then"),
    [
        (HEALTH, b"200", b"\r\n"),
        (HEALTH, b"200", b"\n"),
        (HEALTH, b"200", b""),
        (SIZED, b"401", b"x"),
        (SIZED, b"401", b""),
        (CHUNKED, b"401", b"ff"),
        (CHUNKED, b"401", b"1\r\nx"),
        (CHUNKED, b"401", b"0\r\nX-Trailer: "),
    ],
    ids=["empty line", "half a line", "nothing", "a byte", "no byte", "chunk size", "chunk", "trailer"],
)
def test_no_connection_stays_without_a_request(
    stranger: socket.socket, request_bytes: bytes, status: bytes, then: bytes
) -> None:
    stranger.sendall(request_bytes)
    assert read_answer(stranger).startswith(b"HTTP/1.1 " + status)
    stranger.sendall(then)
    assert is_cut(stranger)


def test_an_answer_before_the_end_of_a_body_says_that_it_is_the_last(stranger: socket.socket) -> None:
    stranger.sendall(SIZED)
    assert b"connection: close" in read_answer(stranger)


@pytest.mark.usefixtures("short_clocks")
def test_a_refused_body_that_goes_on_for_ever_is_cut(locked_api: ApiServer, stranger: socket.socket) -> None:
    stranger.sendall(CHUNKED)
    assert read_answer(stranger).startswith(b"HTTP/1.1 401")
    # What the kernel takes on the way, and LINGER_BYTES.
    assert sent_until_cut(stranger, b"1\r\nx\r\n" * 1000, 64 * 1024 * 1024) < 64 * 1024 * 1024
    assert httpx.get(f"http://127.0.0.1:{locked_api.port}/healthz").status_code == 200


def test_a_body_in_tiny_chunks_is_refused_while_it_comes(sqlite_api: ApiServer) -> None:
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(CHUNKED.replace(b"Host:", b"Expect: 100-continue\r\nHost:"))
        assert line.recv(65536).startswith(b"HTTP/1.1 100")
        line.sendall(b"1\r\nx\r\n" * 40_000)  # all of it is less than LINGER_BYTES, so nothing is reset
        assert b"chunks_too_small" in everything_from(line)
    assert httpx.get(f"http://127.0.0.1:{sqlite_api.port}/healthz").status_code == 200


def test_so_many_small_chunks_are_refused_that_they_are_all_work(sqlite_api: ApiServer) -> None:
    """250 kB of them, from eight connections without a key, stopped everybody for five seconds."""
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(CHUNKED.replace(b"Host:", b"Expect: 100-continue\r\nHost:"))
        assert line.recv(65536).startswith(b"HTTP/1.1 100")
        line.sendall(b"2\r\n  \r\n" * 2 * CHUNKS_FREE)  # less framing than is allowed
        assert b"chunks_too_small" in everything_from(line)


def test_a_body_in_many_chunks_of_a_line_each_is_taken(sqlite_api: ApiServer) -> None:
    lines = [b'{"a": %07d},' % number for number in range(3 * CHUNKS_FREE)]
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/batches", content=iter(lines), timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")


@pytest.mark.usefixtures("short_clocks")
@pytest.mark.parametrize("path", [b"/v1/jobs", b"/v1/batches", b"/v1/files"])
def test_a_body_that_stops_coming_is_not_waited_for(sqlite_api: ApiServer, path: bytes) -> None:
    kind = b"multipart/form-data; boundary=b" if path.endswith(b"files") else b"application/json"
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(SIZED.replace(b"/v1/jobs", path).replace(b"application/json", kind) + b"--b\r\nConte")
        assert read_answer(line).startswith(b"HTTP/1.1 408")
        assert is_cut(line)


def test_the_health_answer_does_not_wait_for_attackers(locked_api: ApiServer) -> None:
    """Four strangers that send refused bodies without end, again and again."""
    ending = threading.Event()
    refused = threading.Semaphore(0)

    def attack() -> None:
        while not ending.is_set():
            with socket.create_connection(("127.0.0.1", locked_api.port), timeout=60) as line:
                try:
                    line.sendall(CHUNKED)
                    read_answer(line)
                    refused.release()
                    while not ending.is_set():
                        line.sendall(b"1\r\nx\r\n" * 1000)
                except OSError:
                    pass
                time.sleep(0.01)  # in this process, whose other threads serve and measure

    attackers = [threading.Thread(target=attack) for _ in range(4)]
    for attacker in attackers:
        attacker.start()
    try:
        for _ in attackers:
            assert refused.acquire(timeout=60)  # the fault fired
        answers = [httpx.get(f"http://127.0.0.1:{locked_api.port}/healthz", timeout=5) for _ in range(20)]
    finally:
        ending.set()
        for attacker in attackers:
            attacker.join()
    assert {answer.status_code for answer in answers} == {200}


def test_all_who_ask_at_once_whether_it_is_ready_share_one_look(
    locked_api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no key and asks for every table: 1,500 at once let nobody else be answered for 12 s."""
    looks: list[Database] = []
    all_asked, look = threading.Event(), health._look_at_tables

    def count(database: Database) -> str:
        looks.append(database)
        all_asked.wait(60)
        return look(database)

    monkeypatch.setattr(health, "_look_at_tables", count)
    monkeypatch.setattr(health, "_DATABASE_SECONDS", 60)
    with ThreadPoolExecutor(30) as strangers:
        url = f"http://127.0.0.1:{locked_api.port}/readyz"
        answers = [strangers.submit(httpx.get, url, timeout=60) for _ in range(30)]
        wait_until(lambda: len(locked_api.server_state.tasks) >= 30)
        all_asked.set()
        assert {answer.result().json()["database"] for answer in answers} == {"ok"}
    assert len(looks) == 1


def test_the_soft_limit_of_descriptors_is_raised() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    script = (
        "import resource; from api.process import raise_descriptor_limit;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); raise_descriptor_limit();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(shown) == hard
