"""Many watches that come at once: they open a few at a time, and their rows are read together."""

import asyncio
import threading
from collections.abc import Sequence

import httpx
import pytest

from api.callers.opening_gate import OPENING_AT_ONCE
from api.server import ApiServer
from api.watching import job_rows
from api.watching.job_rows import JobRows
from jobs.model.records import Job
from jobs.store.database import Database
from jobs.store.queries import read_jobs
from tests.api.watchers import WatcherThread
from tests.api.watching import PATIENCE_SECONDS, submit


def test_watches_that_come_at_once_all_open_and_end(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []

    def counted(database: Database, ids: Sequence[str]) -> list[Job]:
        at_once.append(len(ids))
        return read_jobs(database, ids)

    monkeypatch.setattr(job_rows, "read_jobs", counted)
    job_ids = [submit(sqlite_database) for _ in range(3)]
    watchers = [WatcherThread(sqlite_api.port, job_ids[place % 3]) for place in range(5 * OPENING_AT_ONCE)]
    for watcher in watchers:
        watcher.wait_for(lambda shown: "status" in shown.names())
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        for job_id in job_ids:
            assert client.post(f"/v1/jobs/{job_id}/cancel").is_success
    assert {watcher.join().done["status"] for watcher in watchers} == {"cancelled"}
    assert max(at_once) <= 3  # each of the jobs once


def test_a_row_is_never_older_than_the_question(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(sqlite_database)
    reads: list[list[str]] = []
    started, going_on = threading.Event(), threading.Event()

    def slow(database: Database, ids: Sequence[str]) -> list[Job]:
        reads.append(list(ids))
        found = read_jobs(database, ids)
        started.set()
        assert going_on.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(job_rows, "read_jobs", slow)

    async def ask() -> None:
        rows = JobRows(sqlite_database)
        first = [asyncio.create_task(rows.read(job_id)) for _ in range(3)]
        assert await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
        later = asyncio.create_task(rows.read(job_id))  # while the read goes on that may have seen the row already
        missing = asyncio.create_task(rows.read("job_missing"))
        first[0].cancel()
        await asyncio.sleep(0)
        going_on.set()
        found = await asyncio.gather(*first[1:], later)
        assert {job.id for job in found if job is not None} == {job_id}
        assert await missing is None

    asyncio.run(ask())
    assert reads == [[job_id], [job_id, "job_missing"]]
