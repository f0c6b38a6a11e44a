"""Asking over HTTP: lists, filters, one job and its text, and what is refused or not there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select

from api.schemas.batches import BatchList, BatchObject
from api.schemas.jobs import JobList, JobWithAttempts
from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.store.database import Database
from jobs.tables import jobs
from tests.api.watching import REQUEST, Writer, submit
from tests.store.reserving import claim_now


def batch_of(database: Database, *custom_ids: str | None, **fields: Any) -> tuple[str, list[str]]:
    """A batch, and the ids of its jobs."""
    new_jobs = [NewJob(request=REQUEST, custom_id=custom_id, **fields) for custom_id in custom_ids]
    accepted = submit_batch(database, new_jobs)
    with database.read() as connection:
        of_batch = select(jobs.c.id).where(jobs.c.batch_id == accepted.id).order_by(jobs.c.id)
        return accepted.id, list(connection.scalars(of_batch))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]]


def test_lists_go_page_by_page_in_either_order(client: httpx.Client, database: Database) -> None:
    submitted = sorted(submit(database) for _ in range(5))
    for order, expected in (("asc", submitted), ("desc", submitted[::-1])):
        seen: list[str] = []
        more = True
        while more:
            after = {"after": seen[-1]} if seen else {}
            page = client.get("/v1/jobs", params={"limit": 2, "order": order, **after}).json()
            JobList.model_validate(page)
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            seen += [job["id"] for job in page["data"]]
            more = page["has_more"]
        assert seen == expected
    empty = client.get("/v1/jobs", params={"model": "nobody"}).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_jobs_are_found_by_each_filter(client: httpx.Client, database: Database, valkey_client: redis.Redis) -> None:
    plain = submit(database)
    batch_id, (of_batch,) = batch_of(database, "mine", metadata={"series.name": "a+b", "x": "1"})
    writer = Writer(database, valkey_client, plain)
    writer.write("Grüße aus 100% Köln")
    writer.finish()
    for query, expected in [
        ({"batch_id": batch_id}, [of_batch]),
        ({"status": "completed"}, [plain]),
        ({"model": "played"}, sorted([of_batch, plain], reverse=True)),
        ({"custom_id": "mine"}, [of_batch]),
        ({"metadata.series.name": "a+b", "metadata.x": "1"}, [of_batch]),
        ({"metadata.x": "2"}, []),
        ({"q": "GRÜSSE"}, []),
        ({"q": "grüße AUS 100%"}, [plain]),
        ({"q": "100_"}, []),
        ({"q": "min"}, [of_batch]),
        ({"q": "min", "status": "completed"}, []),
    ]:
        assert ids(client.get("/v1/jobs", params=query)) == expected, query


def test_jobs_are_found_by_the_time_they_were_created(client: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    now = datetime.now(UTC)
    past, future = now - timedelta(minutes=1), now + timedelta(minutes=1)
    for write in (
        lambda at: str(at.timestamp()),
        lambda at: at.isoformat(),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ):
        assert ids(client.get("/v1/jobs", params={"created_after": write(past), "created_before": write(future)})) == [
            job_id
        ]
        assert ids(client.get("/v1/jobs", params={"created_after": write(future)})) == []
        assert ids(client.get("/v1/jobs", params={"created_before": write(past)})) == []


@pytest.mark.parametrize(
    ("path", "param", "code"),
    [
        ("/v1/jobs?stauts=failed", "stauts", "unknown_parameter"),
        ("/v1/jobs?status=done", "status", "invalid_value"),
        ("/v1/jobs?limit=0", "limit", "invalid_value"),
        ("/v1/jobs?limit=101", "limit", "invalid_value"),
        ("/v1/jobs?limit=x", "limit", "invalid_value"),
        ("/v1/jobs?order=up", "order", "invalid_value"),
        ("/v1/jobs?created_after=yesterday", "created_after", "invalid_value"),
        ("/v1/jobs?created_before=1e400", "created_before", "invalid_value"),
        ("/v1/jobs?created_before=99999999999999999999", "created_before", "invalid_value"),
        ("/v1/jobs?q=", "q", "invalid_value"),
        ("/v1/jobs?q=%00", "q", "invalid_value"),
        ("/v1/batches?order=asc", "order", "unknown_parameter"),
        ("/v1/batches?metadata.a=b", "metadata.a", "unknown_parameter"),
        ("/v1/batches/batch_1/results?format=xml", "format", "invalid_value"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(shared_client: httpx.Client, path: str, param: str, code: str) -> None:
    answer = shared_client.get(path)
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
    assert param in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/job_0"),
        ("GET", "/v1/jobs/%00"),
        ("GET", "/v1/jobs/job_0/text"),
        ("GET", "/v1/jobs/job_0/events"),
        ("POST", "/v1/jobs/job_0/cancel"),
        ("GET", "/v1/batches/batch_0"),
        ("GET", "/v1/batches/batch_0/results"),
        ("POST", "/v1/batches/batch_0/cancel"),
        ("GET", "/v2"),
    ],
)
def test_what_is_not_there_is_404(shared_client: httpx.Client, method: str, path: str) -> None:
    answer = shared_client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_a_wrong_method_is_405_and_told_which_is_right(client: httpx.Client) -> None:
    answer = client.put("/v1/batches/batch_0")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_job_is_shown_with_its_request_and_its_attempts(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    Writer(database, valkey_client, job_id).retry()
    Writer(database, valkey_client, job_id).finish()
    shown = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(shown)
    assert shown["request"] == REQUEST
    assert [(one["attempt"], one["outcome"]) for one in shown["attempts"]] == [(1, "failed"), (2, "completed")]


def test_an_attempt_that_has_not_said_yet_what_it_continues_is_shown_as_that(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit_job(database, NewJob(request=REQUEST, on_interrupt="continue")).id
    Writer(database, valkey_client, job_id).retry()
    assert claim_now(database, job_id, "played", lease_seconds=600) is not None
    shown = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(shown)
    assert [one["continued_bytes"] for one in shown["attempts"]] == [0, None]


def test_only_a_completed_text_is_given_without_asking_for_a_partial_one(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    path = f"/v1/jobs/{job_id}/text"
    writer = Writer(database, valkey_client, job_id)
    writer.write("half, ")
    renew(database, "played", [Checkpoint(job_id, 1, "half, ")], 600)
    assert client.get(path).status_code == 409
    partial = client.get(path, params={"partial": "true"})
    assert (partial.text, partial.headers["x-job-status"]) == ("half, ", "in_progress")
    assert "x-text-sha256" not in partial.headers
    writer.write("whole é")
    text = writer.finish()
    answer = client.get(path)
    assert (answer.text, answer.headers["content-type"]) == (text, "text/plain; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"  # also where the text begins with <html>
    assert answer.headers["x-finish-reason"] == "stop"
    assert answer.headers["x-text-sha256"] == writer.written().sha256
    failed = submit(database)
    broken = Writer(database, valkey_client, failed)
    broken.write("broken")
    broken.fail()
    assert client.get(f"/v1/jobs/{failed}/text").json()["error"]["code"] == "not_completed"
    assert client.get(f"/v1/jobs/{failed}/text?partial=1").headers["x-job-status"] == "failed"


def test_batches_are_listed_newest_first(client: httpx.Client, database: Database) -> None:
    batches = [batch_of(database, "a")[0] for _ in range(3)]
    page = client.get("/v1/batches", params={"limit": 2}).json()
    BatchList.model_validate(page)
    assert [batch["id"] for batch in page["data"]] == sorted(batches)[:0:-1]
    assert page["has_more"]
    assert ids(client.get("/v1/batches", params={"after": page["last_id"]})) == sorted(batches)[:1]
    BatchObject.model_validate(client.get(f"/v1/batches/{batches[0]}").json())
