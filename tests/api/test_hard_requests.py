"""Requests that look good and are not: each is refused with its reason, and none of them is an unexpected error."""

import json
import logging
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.server import ApiServer
from tests.api.callers import calling
from tests.conftest import serve_api
from tests.sparing import on_sqlite

BATCH = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error: dict[str, Any] = answer.json()["error"]
    return answer.status_code, str(error["code"]), str(error["message"])


def sent(port: int, request: bytes) -> bytes:
    """The answer to a request that no HTTP client would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize("channel", ["jobs/job_1", "batches/batch_1"])
@pytest.mark.parametrize("token", ["1.%00.x", "1.%ED%A0%80.x", "1.KEY.x", "1..x", "%00", "9999999999.key_1%00.x"])
def test_a_token_that_names_no_key_is_refused(shared_client: httpx.Client, channel: str, token: str) -> None:
    assert error_of(shared_client.get(f"/v1/{channel}/events?token={token}"))[:2] == (401, "invalid_watch_token")


@pytest.mark.parametrize("file_id", ["\ud800", "\x00", "file_1\n", "", "é"])
def test_a_file_that_cannot_be_one_is_not_found(shared_client: httpx.Client, file_id: str) -> None:
    body = json.dumps({"input_file_id": file_id, **BATCH})
    answer = shared_client.post("/v1/batches", content=body, headers={"content-type": "application/json"})
    assert error_of(answer)[:2] == (404, "not_found")


@pytest.mark.parametrize("name", ["created_after", "created_before"])
@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00Z", "-62135596800", "-1", "9999-12-31T23:59:59.9999Z", "253402300799", "1e999"]
)
def test_a_time_at_which_no_job_can_be_made_is_refused(shared_client: httpx.Client, name: str, time: str) -> None:
    status, code, message = error_of(shared_client.get("/v1/jobs", params={name: time}))
    assert (status, code) == (400, "invalid_value")
    assert message.startswith(f"{name}: must be Unix seconds")


def test_a_time_long_ago_and_one_far_ahead_are_taken(client: httpx.Client) -> None:
    wide = {"created_after": "1970-01-01T00:00:00Z", "created_before": "9000-01-01T00:00:00Z"}
    assert client.get("/v1/jobs", params=wide).status_code == 200


def test_more_metadata_filters_than_a_job_has_pairs_are_refused(client: httpx.Client) -> None:
    assert client.get("/v1/jobs", params={f"metadata.{number}": "a" for number in range(16)}).status_code == 200
    status, code, message = error_of(client.get("/v1/jobs", params={f"metadata.{number}": "a" for number in range(17)}))
    assert (status, code) == (400, "invalid_value")
    assert "no job has more than 16" in message


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Origin": "http://["}, "the page of another origin"),
        ({"Host": "x@127.0.0.1"}, "is not this machine's own"),
        ({"CF-Connecting-IP": "127.0.0.1"}, "a proxy asks for somebody else"),
        ({"True-Client-IP": "127.0.0.1"}, "a proxy asks for somebody else"),
        ({"X-Client-IP": "127.0.0.1"}, "a proxy asks for somebody else"),
        ({"X-Original-Host": "127.0.0.1"}, "a proxy asks for somebody else"),
    ],
)
def test_before_there_is_a_key_what_says_that_it_is_of_somebody_else_is_refused(
    sqlite_api: ApiServer, headers: dict[str, str], says: str
) -> None:
    with calling(sqlite_api) as nobody:
        status, code, message = error_of(nobody.get("/v1/jobs", headers=headers))
    assert (status, code) == (403, "no_key_is_set_up")
    assert says in message


def test_before_there_is_a_key_a_proxy_that_speaks_http_1_0_is_told_what_to_do(sqlite_api: ApiServer) -> None:
    answer = sent(sqlite_api.port, b"GET /v1/jobs HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"ask by HTTP/1.1, or make a key with `longhand keys create`" in answer


def test_a_model_with_a_name_without_end_is_unknown(sqlite_url: str, redis_url: str) -> None:
    with serve_api(sqlite_url, redis_url, upstream_url="http://127.0.0.1:1/v1") as api:
        long = b"GET /v1/models/%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (b"{" * 15_000)
        answer = sent(api.port, long)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"model_not_found" in answer


def test_a_folder_that_cannot_be_written_is_told_as_that(
    sqlite_url: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_api(sqlite_url, redis_url, files=Path("/dev/null/files")) as api, calling(api) as client:
        upload = {"file": ("a.jsonl", b"{}")}
        status, code, message = error_of(client.post("/v1/files", files=upload, data={"purpose": "batch"}))
    assert (status, code) == (503, "files_not_writable")
    assert "LONGHAND_FILES" in message
    assert "/dev/null" not in message
    assert "Not a directory" in caplog.text
    assert "unexpected error" not in caplog.text


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/jobs/", "/v1/batches/", "/healthz/"])
def test_a_slash_at_the_end_is_another_path_and_no_redirect(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Host": "longhand.example"})
    assert error_of(answer)[:2] in ((404, "unknown_path"), (403, "no_key_is_set_up"))


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("PATCH", "/v1/files/file_1", "DELETE, GET"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/v1/models/a/b", "GET"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert error_of(answer)[2].endswith(f"it takes {allowed}")


def test_a_path_forges_no_line_of_the_log_while_the_database_is_away(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_arguments: object, **_options: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("server closed the connection"))

    monkeypatch.setattr("api.model_lists.upstream_models.Models.read_one", away)
    with caplog.at_level(logging.ERROR, logger="api.http.errors"), calling(sqlite_api) as client:
        assert client.get("/v1/models/%1B%5B31m%C2%85FORGED").status_code == 503
    assert "/v1/models/%1B%5B31m%C2%85FORGED" in caplog.text
    assert "\x1b" not in caplog.text


def test_a_statement_that_the_database_refuses_is_not_told_as_a_database_that_is_away(
    tmp_path: Path, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_api(f"sqlite:///{tmp_path}/empty.db", redis_url) as api, calling(api) as client:
        answer = client.get("/v1/jobs")
    assert error_of(answer)[:2] == (500, "database_error")
    assert "retry-after" not in answer.headers
    assert "no such table" in caplog.text
