"""Retry: the failures of a batch, and only those, run again in place."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import redis

from api.schemas.errors import ErrorObject
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.rescue import expire_and_cancel_queued
from jobs.lifecycle.retry import BatchCancellingError, retry_batch
from jobs.lifecycle.transitions import fail
from jobs.store.database import Database
from jobs.store.queries import read_attempts, read_batch, read_job
from tests.api.batch_watching import submit_jobs
from tests.api.retrying import failed, finish_all
from tests.api.watching import Writer
from tests.store.store_fixtures import REFUSED, Interruption, Store, postgres_store, written

__all__ = ["failed", "postgres_store"]  # fixtures

FIELDS = ("finished_at", "error_code", "error_message", "bytes", "sha256", "finish_reason", "usage", "text_tokens")


def test_the_failures_of_a_batch_run_again_in_place(
    client: httpx.Client, database: Database, valkey_client: redis.Redis, failed: tuple[str, list[str]]
) -> None:
    batch_id, ids = failed
    completed = read_job(database, ids[0], project=None)
    answer = client.post(f"/v1/batches/{batch_id}/retry")
    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["status"], shown["completed_at"], shown["finalizing_at"]) == ("in_progress", None, None)
    assert shown["request_counts"] == {"total": 3, "completed": 1, "failed": 0, "in_progress": 0, "incomplete": 0}
    assert read_job(database, ids[0], project=None) == completed
    for job_id in ids[1:]:
        job = read_job(database, job_id, project=None)
        assert job is not None
        assert (job.status, job.attempt, job.failures, job.crashes) == ("queued", 1, 0, 0)
        assert {name: getattr(job, name) for name in FIELDS} == dict.fromkeys(FIELDS)
        [attempt] = read_attempts(database, job_id)
        assert (attempt.attempt, attempt.outcome) == (1, "failed")
    running = Writer(database, valkey_client, ids[1])
    assert running.attempt == 2
    counts = client.get(f"/v1/batches/{batch_id}").json()["request_counts"]
    assert counts == {"total": 3, "completed": 1, "failed": 0, "in_progress": 1, "incomplete": 0}
    running.finish()
    finish_all(database, valkey_client, ids[2:])
    shown = client.get(f"/v1/batches/{batch_id}").json()
    assert shown["status"] == "completed"
    assert shown["request_counts"] == {"total": 3, "completed": 3, "failed": 0, "in_progress": 0, "incomplete": 0}
    assert [attempt.attempt for attempt in read_attempts(database, ids[2])] == [1, 2]


def test_a_double_click_runs_nothing_twice(client: httpx.Client, failed: tuple[str, list[str]]) -> None:
    batch_id, _ = failed
    answers = [client.post(f"/v1/batches/{batch_id}/retry") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    error = answers[1].json()["error"]
    assert (error["code"], error["retryable"]) == ("nothing_to_retry", {})


def test_what_was_cancelled_runs_again_only_when_it_is_asked_for(client: httpx.Client, database: Database) -> None:
    batch_id, ids = submit_jobs(database, 2)
    cancel_batch(database, batch_id)
    assert client.get(f"/v1/batches/{batch_id}").json()["status"] == "cancelled"
    refused = client.post(f"/v1/batches/{batch_id}/retry")
    assert (refused.status_code, refused.json()["error"]["retryable"]) == (409, {"cancelled": 2})
    ErrorObject.model_validate(refused.json())
    answer = client.post(f"/v1/batches/{batch_id}/retry", json={"statuses": ["cancelled"]})
    assert answer.status_code == 202
    assert answer.json()["cancelled_at"] is None
    for job_id in ids:
        job = read_job(database, job_id, project=None)
        assert job is not None
        assert (job.status, job.cancel_requested_at) == ("queued", None)


def test_a_batch_that_is_being_cancelled_is_not_retried(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(database, 2)
    Writer(database, valkey_client, ids[0]).fail()
    Writer(database, valkey_client, ids[1])
    cancel_batch(database, batch_id)
    answer = client.post(f"/v1/batches/{batch_id}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "batch_cancelling")
    assert client.post(f"/v1/jobs/{ids[0]}/retry").status_code == 409
    with pytest.raises(BatchCancellingError):
        retry_batch(database, batch_id)


def test_a_closed_window_opens_again_for_as_long(
    client: httpx.Client, database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [{"body": {"model": "m", "messages": [{"role": "user", "content": "x"}]}}] * 2
    batch_id = client.post("/v1/batches", json={"requests": items, "completion_window": "30m"}).json()["id"]
    later = database.now() + timedelta(hours=2)
    monkeypatch.setattr(database, "now", lambda: later)
    assert len(expire_and_cancel_queued(database)) == 2
    assert close_batch(database, batch_id)
    assert client.get(f"/v1/batches/{batch_id}").json()["status"] == "expired"
    assert len(retry_batch(database, batch_id)) == 2
    batch = read_batch(database, batch_id, project=None)
    assert batch is not None
    assert (batch.status, batch.times["expired_at"]) == ("in_progress", None)
    assert batch.times["expires_at"] == later + timedelta(minutes=30)
    jobs = client.get("/v1/jobs", params={"batch_id": batch_id}).json()["data"]
    assert [job["expires_at"] for job in jobs] == [round((later + timedelta(minutes=30)).timestamp(), 3)] * 2
    assert Writer(database, valkey_client, jobs[0]["id"]).attempt == 1


WRONG_BODIES: list[Any] = [
    {"statuses": []},
    {"statuses": ["completed"]},
    {"statuses": ["incomplete"]},
    {"statuses": "failed"},
    {"status": ["failed"]},
    {"which": ["completed"]},
    {"which": []},
    {"which": ["failed"], "statuses": ["failed"]},
    [1],
]


def test_a_wrong_body_is_refused_by_name(client: httpx.Client, failed: tuple[str, list[str]]) -> None:
    for body in WRONG_BODIES:
        answer = client.post(f"/v1/batches/{failed[0]}/retry", json=body)
        assert answer.status_code == 400, body
    assert client.post(f"/v1/batches/{failed[0]}/retry", json={}).status_code == 202


def test_texts_that_were_cut_short_run_again_when_they_are_asked_for(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (cut, whole, failed) = submit_jobs(database, 3)
    for job_id, told in ((cut, {"finish_reason": "length", "incomplete": "max_output_tokens"}), (whole, {})):
        writer = Writer(database, valkey_client, job_id)
        writer.write("a text that was long")
        writer.finish(**told)
    Writer(database, valkey_client, failed).fail()
    shown = client.get(f"/v1/batches/{batch_id}").json()
    counts = {"total": 3, "completed": 2, "failed": 1, "in_progress": 0, "incomplete": 1}
    assert (shown["status"], shown["request_counts"]) == ("completed", counts)
    assert client.get(f"/v1/jobs/{cut}").json()["incomplete"] == {"reason": "max_output_tokens"}
    answer = client.post(f"/v1/batches/{batch_id}/retry", json={"which": ["failed", "incomplete"]})
    assert answer.status_code == 202
    assert answer.json()["request_counts"] == counts | {"completed": 1, "failed": 0, "incomplete": 0}
    statuses = [client.get(f"/v1/jobs/{job_id}").json()["status"] for job_id in (cut, whole, failed)]
    assert statuses == ["queued", "completed", "queued"]
    # The old text is there until the new one is whole, and is stored again when there is none.
    text = client.get(f"/v1/jobs/{cut}/text", params={"partial": "true"})
    assert (text.text, text.headers["x-text-attempt"]) == ("a text that was long", "1")
    again = Writer(database, valkey_client, cut)
    again.write("a text")
    again.fail()
    text = client.get(f"/v1/jobs/{cut}/text", params={"partial": "true"})
    assert (text.text, text.headers["x-text-attempt"]) == ("a text that was long", "1")
    assert client.get(f"/v1/jobs/{cut}/text").status_code == 409
    again = Writer(database, valkey_client, failed)
    again.write("whole")
    again.finish()
    assert client.get(f"/v1/batches/{batch_id}").json()["request_counts"] == counts | {"incomplete": 0}
    answer = client.post(f"/v1/batches/{batch_id}/retry", json={"which": ["incomplete"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "nothing_to_retry")


def test_what_does_not_exist_is_404(client: httpx.Client) -> None:
    assert client.post("/v1/batches/batch_0/retry").status_code == 404
    assert client.post("/v1/jobs/job_0/retry").status_code == 404


def test_a_batch_is_not_ended_under_a_retry_that_came_first(database: Database, valkey_client: redis.Redis) -> None:
    batch_id, ids = submit_jobs(database, 1)
    writer = Writer(database, valkey_client, ids[0])
    writer.fail()
    assert len(retry_batch(database, batch_id)) == 1
    assert not close_batch(database, batch_id)
    batch = read_batch(database, batch_id, project=None)
    assert batch is not None
    assert batch.status == "in_progress"


def test_a_batch_that_is_being_ended_while_it_is_retried_stays_open(postgres_store: Store) -> None:
    store = postgres_store
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    assert fail(store.database, job_id, 1, written(), REFUSED)
    store.clock.advance(1)
    with Interruption(store.database, "UPDATE jobs", lambda: close_batch(store.database, batch_id)) as ending:
        assert len(retry_batch(store.database, batch_id)) == 1
    assert ending.waited_for_us
    assert ending.result() is False
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert batch.status == "in_progress"
