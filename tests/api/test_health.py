"""Health and readiness, what is answered when something is away or breaks, and what the log says of a request."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.server import ApiServer
from tests.api.watching import wait_until
from tests.conftest import serve_api


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["redis"]) == (200, "ok", "ok")


def test_a_dead_redis_degrades_and_a_database_without_tables_is_unavailable(sqlite_url: str, tmp_path: Any) -> None:
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as server:
        ready = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    with serve_api(f"sqlite:///{tmp_path}/empty.db", "redis://127.0.0.1:1/0") as server:
        ready = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")


@pytest.fixture
def broken(sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, pytest.MonkeyPatch]]:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        yield client, monkeypatch


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    broken: tuple[httpx.Client, pytest.MonkeyPatch],
) -> None:
    client, monkeypatch = broken

    def away(*_arguments: object, **_options: object) -> None:
        raise OperationalError("SELECT secret", {"p": "secret"}, Exception("server closed the connection"))

    monkeypatch.setattr("api.endpoints.query.find_batch", away)
    answer = client.get("/v1/batches/batch_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


def test_an_unexpected_error_is_500_with_an_id_that_the_log_has_and_nothing_else(
    broken: tuple[httpx.Client, pytest.MonkeyPatch], caplog: pytest.LogCaptureFixture
) -> None:
    client, monkeypatch = broken

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("api.endpoints.query.find_batch", fail)
    answer = client.get("/v1/batches/batch_1")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "canary" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text


def test_the_access_log_has_one_line_a_request_and_no_query(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="api.access"):
        answer = client.get("/v1/jobs", params={"q": "canary"})
        wait_until(lambda: answer.headers["x-request-id"] in caplog.text)  # it is written after the answer is sent
    lines = [record.getMessage() for record in caplog.records if record.name == "api.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /v1/jobs 200 ")
    assert lines[0].endswith(answer.headers["x-request-id"])
    assert "canary" not in caplog.text
