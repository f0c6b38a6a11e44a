"""Watching a batch: what is shown, in which order, and that every job's text is exact."""

import random
import threading
from collections.abc import Callable
from functools import partial

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle.rescue import cancel_job
from jobs.live.channel import channel_name
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch, read_result
from tests.api.batch_watching import BatchShown, BatchWatcher, submit_jobs
from tests.api.watchers import events_of
from tests.api.watching import Writer, pieces, wait_until


def write_all(
    database: Database,
    client: redis.Redis,
    job_ids: list[str],
    seed: int,
    count: int = 60,
    begun: Callable[[], object] | None = None,
) -> None:
    """Write every job, all at once in turns, as a worker with as many streams does. `begun`: called once all run."""
    chance = random.Random(seed)
    writers = [Writer(database, client, job_id) for job_id in job_ids]
    if begun is not None:
        begun()
    left = {writer: pieces(count + chance.randint(0, 20), seed + place) for place, writer in enumerate(writers)}
    while left:
        writer = chance.choice(list(left))
        writer.write(*left[writer][:3])
        del left[writer][:3]
        if not left[writer]:
            del left[writer]
            writer.finish()


def has_bytes(wanted: int, shown: BatchShown) -> bool:
    return shown.bytes() >= wanted


def all_run(shown: BatchShown) -> bool:
    return all(statuses[-1] == "in_progress" for statuses in shown.statuses.values())


def stored(database: Database, job_id: str) -> str:
    result = read_result(database, job_id, project=None)
    assert result is not None
    assert result.text is not None
    return result.text


def test_a_watcher_sees_every_job_its_text_the_progress_and_the_end(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(database, 20)
    watcher = BatchWatcher(api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 20)
    assert watcher.shown.names() == ["batch", "jobs"]
    assert [job["index"] for job in watcher.shown.jobs.values()] == list(range(20))
    assert list(watcher.shown.jobs) == ids
    # A status is what the row says when it is looked at: one that is over by then is not seen.
    write_all(database, valkey_client, ids, seed=1, begun=lambda: watcher.wait_for(all_run))
    shown = watcher.join()
    assert shown.done["status"] == "completed"
    assert shown.batch == shown.done
    assert shown.done["request_counts"] == {
        "total": 20,
        "completed": 20,
        "failed": 0,
        "in_progress": 0,
        "incomplete": 0,
    }
    assert shown.progress["request_counts"]["completed"] == 20
    assert shown.proved == 20
    assert {job_id: stored(database, job_id) for job_id in ids} == shown.texts
    assert shown.resets == []
    assert all(statuses == ["queued", "in_progress", "completed"] for statuses in shown.statuses.values())


def test_without_deltas_only_statuses_and_counts_are_sent(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3)
    shown = BatchShown(whole=False)
    watcher = BatchWatcher(sqlite_api.port, batch_id, query="", shown=shown)
    watcher.wait_for(lambda shown: len(shown.jobs) == 3)
    write_all(sqlite_database, valkey_client, ids, seed=2)
    watcher.join()
    assert set(shown.events) == {"batch", "jobs", "progress", "done"}
    assert [job["status"] for job in shown.jobs.values()] == ["completed"] * 3


@pytest.mark.parametrize("seed", range(3))
def test_late_watchers_at_random_instants_get_every_byte_of_every_job_once(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, seed: int
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 8)
    writing = threading.Thread(target=write_all, args=(sqlite_database, valkey_client, ids, seed, 100))
    watchers = [BatchWatcher(sqlite_api.port, batch_id)]
    watchers[0].wait_for(lambda shown: len(shown.jobs) == 8)
    writing.start()
    for wanted in range(400, 4000, 400):
        watchers[0].wait_for(partial(has_bytes, wanted))
        watchers.append(BatchWatcher(sqlite_api.port, batch_id))
    writing.join()
    watchers.append(BatchWatcher(sqlite_api.port, batch_id))
    for watcher in watchers:
        shown = watcher.join()
        assert shown.texts == {job_id: stored(sqlite_database, job_id) for job_id in ids}
        assert (shown.resets, shown.proved) == ([], 8)


def test_texts_of_jobs_that_had_ended_are_not_sent_when_only_running_ones_are_asked_for(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3)
    first = Writer(sqlite_database, valkey_client, ids[0])
    first.write("ended before")
    first.finish()
    second = Writer(sqlite_database, valkey_client, ids[1])
    second.write("running ")
    watcher = BatchWatcher(sqlite_api.port, batch_id, query="?deltas=true&texts=running")
    watcher.wait_for(lambda shown: shown.texts.get(ids[1]) == "running ")
    second.write("and ended")
    second.finish()
    third = Writer(sqlite_database, valkey_client, ids[2])
    third.write("begun later")
    third.finish()
    shown = watcher.join()
    assert shown.texts == {ids[1]: "running and ended", ids[2]: "begun later"}
    assert shown.jobs[ids[0]]["status"] == "completed"
    assert shown.jobs[ids[0]]["bytes"] == len("ended before")


def test_changes_that_nobody_published_are_found_in_the_rows(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 2)
    for job_id in ids:
        assert cancel_job(sqlite_database, job_id) is not None  # and nobody publishes it, nor ends the batch
    watcher.wait_for(lambda shown: all(job["status"] == "cancelled" for job in shown.jobs.values()))
    batch = read_batch(sqlite_database, batch_id, project=None)
    assert batch is not None
    assert batch.status == "in_progress"
    assert watcher.shown.done is None
    sqlite_api.should_exit = True
    watcher.join()
    assert watcher.ended_whole


def test_a_watcher_listens_only_to_the_jobs_that_run(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 30)
    watchers = [BatchWatcher(sqlite_api.port, batch_id) for _ in range(3)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: len(shown.jobs) == 30)
    assert valkey_client.pubsub_channels() == [channel_name(batch_id).encode()]
    writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids[:2]]
    wait_until(lambda: len(valkey_client.pubsub_channels()) == 3)
    assert len(valkey_client.client_list(_type="pubsub")) == 1
    for writer in writers:
        writer.write("x")
        writer.finish()
    wait_until(lambda: len(valkey_client.pubsub_channels()) == 1)
    write_all(sqlite_database, valkey_client, ids[2:], seed=3, count=5)
    for watcher in watchers:
        watcher.join()
    wait_until(lambda: valkey_client.pubsub_channels() == [])
    assert sqlite_api.hub.watching == 0


