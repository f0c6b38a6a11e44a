"""Descriptors: neither strangers nor one project may take all connections of an API process."""

import socket
from contextlib import ExitStack

import httpx
import pytest

from api.http.connections import Connections
from api.http.errors import ApiError
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watchers import WatcherThread
from tests.api.watching import submit, wait_until
from tests.conftest import serve_api


class Line:
    """A connection that notes whether it was given up."""

    def __init__(self) -> None:
        self.is_open = True

    def give_up(self) -> None:
        self.is_open = False


def test_of_too_many_strangers_the_one_that_did_nothing_for_longest_is_closed() -> None:
    room = Connections(12)  # a quarter of it for strangers
    lines = [Line() for _ in range(5)]
    for line in lines[:3]:
        room.add(line)
    room.rest(lines[0])  # it was answered just now
    for line in lines[3:]:
        room.add(line)
    assert [line.is_open for line in lines] == [True, False, False, True, True]
    assert len(room) == 3


def test_strangers_close_no_connection_that_has_shown_a_key() -> None:
    room = Connections(12)
    running, resting = Line(), Line()
    for line in (running, resting):
        room.add(line)
        room.keep(line, "red")
    room.rest(resting)
    for _ in range(100):
        room.add(Line())
    assert (running.is_open, resting.is_open, len(room)) == (True, True, 5)
    room.keep(resting, "red")
    for line in (running, resting):
        room.rest(line)
        room.remove(line)
    assert len(room) == 3


def test_a_project_has_as_many_connections_as_are_still_free() -> None:
    room = Connections(12)

    def open_all(project: str) -> int:
        """Until one is refused; how many are open then."""
        for number in range(100):
            line = Line()
            room.add(line)
            try:
                room.keep(line, project)
            except ApiError:
                room.remove(line)
                return number
        raise AssertionError("it has them all")

    assert [open_all(project) for project in ("red", "blue", "green")] == [6, 3, 1]


def test_a_connection_that_was_refused_its_place_may_have_it_later() -> None:
    room = Connections(5)
    lines = [Line() for _ in range(3)]
    for line in lines[:2]:
        room.add(line)
        room.keep(line, "red")
    room.rest(lines[1])
    room.add(lines[2])
    room.keep(lines[2], "red")
    with pytest.raises(ApiError) as refused:
        room.keep(lines[1], "red")
    assert (refused.value.status, refused.value.code) == (503, "too_many_connections")
    room.remove(lines[0])
    room.keep(lines[1], "red")
    assert len(room) == 2


def test_half_a_head_on_a_thousand_connections_keeps_nobody_out(
    sqlite_url: str, redis_url: str, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand new ones a second took all descriptors, and everybody was refused."""
    key = create_key(sqlite_database)[1]
    monkeypatch.setattr("api.server.connections_of_process", lambda: Connections(100))
    with serve_api(sqlite_url, redis_url) as server, ExitStack() as lines:
        headers = {"Authorization": f"Bearer {key}"}
        resting = lines.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers))
        assert resting.get("/v1/jobs").status_code == 200
        job_id = submit(sqlite_database)
        watcher = WatcherThread(server.port, job_id, key=key)
        watcher.wait_for(lambda shown: "status" in shown.names())
        for _ in range(1000):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            line.sendall(b"G")
        strangers = next(iter(server.server_state.connections))._room._strangers  # type: ignore[union-attr]  # ours
        wait_until(lambda: len(server.server_state.connections) <= 27)
        assert len(strangers) == 25
        assert httpx.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200
        assert resting.get("/v1/jobs").status_code == 200
        assert resting.post(f"/v1/jobs/{job_id}/cancel").is_success
        assert watcher.join().done["status"] == "cancelled"
