"""Watching a batch of which single jobs were deleted: nobody waits for them."""

from pathlib import Path

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import erase_job
from jobs.lifecycle.transitions import finish
from jobs.live.channel import channel_name, encode_batch
from jobs.store.database import Database
from tests.api.batch_watching import BatchWatcher, submit_jobs
from tests.api.watching import Writer
from tests.stack.running_up import environ_of, longhand


def submit_ended(database: Database, client: redis.Redis, count: int) -> tuple[str, list[str]]:
    """A batch whose jobs have completed."""
    batch_id, ids = submit_jobs(database, count)
    for job_id in ids:
        writer = Writer(database, client, job_id)
        writer.write("a text")
        writer.finish()
    return batch_id, ids


@pytest.mark.parametrize("deleted", [[0], [1], [2], [0, 1, 2]])
def test_the_watch_of_an_ended_batch_ends_whichever_of_its_jobs_was_deleted(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    deleted: list[int],
    tmp_path: Path,
) -> None:
    batch_id, ids = submit_ended(sqlite_database, valkey_client, 3)
    first = BatchWatcher(sqlite_api.port, batch_id)
    first.wait_for(lambda shown: len(shown.jobs) == 3)
    first.join()
    for place in deleted:
        url = f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{ids[place]}"
        assert httpx.delete(url, timeout=60).status_code == 200
    left = [job_id for place, job_id in enumerate(ids) if place not in deleted]
    for query in ("", "?deltas=true"):
        shown = BatchWatcher(sqlite_api.port, batch_id, query=query).join()
        assert list(shown.jobs) == left
        assert shown.done is not None
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    for more in ([], ["--json"]):
        assert longhand("watch", batch_id, *more, environ=environ).returncode == 0


def test_a_job_that_ended_and_was_deleted_between_two_looks_keeps_no_watch_open(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    writers = [Writer(sqlite_database, valkey_client, job_id) for job_id in ids]
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: [job["status"] for job in shown.jobs.values()] == ["in_progress"] * 2)
    for writer in writers:  # without a word to the watchers
        assert finish(sqlite_database, writer.job_id, writer.attempt, writer.written())
    assert close_batch(sqlite_database, batch_id)
    assert erase_job(sqlite_database, ids[0])
    valkey_client.publish(channel_name(batch_id), encode_batch())
    shown = watcher.join()
    assert shown.statuses == {ids[0]: ["in_progress"], ids[1]: ["in_progress", "completed"]}
