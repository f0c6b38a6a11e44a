"""Clients that ask and hang up: what they have asked for is not done when its turn comes."""

import socket
import threading
from functools import partial

import httpx
import pytest

from api.endpoints import query
from api.server import ApiServer
from api.services import Services
from jobs.model.records import Job
from jobs.store.search import list_jobs
from tests.api.watching import PATIENCE_SECONDS, wait_until
from tests.attacks.test_connections import is_told_nothing

GONE = 50


def test_a_search_whose_client_has_gone_is_not_made(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, 22,000 waited in memory for 60 clients, and another search of their project had no answer in a minute."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    made = 0

    def slow(*arguments: object, **named: object) -> tuple[list[Job], bool]:
        nonlocal made
        made += 1
        begun.release()
        assert go_on.wait(PATIENCE_SECONDS)
        return list_jobs(*arguments, **named)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(query, "list_jobs", slow)
    services: Services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # FastAPI's
    waiting = partial(in_line, services)
    first = ask(sqlite_api)
    assert begun.acquire(timeout=PATIENCE_SECONDS)
    others = [ask(sqlite_api) for _ in range(GONE)]
    wait_until(lambda: waiting() == GONE)
    others[0].shutdown(socket.SHUT_WR)
    for line in others[1:]:
        line.close()
    assert waiting() == GONE, "nobody has looked yet"
    last = threading.Thread(target=httpx.get, args=[f"http://127.0.0.1:{sqlite_api.port}/v1/jobs?q=tea"])
    last.start()
    wait_until(lambda: waiting() == GONE + 1)
    go_on.set()
    last.join(PATIENCE_SECONDS)
    assert not last.is_alive()
    assert made == 2, "the first, whose client waits, and the last"
    assert first.recv(15) == b"HTTP/1.1 200 OK"
    assert is_told_nothing(others[0]), "who closes one half has hung up, too"
    assert "ERROR" not in caplog.text
    first.close()
    others[0].close()


def ask(server: ApiServer) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
    line.sendall(b"GET /v1/jobs?q=tea HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return line


def in_line(services: Services) -> int:
    """How many searches wait for their turn."""
    return sum(own.statistics().tasks_waiting for own in services.searches._by_project.values())
