"""Submissions that are refused: with which status and words, and nothing of them is stored."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.server import ApiServer
from tests.api.test_submit import JOB, MESSAGES, stored
from tests.conftest import serve_api

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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("completion_window", "24h"),
        ("defaults", {}),
        ("endpoint", "/v1/chat/completions"),
        ("expires_after", {"anchor": "ended_at", "seconds": 3600}),
        ("input_file_id", "file_1"),
        ("max_concurrency", 1),
        ("output_expires_after", {"anchor": "created_at", "seconds": 3600}),
        ("requests", []),
        ("webhook", {"url": "https://example.com"}),
    ],
)
def test_what_only_a_batch_has_is_refused_in_its_defaults_and_in_a_body(kept: ApiServer, name: str, value: Any) -> None:
    """It would go to the upstream with every request, and do nothing of what it says."""
    error = refused(kept, "/v1/batches", json={"defaults": {name: value}, "requests": [{"body": JOB}]})
    assert (error["param"], error["code"]) == (f"defaults.{name}", "invalid_value")
    error = refused(kept, "/v1/batches", json={"requests": [{"body": {**JOB, name: value}}]})
    assert (error["param"], error["code"]) == (f"requests[0].body.{name}", "invalid_value")


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
        (b'{"model": "m", "temperature": -Infinity}', 400, "invalid_json"),
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


@pytest.mark.parametrize("key", ["", "k" * 256, "erased:" + "0" * 64])
def test_a_key_that_has_a_wrong_length_or_a_kept_word_is_refused(kept: ApiServer, key: str) -> None:
    assert refused(kept, "/v1/jobs", json=JOB, headers={"Idempotency-Key": key})["param"] == "Idempotency-Key"
