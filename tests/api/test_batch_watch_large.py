"""Watchers of large batches that have ended: they are listed in slices, few at once, beside everything else."""

import threading
from typing import Any

import pytest
from sqlalchemy import update

from api.forms.jobs import job_json
from api.main import LISTINGS_AT_ONCE
from api.server import ApiServer
from api.watching import batch_jobs
from jobs.lifecycle.close_batch import close_batches
from jobs.model.records import Job
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from tests.api.batch_watching import BatchWatcher, submit_jobs

JOBS = 1200


@pytest.fixture
def ended_batch(sqlite_database: Database) -> str:
    """A batch of which nothing was written, in three slices."""
    batch_id, _ = submit_jobs(sqlite_database, JOBS)
    ended = {"status": JobStatus.EXPIRED, "finished_at": sqlite_database.now()}
    with sqlite_database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.batch_id == batch_id).values(ended))
    assert close_batches(sqlite_database) == [batch_id]
    return batch_id


def test_no_slice_of_a_batch_is_made_on_the_event_loop_and_few_are_at_once(
    sqlite_api: ApiServer, ended_batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = threading.Lock()
    made_by: dict[str, int] = {}
    at_once: list[int] = []
    making: set[str] = set()

    def counted(job: Job) -> dict[str, Any]:
        name = threading.current_thread().name
        with guard:
            making.add(name)
            made_by[name] = made_by.get(name, 0) + 1
            at_once.append(len(making))
        shown = job_json(job)
        with guard:
            making.discard(name)
        return shown

    monkeypatch.setattr(batch_jobs, "job_json", counted)
    watchers = [BatchWatcher(sqlite_api.port, ended_batch, query="") for _ in range(6)]
    for watcher in watchers:
        shown = watcher.join()
        assert shown.done is not None
        assert shown.jobs_per_event == [500, 500, 200]
        assert len(shown.jobs) == JOBS
    assert sum(made_by.values()) == 6 * JOBS
    assert "api" not in made_by  # the thread of the event loop
    assert max(at_once) <= LISTINGS_AT_ONCE
