"""Cancelling over HTTP: jobs and batches that wait or run are asked to end, and ended ones cannot be."""

import httpx
import redis

from api.schemas.jobs import JobWithRequest
from jobs.lifecycle.close_batch import close_batch
from jobs.store.database import Database
from tests.api.test_query import batch_of
from tests.api.watching import Writer, submit


def test_a_running_job_is_asked_to_end_and_an_ended_one_cannot_be(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    queued, running = submit(database), submit(database)
    answer = client.post(f"/v1/jobs/{queued}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    JobWithRequest.model_validate(answer.json())
    assert client.post(f"/v1/jobs/{queued}/cancel").status_code == 200
    writer = Writer(database, valkey_client, running)
    answer = client.post(f"/v1/jobs/{running}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "in_progress")
    assert answer.json()["cancel_requested_at"] is not None
    writer.finish()  # it was quicker
    answer = client.post(f"/v1/jobs/{running}/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_ended")


def test_a_batch_is_cancelling_until_its_last_job_has_ended(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (first, _second) = batch_of(database, "a", "b")
    writer = Writer(database, valkey_client, first)
    answer = client.post(f"/v1/batches/{batch_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert answer.json()["request_counts"] == {
        "total": 2,
        "completed": 0,
        "failed": 1,
        "in_progress": 1,
        "incomplete": 0,
    }
    writer.fail()
    close_batch(database, batch_id)
    assert client.post(f"/v1/batches/{batch_id}/cancel").status_code == 200
    assert client.get(f"/v1/batches/{batch_id}").json()["status"] == "cancelled"
    done, (only,) = batch_of(database, "c")
    Writer(database, valkey_client, only).finish()
    close_batch(database, done)
    assert client.post(f"/v1/batches/{done}/cancel").status_code == 409


def test_cancelling_the_last_queued_job_ends_its_batch(client: httpx.Client, database: Database) -> None:
    batch_id, (only,) = batch_of(database, "a")
    client.post(f"/v1/jobs/{only}/cancel")
    assert client.get(f"/v1/batches/{batch_id}").json()["completed_at"] is not None
