"""Deleting ended work: nothing of it is left in any table, and nothing that runs can be deleted."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select, update

from api.server import ApiServer
from jobs.dispatch.failure import Failure
from jobs.dispatch.holds import read_holds
from jobs.dispatch.outages import judge
from jobs.lifecycle import erase
from jobs.lifecycle.erase import DELETED_MESSAGE, NOBODY, go_on_erasing
from jobs.lifecycle.transitions import retry
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.tables import batches, holds, jobs, lanes, metadata
from tests.api.watching import Writer

CANARY = "canary-5b1e"


def ask(api: ApiServer, method: str, path: str, **sent: Any) -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{api.port}{path}", timeout=90, **sent)


def rows_with_canary(database: Database) -> list[str]:
    """The tables that hold the canary anywhere."""
    found = []
    with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            if any(CANARY in str(value) for row in rows for value in row):
                found.append(table.name)
    return found


def write_batch(api: ApiServer, database: Database, client: redis.Redis, count: int = 2) -> tuple[str, list[str]]:
    """A batch of jobs, each with the canary wherever a client or a model can put it, and all of them ended."""
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": f"prompt {CANARY}"}],
        "metadata": {CANARY: "value", "key": CANARY},
    }
    batch = {
        "requests": [{"custom_id": f"{CANARY}-{number}", "body": body} for number in range(count)],
        "metadata": {"title": CANARY},
        "webhook": {"url": f"https://1.1.1.1/{CANARY}"},
    }
    batch_id = ask(api, "POST", "/v1/batches", json=batch).json()["id"]
    with database.read() as connection:
        ids = list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)))
    for job_id in ids:
        first = Writer(database, client, job_id)
        first.write(f"an earlier text, {CANARY}, that is longer")
        again = JobError("upstream_cut", f"said {CANARY}")
        assert retry(database, job_id, 1, first.written(), again, database.now())
        second = Writer(database, client, job_id)
        second.thinks = True
        second.write(f"text {CANARY}")
        second.fail()
    return batch_id, ids


def test_a_batch_that_is_deleted_leaves_nothing_in_any_table(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = write_batch(api, database, valkey_client)
    assert {"jobs", "batches", "texts", "attempts", "webhooks", "metadata_pairs"} - set(rows_with_canary(database)) <= {
        "metadata_pairs"
    }
    answer = ask(api, "DELETE", f"/v1/batches/{batch_id}")
    assert (answer.status_code, answer.json()) == (200, {"id": batch_id, "object": "batch", "deleted": True})
    assert rows_with_canary(database) == []
    with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            assert [row for row in rows if any(one in str(row) for one in (batch_id, *ids))] == [], table.name
    for path in (f"/v1/batches/{batch_id}", f"/v1/jobs/{ids[0]}", f"/v1/jobs/{ids[0]}/text"):
        assert ask(api, "GET", path).status_code == 404
    assert ask(api, "DELETE", f"/v1/batches/{batch_id}").status_code == 404


def test_what_an_upstream_quoted_of_a_prompt_is_deleted_with_its_job(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    """The latest error of a lane, and what holds the upstream, are shown to operators."""
    batch_id, [job_id] = write_batch(api, database, valkey_client, count=1)
    said = f"said {CANARY}"
    failure = Failure("default", "m", job_id, database.now(), "away", "upstream_cut", said, by_status=False, refusals=0)
    assert judge(database, failure).began
    assert {"lanes", "holds"} <= set(rows_with_canary(database))
    assert ask(api, "DELETE", f"/v1/batches/{batch_id}").status_code == 200
    assert rows_with_canary(database) == []
    [hold] = read_holds(database)
    assert (hold.reason, hold.message) == ("away", DELETED_MESSAGE)


def test_what_an_upstream_said_of_another_job_at_another_time_stays_for_operators(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    """One project could take from operators what the upstream says to all, by deleting a job that was told the same."""
    batch_id, _ = write_batch(api, database, valkey_client, count=1)
    said = f"said {CANARY}"
    failure = Failure(
        "default", "m", "job_2", database.now(), "away", "upstream_cut", said, by_status=False, refusals=0
    )
    assert judge(database, failure).began
    with database.write() as connection:
        later = database.now() + timedelta(hours=1)
        connection.execute(update(lanes).values(error_at=later))
        connection.execute(update(holds).values(since=later))
    assert ask(api, "DELETE", f"/v1/batches/{batch_id}").status_code == 200
    assert rows_with_canary(database) == ["holds", "lanes"]


def test_a_job_is_deleted_alone_and_its_batch_keeps_its_counts(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, [first, second] = write_batch(api, database, valkey_client)
    answer = ask(api, "DELETE", f"/v1/jobs/{first}")
    assert (answer.status_code, answer.json()) == (200, {"id": first, "object": "job", "deleted": True})
    assert ask(api, "GET", f"/v1/jobs/{first}").status_code == 404
    assert ask(api, "GET", f"/v1/jobs/{second}").status_code == 200
    assert ask(api, "GET", f"/v1/batches/{batch_id}").json()["request_counts"]["failed"] == 2


def test_the_length_of_an_output_file_is_that_of_the_jobs_that_are_left(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, [first, _] = write_batch(api, database, valkey_client)
    file_id = ask(api, "GET", f"/v1/batches/{batch_id}").json()["error_file_id"]
    before = ask(api, "GET", f"/v1/files/{file_id}").json()["bytes"]
    assert ask(api, "DELETE", f"/v1/jobs/{first}").status_code == 200
    after = ask(api, "GET", f"/v1/files/{file_id}").json()["bytes"]
    assert 0 < after == len(ask(api, "GET", f"/v1/files/{file_id}/content").content) < before


def test_what_has_not_ended_is_not_deleted(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    batch_id = ask(sqlite_api, "POST", "/v1/batches", json={"requests": [{"body": body}] * 2}).json()["id"]
    with sqlite_database.read() as connection:
        first, second = connection.scalars(select(jobs.c.id).order_by(jobs.c.id))
    Writer(sqlite_database, valkey_client, first).fail()
    for path, why in (
        (f"/v1/batches/{batch_id}", "the batch is in_progress: cancel it first"),
        (f"/v1/jobs/{first}", "its batch has not ended yet"),
        (f"/v1/jobs/{second}", "the job is queued: cancel it first"),
    ):
        refused = ask(sqlite_api, "DELETE", path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_ended")
        assert refused.json()["error"]["message"] == why
    assert ask(sqlite_api, "GET", f"/v1/jobs/{first}").status_code == 200


def test_a_deletion_that_was_broken_off_is_hidden_and_goes_on_in_rounds(
    api: ApiServer, database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = write_batch(api, database, valkey_client, count=3)
    monkeypatch.setattr(erase, "JOBS_AT_ONCE", 1)
    with database.write() as connection:  # what the API does first; then its process dies
        connection.execute(update(batches).where(batches.c.id == batch_id).values(project=NOBODY))
    assert ask(api, "GET", f"/v1/batches/{batch_id}").status_code == 404
    for left in (2, 1, 0):
        go_on_erasing(database)
        with database.read() as connection:
            assert len(connection.scalars(select(jobs.c.id).where(jobs.c.id.in_(ids))).all()) == left
    go_on_erasing(database)
    with database.read() as connection:
        assert connection.scalar(select(batches.c.id).where(batches.c.id == batch_id)) is None
