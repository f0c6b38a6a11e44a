"""Submitting over HTTP: what is taken, once for each key, and stored as it was sent."""

import time
from typing import Any

import httpx
import pytest

from api.schemas.batches import BatchObject
from api.schemas.jobs import JobWithRequest
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


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches"])
def test_a_key_whose_submission_was_deleted_makes_nothing_and_says_so(
    client: httpx.Client, database: Database, path: str
) -> None:
    body = JOB if path == "/v1/jobs" else {"requests": [{"body": JOB}]}
    made = client.post(path, json=body, headers={"Idempotency-Key": "once"}).json()["id"]
    client.post(f"{path}/{made}/cancel").raise_for_status()
    client.delete(f"{path}/{made}").raise_for_status()
    again = client.post(path, json=body, headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["error"]["code"]) == (410, "deleted")
    assert made in again.json()["error"]["message"]
    assert stored(database) == 0


def test_submitting_does_not_need_redis(sqlite_url: str, sqlite_database: Database) -> None:
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as server:
        began = time.monotonic()
        assert httpx.post(f"http://127.0.0.1:{server.port}/v1/jobs", json=JOB).status_code == 202
        assert time.monotonic() - began < 2
    assert stored(sqlite_database) == 1
