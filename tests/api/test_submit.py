"""Submitting over HTTP: what is taken, what is refused and with which words, and that nothing refused is stored."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.schemas.batches import BatchObject
from api.schemas.jobs import JobWithRequest
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.queries import list_batches, read_job
from jobs.store.search import JobFilter, list_jobs
from tests.conftest import serve_api

MESSAGES = [{"role": "user", "content": "Write about pencils."}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
JOB: dict[str, Any] = {"model": "m-1", "messages": MESSAGES}


def stored(database: Database) -> int:
    jobs, _ = list_jobs(database, JobFilter(), after=None, limit=100, project=None)
    batches, _ = list_batches(database, after=None, limit=100, project=None)
    return len(jobs) + len(batches)


def test_a_job_is_taken_and_its_body_goes_upstream_untouched(client: httpx.Client, database: Database) -> None:
    body = {
        **JOB, "temperature": 0.7, "n": 1, "tools": [TOOL], "unknown_to_us": {"deep": [1, None]}, "stream": False,
        "stream_options": {"include_usage": False}, "custom_id": "pencil", "metadata": {"series": "tools"},
        "priority": -5, "max_attempts": 7, "on_interrupt": "continue",
    }  # fmt: skip
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202
    shown = answer.json()
    JobWithRequest.model_validate(shown)
    assert answer.headers["location"] == f"/v1/jobs/{shown['id']}"
    upstream = {**JOB, "temperature": 0.7, "n": 1, "tools": [TOOL], "unknown_to_us": {"deep": [1, None]}}
    assert shown["request"] == upstream
    job = read_job(database, shown["id"], project=None)
    assert job is not None
    assert (job.request, job.custom_id, job.metadata) == (upstream, "pencil", {"series": "tools"})
    assert (job.priority, job.max_attempts, job.on_interrupt, job.status) == (-5, 7, "continue", "queued")


def test_a_prompt_may_hold_what_a_database_cannot(client: httpx.Client, database: Database) -> None:
    content = b'"NUL \\u0000, half a pair \\ud83d, \xf0\x9f\x98\x80"'
    raw = b'{"model": "m", "messages": [{"role": "user", "content": ' + content + b"}]}"
    answer = client.post("/v1/jobs", content=raw, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status_code == 202
    job = read_job(database, answer.json()["id"], project=None)
    assert job is not None
    assert job.request is not None
    assert job.request["messages"][0]["content"] == "NUL \x00, half a pair \ud83d, 😀"
    assert client.get(f"/v1/jobs/{job.id}").json()["request"] == job.request
    batch = b'{"requests": [{"body": ' + raw + b"}]}"
    assert client.post("/v1/batches", content=batch, headers={"content-type": "application/json"}).status_code == 202


def test_a_batch_is_taken_whole_and_its_words_hold_for_all_its_jobs(client: httpx.Client, database: Database) -> None:
    requests = [
        {"custom_id": "a", "body": JOB},
        {"body": {**JOB, "priority": 9, "metadata": {"own": "1"}}, "method": "POST", "url": "/v1/chat/completions"},
    ]
    body = {"requests": requests, "metadata": {"of": "batch"}, "completion_window": "30m", "priority": 3,
            "max_attempts": 2}  # fmt: skip
    answer = client.post("/v1/batches", json=body)
    assert answer.status_code == 202
    batch = answer.json()
    BatchObject.model_validate(batch)
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    assert batch["expires_at"] - batch["created_at"] == 1800
    assert (batch["metadata"], batch["completion_window"]) == ({"of": "batch"}, "30m")
    assert batch["request_counts"]["total"] == 2
    jobs, _ = list_jobs(
        database, JobFilter(batch_id=batch["id"]), after=None, limit=9, newest_first=False, project=None
    )
    assert [(job.custom_id, job.priority, job.max_attempts, job.metadata) for job in jobs] == [
        ("a", 3, 2, {}),
        (None, 9, 2, {"own": "1"}),
    ]


LONG = "x" * 513
BAD_JOBS: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": MESSAGES}, "model", "missing_required_parameter"),
    ({"model": "m"}, "messages", "missing_required_parameter"),
    ({**JOB, "model": ""}, "model", "invalid_value"),
    ({**JOB, "model": 5}, "model", "invalid_value"),
    ({**JOB, "model": "m\x00"}, "model", "invalid_value"),
    ({**JOB, "messages": []}, "messages", "invalid_value"),
    ({**JOB, "messages": "hi"}, "messages", "invalid_value"),
    ({**JOB, "messages": [*MESSAGES, "hi"]}, "messages[1]", "invalid_value"),
    ({**JOB, "messages": [{"content": "hi"}]}, "messages[0].role", "invalid_value"),
    ({**JOB, "n": 2}, "n", "unsupported_value"),
    ({**JOB, "n": True}, "n", "unsupported_value"),
    ({**JOB, "modalities": ["text", "audio"]}, "modalities", "unsupported_value"),
    ({**JOB, "audio": {"voice": "v"}}, "audio", "unsupported_value"),
    ({**JOB, "stream": "yes"}, "stream", "invalid_value"),
    ({**JOB, "response_format": {"type": "json_schema"}}, "response_format.json_schema", "invalid_json_schema"),
    (
        {**JOB, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objekt"}}}},
        "response_format.json_schema.schema.type",
        "invalid_json_schema",
    ),
    (
        {**JOB, "response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "http://x.test/"}}}},
        "response_format.json_schema.schema",
        "invalid_json_schema",
    ),
    ({**JOB, "custom_id": "\ud800"}, "custom_id", "invalid_value"),
    ({**JOB, "custom_id": LONG}, "custom_id", "invalid_value"),
    ({**JOB, "custom_id": 7}, "custom_id", "invalid_value"),
    ({**JOB, "metadata": []}, "metadata", "invalid_value"),
    ({**JOB, "metadata": {str(number): "" for number in range(17)}}, "metadata", "invalid_value"),
    ({**JOB, "metadata": {"k": 1}}, "metadata.k", "invalid_value"),
    ({**JOB, "metadata": {"k": LONG}}, "metadata.k", "invalid_value"),
    ({**JOB, "metadata": {"k": "\x00"}}, "metadata.k", "invalid_value"),
    ({**JOB, "metadata": {"k" * 65: "v"}}, "metadata", "invalid_value"),
    ({**JOB, "priority": 101}, "priority", "invalid_value"),
    ({**JOB, "priority": 1.5}, "priority", "invalid_value"),
    ({**JOB, "max_attempts": 0}, "max_attempts", "invalid_value"),
    ({**JOB, "max_attempts": True}, "max_attempts", "invalid_value"),
    ({**JOB, "on_interrupt": "stop"}, "on_interrupt", "invalid_value"),
]


@pytest.fixture(scope="module")
def kept(sqlite_template: Any, valkey_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One server for all refusals: none of them may leave anything behind."""
    path = tmp_path_factory.mktemp("kept") / "longhand.db"
    path.write_bytes(sqlite_template.read_bytes())
    with serve_api(
        f"sqlite:///{path}", valkey_server.connection_url, max_body_bytes=20_000, max_batch_jobs=3
    ) as server:
        yield server


