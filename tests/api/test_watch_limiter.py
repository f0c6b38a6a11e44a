"""How many may watch with one key, and that a seat is free again however its watcher left."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle.rescue import cancel_job
from jobs.store.database import Database
from jobs.store.keys import list_keys, revoke_key
from tests.api.callers import blue, calling, closed_api, code_of, red, secrets
from tests.api.completing import Asking, newest, only_job, streaming
from tests.api.watching import REQUEST, submit, wait_until
from tests.conftest import serve_api
from tests.sparing import on_sqlite

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures

MOST = 3


@pytest.fixture
def narrow_api(secrets: dict[str, str], database_url: str, redis_url: str) -> Iterator[ApiServer]:
    """An API whose keys may have three watchers each."""
    with serve_api(database_url, redis_url, max_watchers_per_key=MOST) as server:
        yield server


def taken(api: ApiServer) -> int:
    return int(api.config.app.state.services.watch_limiter.taken)  # type: ignore[union-attr]  # it is the application


def hung_up(port: int, path: str, secret: str) -> None:
    """Watch, and break the connection without a goodbye while events are under way."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        assert b"200 OK" in line.recv(4096)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end


@on_sqlite
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


@on_sqlite
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


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", REQUEST), ("/v1/responses", {"model": "m", "input": "Write."})]
)
def test_who_is_refused_a_seat_has_made_no_job(
    sqlite_url: str, sqlite_database: Database, redis_url: str, path: str, body: dict[str, Any], stream: bool
) -> None:
    with serve_api(sqlite_url, redis_url, max_watchers_per_key=1) as api, calling(api) as client:
        first = Asking(api.port, path, json={**body, "stream": stream})
        job = only_job(sqlite_database)
        # The first one still waits for its first text. The SDK repeats a 429: it must not have made a job.
        assert code_of(client.post(path, json={**body, "stream": stream})) == (429, "too_many_watchers")
        assert only_job(sqlite_database) == job
        cancel_job(sqlite_database, job)
        first.join()
        wait_until(lambda: taken(api) == 0)


def test_a_refused_body_and_a_reused_key_give_their_seats_back(sqlite_api: ApiServer) -> None:
    with calling(sqlite_api) as client:
        for path in ("/v1/chat/completions", "/v1/responses"):
            assert client.post(path, json={"model": 1}).status_code == 400
            assert client.post("/v1/jobs", json=REQUEST, headers={"Idempotency-Key": path}).status_code == 202
            body = REQUEST if path != "/v1/responses" else {"model": "m", "input": "Write."}
            assert client.post(path, json=body, headers={"Idempotency-Key": path}).status_code == 409
    assert taken(sqlite_api) == 0


@on_sqlite
def test_who_waits_with_a_key_that_is_revoked_is_told_so(
    closed_api: ApiServer, secrets: dict[str, str], database: Database, valkey_client: redis.Redis
) -> None:
    key = {"Authorization": f"Bearer {secrets['blue']}"}
    with streaming(closed_api, database, valkey_client, headers=key) as (writer, response):
        whole = Asking(closed_api.port, json=REQUEST, headers=key)
        wait_until(lambda: bool(newest(database)))
        waiting = newest(database)
        revoke_key(database, next(one for one in list_keys(database) if one.project == "blue").id)
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
        assert '"code":"invalid_api_key"' in lines[-1]
        assert writer.job_id in lines[-1]
    refused = whole.join()
    assert code_of(refused) == (401, "invalid_api_key")
    assert (refused.headers["x-job-id"], refused.headers["x-should-retry"]) == (waiting, "false")


def test_who_hangs_up_while_it_waits_is_logged_as_that(
    sqlite_api: ApiServer, sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "api.access")
    waiting = http.client.HTTPConnection("127.0.0.1", sqlite_api.port)
    waiting.request("POST", "/v1/chat/completions", json.dumps(REQUEST), {"content-type": "application/json"})
    wait_until(lambda: bool(newest(sqlite_database)))
    waiting.close()
    wait_until(lambda: any(" 499 " in line for line in caplog.messages))
    assert not any(" 503 " in line for line in caplog.messages)
