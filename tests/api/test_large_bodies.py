"""Bodies that would hold the interpreter or fill the memory: refused by their bytes, before they are decoded."""

import json
import threading
from typing import Any

import httpx
import pytest

from api.server import ApiServer
from api.submitting import bodies
from api.submitting.slices import MOST_VALUES
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from tests.conftest import serve_api

JOB: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Write."}]}
JSON = {"content-type": "application/json"}
ONE_JOB = ("/v1/jobs", "/v1/chat/completions", "/v1/responses")


def post(api: ApiServer, path: str, content: bytes) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{api.port}{path}", content=content, headers=JSON, timeout=60)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    return error


@pytest.mark.parametrize("path", ONE_JOB)
def test_one_job_may_have_as_many_bytes_as_a_line_of_a_file(sqlite_url: str, redis_url: str, path: str) -> None:
    with serve_api(sqlite_url, redis_url, max_line_bytes=2000) as api:
        refused = post(api, path, b" " * 2001)
        assert (refused.status_code, error_of(refused)["code"]) == (413, "body_too_large")
        assert "LONGHAND_MAX_LINE_BYTES" in error_of(refused)["message"]
        large = {"custom_id": "large", "body": {**JOB, "user": "x" * 2000}}
        refused = post(api, "/v1/batches", json.dumps({"requests": [{"body": JOB}, large]}).encode())
        assert (refused.status_code, error_of(refused)["param"]) == (413, "requests[1]")
        assert "LONGHAND_MAX_LINE_BYTES" in error_of(refused)["message"]


def test_a_batch_that_is_too_large_is_pointed_to_files(sqlite_url: str, redis_url: str) -> None:
    with serve_api(sqlite_url, redis_url, max_body_bytes=2000) as api:
        refused = post(api, "/v1/batches", b" " * 2001)
        assert (refused.status_code, error_of(refused)["code"]) == (413, "body_too_large")
        for named in ("LONGHAND_MAX_BODY_BYTES", "POST /v1/files"):
            assert named in error_of(refused)["message"]


@pytest.mark.parametrize("path", ONE_JOB)
def test_a_job_of_too_many_values_is_refused_before_it_is_decoded(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "_FIELDS", None)  # decoding would fail
    refused = post(sqlite_api, path, b'{"model": "m", "x": [' + b"[]," * MOST_VALUES + b"[]]}")
    assert (refused.status_code, error_of(refused)["code"]) == (413, "too_many_values")


def test_a_batch_of_too_many_values_is_refused_before_it_is_decoded(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_FIELDS", None)
    items = b'{"body": [' + b"[]," * 99_000 + b"[]]},"
    refused = post(sqlite_api, "/v1/batches", b'{"requests": [' + items * 31 + b"{}]}")
    assert (refused.status_code, error_of(refused)["code"]) == (413, "too_many_values")


@pytest.mark.parametrize("name", ["metadata", "defaults", "accept", "completion_window", "webhook", "upstream"])
def test_what_a_batch_says_beside_its_requests_is_no_larger_than_a_job(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before, 10 MB of small objects stopped everybody for 1.8 s and took 450 MB."""
    monkeypatch.setattr(bodies, "_read_one", None)  # decoding would fail
    monkeypatch.setattr(bodies, "_FIELDS", None)
    start = b'{"requests": [{"body": {}}], "%b": ' % name.encode()
    refused = post(sqlite_api, "/v1/batches", start + b"[" + b'{"a": 1},' * (MOST_VALUES // 2) + b"1]}")
    assert (refused.status_code, error_of(refused)["code"]) == (413, "too_many_values")
    refused = post(sqlite_api, "/v1/batches", start + b'"' + b"x" * 10_000_000 + b'"}')
    assert (refused.status_code, error_of(refused)["code"], error_of(refused)["param"]) == (413, "body_too_large", name)


def test_commas_and_brackets_in_a_prompt_are_no_values(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    prompt = r"[1, 2, \"3\"], \\" * 50_000
    body = b'{"model": "m", "messages": [{"role": "user", "content": "' + prompt.encode() + b'"}]}'
    assert post(sqlite_api, "/v1/jobs", body).status_code == 202
    assert post(sqlite_api, "/v1/batches", b'{"requests": [{"body": ' + body + b"}]}").status_code == 202
    assert len(list_jobs(sqlite_database, JobFilter(), project=None, after=None, limit=9)[0]) == 2


def test_no_prompt_is_decoded_on_the_event_loop(sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    decode_one = bodies._read_one

    def decoded(text: bytes) -> Any:
        threads.add(threading.current_thread().name)
        return decode_one(text)

    monkeypatch.setattr(bodies, "_read_one", decoded)
    body = json.dumps({**JOB, "n": "refused"}).encode()
    for path in ONE_JOB:
        assert post(sqlite_api, path, body).status_code == 400
    assert post(sqlite_api, "/v1/batches", b'{"requests": [{"body": ' + body + b"}]}").status_code == 400
    assert post(sqlite_api, "/v1/batches", b'{"input_file_id": "file_1"}').status_code == 404
    assert threads
    assert "api" not in threads  # the thread of the event loop


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b'{"requests": [', b'{"requests": [{"body": 1} {"body": 2}]}', b'{"requests": [{}]} {}',
        b'{"requests": [{}]', b'{requests: []}', b'{"requests" []}', b'{"requests": [{}}]}', b'{"requests": [,]}',
        b'{"requests": [{"body": {"model": "m', b'{"requests": ["\\', b'{"metadata": {}, }', b'{"\xff": 1}',
    ],
)  # fmt: skip
def test_a_batch_that_is_not_json_is_refused_as_that(sqlite_api: ApiServer, content: bytes) -> None:
    refused = post(sqlite_api, "/v1/batches", content)
    assert (refused.status_code, error_of(refused)["code"]) in ((400, "invalid_json"), (400, "invalid_type"))


def test_a_field_of_a_batch_that_comes_twice_is_refused(sqlite_api: ApiServer) -> None:
    refused = post(sqlite_api, "/v1/batches", b'{"requests": [{}], "requests": [{}]}')
    assert (refused.status_code, error_of(refused)["message"]) == (400, "requests: comes twice")