def refused(server: ApiServer, path: str, *, status: int = 400, **sent: Any) -> dict[str, Any]:
    """The error of a request that is refused, after a look at its form and at what is stored."""
    answer = httpx.post(f"http://127.0.0.1:{server.port}{path}", **sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    database = server.config.app.state.services.database  # type: ignore[union-attr]  # it is our own application
    assert stored(database) == 0
    return error


@pytest.mark.parametrize(("body", "param", "code"), BAD_JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_job_is_refused_by_field_alone_and_in_a_batch(
    kept: ApiServer, body: dict[str, Any], param: str, code: str
) -> None:
    headers = {"content-type": "application/json"}
    error = refused(kept, "/v1/jobs", content=json.dumps(body), headers=headers)
    assert (error["param"], error["code"]) == (param, code)
    assert error["message"].startswith(f"{param}: ")
    batch = {"requests": [{"custom_id": "good", "body": JOB}, {"body": body}]}
    error = refused(kept, "/v1/batches", content=json.dumps(batch), headers=headers)
    if param != "custom_id":  # which has no place in an item's body at all
        assert error["code"] == code
    assert error["param"] == f"requests[1].body.{param}"


@pytest.mark.parametrize(
    ("batch", "param", "code"),
    [
        ({}, "requests", "missing_required_parameter"),
        ({"requests": []}, "requests", "invalid_value"),
        ({"requests": {}}, "requests", "invalid_type"),
        ({"requests": ["x"]}, "requests[0]", "invalid_type"),
        ({"requests": [{"custom_id": "a"}]}, "requests[0].body", "missing_required_parameter"),
        ({"requests": [{"body": 5}]}, "requests[0].body", "invalid_type"),
        ({"requests": [{"body": JOB, "boddy": 1}]}, "requests[0].boddy", "unknown_parameter"),
        ({"requests": [{"body": JOB, "url": "/v1/embeddings"}]}, "requests[0].url", "invalid_value"),
        ({"requests": [{"body": JOB, "custom_id": "a"}] * 2}, "requests[1].custom_id", "invalid_value"),
        ({"requests": [{"body": JOB}], "model": "m"}, "model", "unknown_parameter"),
        ({"requests": [{"body": JOB}], "input_file_id": "file_1"}, "input_file_id", "invalid_value"),
        ({"requests": [{"body": JOB}], "completion_window": "soon"}, "completion_window", "invalid_value"),
        ({"requests": [{"body": JOB}], "completion_window": "0h"}, "completion_window", "invalid_value"),
        ({"requests": [{"body": JOB}], "completion_window": "999d"}, "completion_window", "invalid_value"),
        ({"requests": [{"body": JOB}], "metadata": {"k": None}}, "metadata.k", "invalid_value"),
    ],
)
def test_a_bad_batch_is_refused_by_item_and_field(
    kept: ApiServer, batch: dict[str, Any], param: str, code: str
) -> None:
    error = refused(kept, "/v1/batches", json=batch)
    assert (error["param"], error["code"]) == (param, code)


def test_a_batch_with_too_many_items_is_refused(kept: ApiServer) -> None:
    error = refused(kept, "/v1/batches", json={"requests": [{"body": JOB}] * 4}, status=413)
    assert (error["code"], error["param"]) == ("batch_too_large", "requests")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"model": "m", "messages": [}', 400, "invalid_json"),
        (b'{"model": "m\xff", "messages": []}', 400, "invalid_json"),
        (b'{"model": "m", "temperature": NaN}', 400, "invalid_json"),
        (b'{"model": "m", "temperature": 1e999}', 400, "invalid_json"),
        (b"[]", 400, "invalid_type"),
        (b'{"model": "m", "x": ' + b"[" * 70 + b"]" * 70 + b"}", 413, "nested_too_deep"),
        (b'{"model": "m", "x": ' + b"[" * 9000 + b"]" * 9000 + b"}", 413, "nested_too_deep"),
    ],
)
def test_what_is_not_storable_json_is_refused(kept: ApiServer, content: bytes, status: int, code: str) -> None:
    headers = {"content-type": "application/json"}
    assert refused(kept, "/v1/jobs", content=content, headers=headers, status=status)["code"] == code


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(kept: ApiServer) -> None:
    headers = {"content-type": "application/json"}
    assert refused(kept, "/v1/jobs", content=b" " * 20_001, headers=headers, status=413)["code"] == "body_too_large"

    def endless() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    assert refused(kept, "/v1/jobs", content=endless(), headers=headers, status=413)["code"] == "body_too_large"


def test_a_form_is_refused(kept: ApiServer) -> None:
    assert refused(kept, "/v1/jobs", data={"model": "m"}, status=415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])
def test_a_repeated_key_gives_what_it_made_and_another_body_is_refused(client: httpx.Client, path: str) -> None:
    body = JOB if path == "/v1/jobs" else {"requests": [{"body": JOB}]}
    headers = {"Idempotency-Key": "k" * 255}
    first, second = (client.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    other = client.post(path, json={**body, "metadata": {"a": "b"}}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "k" * 256, "erased:" + "0" * 64])
def test_a_key_that_has_a_wrong_length_or_a_kept_word_is_refused(kept: ApiServer, key: str) -> None:
    assert refused(kept, "/v1/jobs", json=JOB, headers={"Idempotency-Key": key})["param"] == "Idempotency-Key"


def test_submitting_does_not_need_redis(sqlite_url: str, sqlite_database: Database) -> None:
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as server:
        began = time.monotonic()
        assert httpx.post(f"http://127.0.0.1:{server.port}/v1/jobs", json=JOB).status_code == 202
        assert time.monotonic() - began < 2
    assert stored(sqlite_database) == 1
