"""A request's `traceparent` is stored with every job that it submits, whichever way."""

import json

import httpx
import pytest
from sqlalchemy import select

from jobs.store.database import Database
from jobs.tables import jobs
from tests.api.watching import REQUEST
from tests.sparing import on_sqlite

pytestmark = on_sqlite

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def stored(database: Database) -> set[str | None]:
    with database.read() as connection:
        return set(connection.scalars(select(jobs.c.traceparent)))


@pytest.mark.parametrize("way", ["job", "batch", "file", "response"])
def test_the_trace_of_a_request_is_stored_with_its_jobs(client: httpx.Client, database: Database, way: str) -> None:
    headers = {"traceparent": GIVEN}
    if way == "job":
        answer = client.post("/v1/jobs", json=REQUEST, headers=headers)
    elif way == "batch":
        answer = client.post("/v1/batches", json={"requests": [{"body": REQUEST}] * 2}, headers=headers)
    elif way == "response":
        body = {"model": "m", "input": "Write.", "background": True}
        answer = client.post("/v1/responses", json=body, headers=headers)
    else:
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST}
        files = {"file": ("in.jsonl", json.dumps(line).encode())}
        file_id = client.post("/v1/files", files=files, data={"purpose": "batch"}).json()["id"]
        body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        answer = client.post("/v1/batches", json=body, headers=headers)
    assert answer.is_success, answer.text
    assert stored(database) == {GIVEN}


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense"}])
def test_a_request_without_a_good_one_stores_none(
    client: httpx.Client, database: Database, headers: dict[str, str]
) -> None:
    assert client.post("/v1/jobs", json=REQUEST, headers={"traceparent": GIVEN}).status_code == 202
    assert client.post("/v1/jobs", json=REQUEST, headers=headers).status_code == 202
    assert stored(database) == {GIVEN, None}