def test_a_reconnect_after_the_end_is_told_that_nothing_more_comes(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    write_all(sqlite_database, valkey_client, ids, seed=4)
    shown = BatchWatcher(sqlite_api.port, batch_id).join()
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/batches/{batch_id}/events"
    query = {"deltas": "true"}
    assert httpx.get(url, params=query, headers={"Last-Event-ID": shown.cursor}).status_code == 204
    assert httpx.get(url, params={**query, "last_event_id": shown.cursor}).status_code == 204
    # A client that asks for something else was not told.
    other = BatchShown(whole=False)
    answer = httpx.get(url, headers={"Last-Event-ID": shown.cursor})
    list(events_of(iter(answer.text.split("\n")), other))
    assert other.names() == ["batch", "jobs", "done"]


@pytest.mark.parametrize("cursor", ["x", "1:2", "é", "////", "gICAgICAgICAgICA", "AAAAAQ"])
def test_a_malformed_cursor_is_refused(sqlite_api: ApiServer, sqlite_database: Database, cursor: str) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 1)
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/batches/{batch_id}/events"
    answer = httpx.get(url, params={"last_event_id": cursor})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_what_is_asked_for_is_read_strictly(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 1)
    base = f"http://127.0.0.1:{sqlite_api.port}/v1/batches"
    assert httpx.get(f"{base}/batch_0/events").status_code == 404
    assert httpx.get(f"{base}/{batch_id}/events?text=all").json()["error"]["code"] == "unknown_parameter"
    assert httpx.get(f"{base}/{batch_id}/events?texts=some").status_code == 400


def test_the_status_of_a_job_is_told_once_for_each_change(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 1)
    writer = Writer(sqlite_database, valkey_client, ids[0])
    for _ in range(5):  # doubled messages
        writer.tell_batch(JobStatus.IN_PROGRESS)
    watcher.wait_for(lambda shown: shown.jobs[ids[0]]["status"] == "in_progress")
    writer.write("x")
    writer.finish()
    assert watcher.join().statuses[ids[0]] == ["queued", "in_progress", "completed"]
