"""For the tests of watchers that read slowly: a client that does not read yet, and the lines when it does."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.http import listener
from tests.api.watching import PATIENCE_SECONDS


@pytest.fixture
def patient_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API waits for a client that reads nothing: on a busy machine ours may not run for 8 s."""
    monkeypatch.setattr(listener, "GONE_SECONDS", 60)


@contextmanager
def slow_client(port: int, job_id: str) -> Iterator[socket.socket]:
    """A client with a small window that asks for the events and does not read them."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE_SECONDS)
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield slow


def unchunked(connection: socket.socket) -> Iterator[bytes]:
    """The lines of a chunked response."""
    with connection.makefile("rb") as answer:
        while answer.readline() != b"\r\n":
            pass
        rest = b""
        while size := int(answer.readline(), 16):
            *lines, rest = (rest + answer.read(size)).split(b"\n")
            answer.readline()
            yield from lines
