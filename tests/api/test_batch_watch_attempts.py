"""Watching a batch whose jobs are tried again, fail or are cancelled: each ends with exactly what is kept of it."""

import httpx
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.batch_watching import BatchWatcher, submit_jobs
from tests.api.watching import Writer


def test_a_job_that_is_tried_again_is_reset_and_ends_exact(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 2)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 2)
    other = Writer(sqlite_database, valkey_client, ids[1])
    other.write("calm ")
    first = Writer(sqlite_database, valkey_client, ids[0])
    first.write("in vain")
    watcher.wait_for(lambda shown: shown.texts.get(ids[0]) == "in vain")
    first.retry()
    watcher.wait_for(lambda shown: shown.jobs[ids[0]]["status"] == "queued" and shown.jobs[ids[0]]["attempt"] == 1)
    second = Writer(sqlite_database, valkey_client, ids[0])
    second.write("at last")
    watcher.wait_for(lambda shown: shown.texts.get(ids[0]) == "at last")
    second.finish()
    other.finish()
    shown = watcher.join()
    assert shown.resets == [(ids[0], 2)]
    assert shown.texts == {ids[0]: "at last", ids[1]: "calm "}


def test_an_attempt_that_goes_on_with_the_text_is_not_reset(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 1, on_interrupt="continue")
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 1)
    first = Writer(sqlite_database, valkey_client, ids[0])
    first.write("half ")
    watcher.wait_for(lambda shown: shown.bytes() == 5)
    first.retry()
    second = Writer(sqlite_database, valkey_client, ids[0], continued="half ")
    second.write("and whole")
    second.finish()
    shown = watcher.join()
    assert (shown.texts, shown.resets) == ({ids[0]: "half and whole"}, [])


def test_a_job_that_fails_or_is_cancelled_ends_with_exactly_what_is_kept_of_it(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3)
    watcher = BatchWatcher(sqlite_api.port, batch_id)
    watcher.wait_for(lambda shown: len(shown.jobs) == 3)
    writer = Writer(sqlite_database, valkey_client, ids[0])
    writer.write("half of a ")
    writer.fail()
    again = Writer(sqlite_database, valkey_client, ids[1])
    again.write("kept")
    again.retry()
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for job_id in ids[1:]:
            assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    shown = watcher.join()
    assert shown.texts == {ids[0]: "half of a ", ids[1]: "kept"}
    assert [shown.jobs[job_id]["status"] for job_id in ids] == ["failed", "cancelled", "cancelled"]
    assert shown.proved == 3
    late = BatchWatcher(sqlite_api.port, batch_id).join()
    assert (late.texts, late.proved) == (shown.texts, 3)
