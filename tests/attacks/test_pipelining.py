"""Requests that are sent before the answer to the one before: few of them wait, and each is told of the hang-up."""

import socket
from contextlib import closing, suppress

from api.http.heads import MOST_PIPELINED, PIPELINED_BYTES, PIPELINED_HEADERS
from api.server import ApiServer
from jobs.store.database import Database
from tests.api.watching import PATIENCE_SECONDS, submit, wait_until
from tests.attacks.test_connections import HEALTH, everything_from

_LAST = HEALTH.replace(b"Host:", b"Connection: close\r\nHost:")
_LONG = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)


def test_a_few_requests_at_once_are_answered_in_turn(sqlite_api: ApiServer) -> None:
    with connected(sqlite_api) as line:
        line.sendall(_LONG + HEALTH * (MOST_PIPELINED - 1) + _LAST)
        answers = everything_from(line)
    assert answers.count(b"HTTP/1.1 200 OK") == MOST_PIPELINED + 1
    assert answers.index(b'"openapi"') < answers.index(b'{"status":"ok"}')


def test_a_stranger_cannot_have_any_number_of_requests_wait(sqlite_api: ApiServer) -> None:
    """Before, each answer let 256 KB of further requests in, and a client that reads slowly kept them all waiting."""
    with connected(sqlite_api) as line:
        line.sendall(_LONG * 100)  # fewer bytes than one read: what is not read when it is cut would reset it
        assert everything_from(line).count(b"HTTP/1.1 200 OK") < MOST_PIPELINED + 2


def test_requests_that_wait_have_one_small_head_together(sqlite_api: ApiServer) -> None:
    """Eight with 195 headers each took 200 kB of a connection, and a stranger may have 4,000 of these."""
    few = b"GET /healthz HTTP/1.1\r\nHost: x\r\n%b\r\n"
    many_headers = few % b"".join(b"h%d:\r\n" % number for number in range(PIPELINED_HEADERS // 2))
    long_header = few % (b"h: " + b"x" * (PIPELINED_BYTES // 2) + b"\r\n")
    for head in (many_headers, long_header):
        with connected(sqlite_api) as line:
            line.sendall(_LONG + head * 2)
            assert everything_from(line).count(b"HTTP/1.1 200 OK") < 3
        with connected(sqlite_api) as line:
            line.sendall(_LONG + head + _LAST)
            assert everything_from(line).count(b"HTTP/1.1 200 OK") == 3


def test_requests_that_come_later_wait_outside(sqlite_api: ApiServer) -> None:
    """Sent one by one, so that no read brings in more than may wait; what waits outside is answered, too."""
    with connected(sqlite_api) as line:
        line.sendall(_LONG * 2)
        for _ in range(3 * MOST_PIPELINED):
            line.sendall(HEALTH)
            answered = line.recv(65536)
            assert answered
        line.sendall(_LAST)
        assert everything_from(line).endswith(b'{"status":"ok"}')


def test_a_watch_with_a_request_behind_it_ends_when_its_client_hangs_up(
    sqlite_api: ApiServer, sqlite_database: Database
) -> None:
    job_id = submit(sqlite_database)
    slots = sqlite_api.config.app.state.services.watch_limiter  # type: ignore[union-attr]  # FastAPI's
    with closing(connected(sqlite_api)) as line:
        line.sendall(b"GET /v1/jobs/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % job_id.encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert slots.taken == 1
        line.sendall(HEALTH)
        connections = sqlite_api.server_state.connections
        wait_until(lambda: any(getattr(protocol, "pipeline", None) for protocol in connections))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset, at once
    wait_until(lambda: slots.taken == 0)


def test_a_request_that_waits_behind_another_has_a_small_body(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    """Behind a watch, 300 kB of each were kept as long as that lasted, and counted by nobody."""
    watch = b"GET /v1/jobs/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % submit(sqlite_database).encode()
    post = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with connected(sqlite_api) as line:
        line.sendall(watch + post % 60_000_000 + b" " * 2 * PIPELINED_BYTES)
        with suppress(ConnectionResetError):  # it had not read all of what came
            everything_from(line)
    body = b" " * (PIPELINED_BYTES - 2) + b"{}"
    with connected(sqlite_api) as line:
        line.sendall(_LONG + post % len(body) + body + _LAST)
        assert everything_from(line).endswith(b'{"status":"ok"}')
