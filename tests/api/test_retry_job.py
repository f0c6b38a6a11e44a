"""Retry of one job: it runs again alone, with its batch or without one."""

import httpx
import redis

from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.retry import retry_job
from jobs.store.database import Database
from tests.api.retrying import failed
from tests.api.watching import Writer, submit

__all__ = ["failed"]  # a fixture


def test_one_text_that_was_cut_short_runs_again_alone(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    writer = Writer(database, valkey_client, job_id)
    writer.write("cut")
    writer.finish(finish_reason="content_filter", incomplete="content_filter")
    text = client.get(f"/v1/jobs/{job_id}/text")
    assert (text.status_code, text.headers["x-incomplete"]) == (200, "content_filter")
    assert client.post(f"/v1/jobs/{job_id}/retry").json()["status"] == "queued"


def test_one_job_runs_again_alone_and_opens_its_batch(
    client: httpx.Client, database: Database, failed: tuple[str, list[str]]
) -> None:
    batch_id, ids = failed
    assert client.post(f"/v1/jobs/{ids[0]}/retry").status_code == 409
    answer = client.post(f"/v1/jobs/{ids[2]}/retry")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    shown = client.get(f"/v1/batches/{batch_id}").json()
    assert shown["status"] == "in_progress"
    assert shown["request_counts"] == {"total": 3, "completed": 1, "failed": 1, "in_progress": 0, "incomplete": 0}


def test_one_job_without_a_batch_runs_again(client: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    cancel_job(database, job_id)
    assert retry_job(database, job_id, None) is not None
    assert client.post(f"/v1/jobs/{job_id}/retry").status_code == 409
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
