"""Responses that are deleted: gone at once, and erased from every table when their work has ended."""

import httpx
import pytest
import redis

from jobs.lifecycle.responses import erase_deleted
from jobs.lifecycle.transitions import cancel_running
from jobs.store.database import Database
from jobs.store.queries import read_job
from tests.api.responding import ASK, Reader, create, job_of, rows_of
from tests.api.watching import Writer


def test_a_deleted_response_is_gone_at_once_and_erased_when_its_worker_has_ended_it(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client, metadata={"a": "b"}, instructions="canary")
    job_id = job_of(created)
    writer = Writer(database, valkey_client, job_id)
    writer.write("some text")
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        live.until("response.output_text.delta")
        answer = client.delete(f"/v1/responses/{created['id']}")
        assert answer.json() == {"id": created["id"], "object": "response", "deleted": True}
        for path in (f"responses/{created['id']}", f"jobs/{job_id}", f"jobs/{job_id}/text", f"jobs/{job_id}/events"):
            assert client.get(f"/v1/{path}").status_code == 404, path
        assert client.delete(f"/v1/responses/{created['id']}").status_code == 404
        assert client.get("/v1/jobs").json()["data"] == []
        job = read_job(database, job_id, project=None)
        assert job is not None
        assert job.cancel_requested_at is not None
        assert erase_deleted(database) == []  # it runs: its worker is to end it first
        assert rows_of(database, job_id) > 0
        assert cancel_running(database, job_id, 1, writer.written())
        done = writer.done(job.status)
        erase_deleted(database)
        writer.say(done)
        assert live.rest()[-1]["error"]["code"] == "deleted"
    assert rows_of(database, job_id) == 0


def test_a_deleted_response_that_has_ended_is_erased_at_once(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    for ended in (True, False):
        created = create(client, metadata={"a": "b"})
        if ended:
            writer = Writer(database, valkey_client, job_of(created))
            writer.write("some text")
            writer.finish()
        client.delete(f"/v1/responses/{created['id']}").raise_for_status()
        assert rows_of(database, job_of(created)) == 0


def test_a_deletion_that_was_cut_short_is_gone_on_with(client: httpx.Client, database: Database) -> None:
    created = create(client)
    job_id = job_of(created)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.lifecycle.responses._end_and_erase", lambda *_: [])  # the API dies after its first commit
        client.delete(f"/v1/responses/{created['id']}").raise_for_status()
    assert client.get(f"/v1/jobs/{job_id}").status_code == 404
    assert rows_of(database, job_id) > 0
    assert [change.id for change in erase_deleted(database)] == [job_id]
    assert rows_of(database, job_id) == 0


def test_a_post_that_is_repeated_gets_its_response_also_when_what_it_continues_was_deleted_since(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    first = create(client)
    writer = Writer(database, valkey_client, job_of(first))
    writer.write("some text")
    writer.finish()
    asked = {**ASK, "previous_response_id": first["id"], "input": "Go on."}
    answers = []
    for _ in range(2):
        answers.append(client.post("/v1/responses", json=asked, headers={"Idempotency-Key": "again"}))
        client.delete(f"/v1/responses/{first['id']}")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[1].headers["idempotent-replayed"] == "true"
    other = client.post("/v1/responses", json={**asked, "input": "No."}, headers={"Idempotency-Key": "again"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert client.post("/v1/responses", json=asked).status_code == 404
