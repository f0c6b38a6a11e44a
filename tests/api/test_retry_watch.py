"""Retry beside those who watch: the channel tells of it, and every watcher is reset and ends exact."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.live.channel import channel_name, decode
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_attempts, read_job
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.retrying import failed, finish_all
from tests.api.watchers import WatcherThread, events_of
from tests.api.watching import Writer
from tests.sparing import on_sqlite
from tests.worker.worker_fixtures import fast_simulator, open_worker, small_settings

__all__ = ["failed"]  # a fixture


def test_the_batchs_channel_hears_of_a_retry(
    client: httpx.Client, valkey_client: redis.Redis, failed: tuple[str, list[str]]
) -> None:
    batch_id, ids = failed
    with valkey_client.pubsub() as pubsub:  # type: ignore[no-untyped-call]  # so in redis-py
        pubsub.subscribe(channel_name(batch_id))
        assert pubsub.get_message(timeout=60)["type"] == "subscribe"
        client.post(f"/v1/batches/{batch_id}/retry")
        received = [decode(pubsub.get_message(timeout=60)["data"]) for _ in range(3)]
    assert [(message.event, message.id, message.status) for message in received] == [
        ("job", ids[1], "queued"),
        ("job", ids[2], "queued"),
        ("batch", "", ""),
    ]


def watch_to_the_end(client: httpx.Client, path: str, cursor: str | None, shown: Any) -> int:
    """Read all events; the status of the answer."""
    headers = {"Last-Event-ID": cursor} if cursor else {}
    with client.stream("GET", path, headers=headers) as answer:
        list(events_of(answer.iter_lines(), shown))
        return answer.status_code


@on_sqlite
@pytest.mark.parametrize("reads_on", [True, False], ids=["stays", "comes-back"])
def test_watchers_of_a_batch_see_the_retried_jobs_reset_and_end_exact(
    api: ApiServer,
    client: httpx.Client,
    database: Database,
    valkey_client: redis.Redis,
    reads_on: bool,
) -> None:
    batch_id, ids = submit_jobs(database, 3)
    watcher = BatchWatcher(api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 3)
    for place, job_id in enumerate(ids):
        if place == 0 and reads_on:
            first = Writer(database, valkey_client, job_id)  # keeps the batch open
            continue
        writer = Writer(database, valkey_client, job_id)
        writer.write(f"text {place}")
        writer.fail() if place else writer.finish()
    watcher.wait_for(
        lambda shown: shown.jobs[ids[2]]["status"] == "failed" and shown.jobs[ids[1]]["status"] == "failed"
    )
    shown = watcher.shown
    path = f"/v1/batches/{batch_id}/events?deltas=true"
    if not reads_on:
        watcher.join()
        assert client.get(path, headers={"Last-Event-ID": shown.cursor or ""}).status_code == 204
    assert client.post(f"/v1/batches/{batch_id}/retry").status_code == 202
    if not reads_on:
        shown.done = None
        watcher = BatchWatcher(api.port, batch_id, cursor=shown.cursor, shown=shown)
    watcher.wait_for(lambda shown: shown.jobs[ids[1]]["status"] == "queued" == shown.jobs[ids[2]]["status"])
    finish_all(database, valkey_client, ids[1:])
    if reads_on:
        first.write("text 0")
        first.finish()
    watcher.join()
    assert shown.texts == {ids[0]: "text 0", ids[1]: "now whole", ids[2]: "now whole"}
    assert sorted(shown.resets) == [(ids[1], 2), (ids[2], 2)]
    assert client.get(path, headers={"Last-Event-ID": shown.cursor or ""}).status_code == 204


def test_a_retry_that_has_ended_meanwhile_is_shown_to_a_client_that_comes_back(
    api: ApiServer, client: httpx.Client, database: Database, valkey_client: redis.Redis, failed: tuple[str, list[str]]
) -> None:
    batch_id, ids = failed
    shown = BatchWatcher(api.port, batch_id).join()
    assert client.post(f"/v1/batches/{batch_id}/retry").status_code == 202
    finish_all(database, valkey_client, ids[1:])
    shown.done = None
    shown.jobs = {}
    path = f"/v1/batches/{batch_id}/events?deltas=true"
    assert watch_to_the_end(client, path, shown.cursor, shown) == 200
    assert list(shown.jobs) == ids[1:]
    assert shown.texts == {ids[0]: "text 0", ids[1]: "now whole", ids[2]: "now whole"}
    assert shown.done["request_counts"]["completed"] == 3


def test_a_watcher_of_the_job_that_was_told_its_end_is_reset_when_it_runs_again(
    api: ApiServer, client: httpx.Client, database: Database, valkey_client: redis.Redis, failed: tuple[str, list[str]]
) -> None:
    _, ids = failed
    shown = WatcherThread(api.port, ids[1]).join()
    path = f"/v1/jobs/{ids[1]}/events"
    assert client.get(path, headers={"Last-Event-ID": shown.cursor}).status_code == 204
    assert client.post(f"/v1/jobs/{ids[1]}/retry").status_code == 202
    shown.done = None
    watcher = WatcherThread(api.port, ids[1], cursor=shown.cursor, shown=shown)
    watcher.wait_for(lambda shown: shown.events[-1][1].get("status") == "queued")
    assert shown.text == "text 1"
    finish_all(database, valkey_client, ids[1:2])
    watcher.join()
    assert (shown.text, shown.resets) == ("now whole", 1)


@pytest.fixture
def simulated(sqlite_database: Database, redis_url: str) -> Iterator[Any]:
    with fast_simulator() as upstream:
        settings = small_settings(redis_url, upstream.url)
        with open_worker(sqlite_database, settings) as worker:
            yield worker


def test_a_real_worker_runs_the_retried_jobs_and_tells_the_batch(
    sqlite_api: ApiServer, sqlite_database: Database, simulated: Any
) -> None:
    base = f"http://127.0.0.1:{sqlite_api.port}/v1/batches"
    body = {"model": "m", "messages": [{"role": "user", "content": "Write 60 words about bees."}]}
    refused = {**body, "simulate": {"status": 400}, "max_attempts": 1}
    batch_id = httpx.post(base, json={"requests": [{"body": body}, {"body": refused}]}).json()["id"]
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 2)
    simulated.dispatch.start()
    for job_id in watcher.shown.jobs:
        simulated.start(job_id)
    shown: BatchShown = watcher.join()
    first, second = shown.jobs.values()
    assert (first["status"], second["status"]) == ("completed", "failed")
    assert httpx.post(f"{base}/{batch_id}/retry").status_code == 202
    shown.done = None
    again = BatchWatcher(sqlite_api.port, batch_id, cursor=shown.cursor, shown=shown).join()
    assert again.jobs[second["id"]]["attempt"] == 2
    assert again.jobs[second["id"]]["status"] == "failed"
    assert [attempt.attempt for attempt in read_attempts(sqlite_database, second["id"])] == [1, 2]
    assert read_job(sqlite_database, first["id"], project=None).attempt == 1  # type: ignore[union-attr]  # it is there
    assert JobStatus.COMPLETED in again.statuses[first["id"]]
