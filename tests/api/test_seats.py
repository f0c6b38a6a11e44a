"""How many may watch with one key, and that a seat is free again however its watcher left."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from api.main import ApiServer
from jobs.database import Database
from tests.api.callers import blue, calling, closed_api, code_of, red, secrets
from tests.api.watching import REQUEST, submit, wait_until
from tests.conftest import serve_api

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures

MOST = 3


@pytest.fixture
def narrow_api(secrets: dict[str, str], database_url: str, redis_url: str) -> Iterator[ApiServer]:
    """An API whose keys may have three watchers each."""
    with serve_api(database_url, redis_url, max_watchers_per_key=MOST) as server:
        yield server


def taken(api: ApiServer) -> int:
    return int(api.config.app.state.parts.seats.taken)  # type: ignore[union-attr]  # it is the application


def hung_up(port: int, path: str, secret: str) -> None:
    """Watch, and break the connection without a goodbye while events are under way."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        assert b"200 OK" in line.recv(4096)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end


def test_one_watcher_too_many_is_told_how_many_it_may_have(narrow_api: ApiServer, secrets: dict[str, str]) -> None:
    with calling(narrow_api, secrets["blue"]) as blue, calling(narrow_api, secrets["red"]) as red, ExitStack() as open_:
        job = blue.post("/v1/jobs", json=REQUEST).json()["id"]
        batch = blue.post("/v1/batches", json={"requests": [{"custom_id": "a", "body": REQUEST}]}).json()["id"]
        token = blue.post("/v1/watch_tokens", json={"channel": f"jobs/{job}"}).json()["token"]
        # However they come, by key or by token, to a job or a batch, they are counted together.
        for path in (f"/v1/jobs/{job}/events", f"/v1/batches/{batch}/events", f"/v1/jobs/{job}/events?token={token}"):
            assert open_.enter_context(blue.stream("GET", path)).status_code == 200
        for path in (f"/v1/jobs/{job}/events", f"/v1/batches/{batch}/events", f"/v1/jobs/{job}/events?token={token}"):
            refused = blue.get(path)
            assert code_of(refused) == (429, "too_many_watchers")
            assert refused.headers["retry-after"] == "5"
            assert "this API key has 3 watchers" in refused.json()["error"]["message"]
        assert taken(narrow_api) == MOST
        own = red.post("/v1/jobs", json=REQUEST).json()["id"]
        assert open_.enter_context(red.stream("GET", f"/v1/jobs/{own}/events")).status_code == 200
        assert blue.get(f"/v1/jobs/{job}").status_code == 200
    wait_until(lambda: taken(narrow_api) == 0)


def test_a_seat_is_free_again_however_its_watcher_left(narrow_api: ApiServer, secrets: dict[str, str]) -> None:
    with calling(narrow_api, secrets["blue"]) as blue:
        job = blue.post("/v1/jobs", json=REQUEST).json()["id"]
        for _ in range(4 * MOST):
            hung_up(narrow_api.port, f"/v1/jobs/{job}/events", secrets["blue"])
            wait_until(lambda: taken(narrow_api) < MOST)
        wait_until(lambda: taken(narrow_api) == 0)
        # One that is told the end at once, and one that is refused, hold none either.
        blue.post(f"/v1/jobs/{job}/cancel")
        for _ in range(2 * MOST):
            assert blue.get(f"/v1/jobs/{job}/events").status_code == 200
            assert blue.get("/v1/jobs/job_none/events").status_code == 404
        wait_until(lambda: taken(narrow_api) == 0)


def test_without_keys_the_project_has_as_many(sqlite_url: str, sqlite_database: Database, redis_url: str) -> None:
    with (
        serve_api(sqlite_url, redis_url, max_watchers_per_key=1) as api,
        calling(api) as nobody,
        nobody.stream("GET", f"/v1/jobs/{submit(sqlite_database)}/events") as first,
    ):
        assert first.status_code == 200
        refused: httpx.Response = nobody.get(f"/v1/jobs/{submit(sqlite_database)}/events")
        assert code_of(refused) == (429, "too_many_watchers")
        assert "the project 'default' has 1 watchers" in refused.json()["error"]["message"]
