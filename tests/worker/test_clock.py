"""A worker on a machine whose clock is off: all that it writes goes by the database's clock."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from jobs.lifecycle.rescue import rescue_lost
from jobs.model.status import JobStatus
from jobs.store.database import Database, open_database, utc_now
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    PATIENCE_SECONDS,
    WorkerParts,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
)
from worker.main import open_databases

DELTAS = ["One ", "two"]
WAITS = {"deltas": DELTAS, "silent_after": 2, "times": 1}


@pytest.fixture
def right(postgres_url: str) -> Iterator[Database]:
    """The database as a process sees it whose clock is right."""
    database = open_database(postgres_url)
    yield database
    database.close()


@pytest.fixture(params=[-25, 25], ids=["behind", "ahead"])
def worker(
    request: pytest.FixtureRequest, postgres_url: str, redis_url: str, simulator: ServedSimulator
) -> Iterator[WorkerParts]:
    """A worker whose clock is 25 s off, put together as a worker process is."""
    off = timedelta(seconds=request.param)
    database, maintenance_db = open_databases(postgres_url, clock=lambda: utc_now() + off)
    settings = small_settings(redis_url, simulator.url, between_deltas_seconds=60)
    with open_worker(database, settings, maintenance_db=maintenance_db) as parts:
        yield parts
    maintenance_db.close()
    database.close()


def test_its_lease_is_as_long_for_the_others_as_for_itself(
    worker: WorkerParts, right: Database, redis_url: str
) -> None:
    job_id = submit(right, WAITS)
    with listening(redis_url, job_id) as ear:
        worker.start(job_id)
        ear.wait_for_bytes(len("".join(DELTAS)))
    job, _ = job_and_text(right, job_id)
    assert job.started_at is not None
    assert job.lease_until is not None
    assert abs(job.started_at - right.now()) < timedelta(seconds=10)
    assert job.lease_until - job.started_at == timedelta(seconds=worker.settings.lease_seconds)
    assert rescue_lost(right) == []


def test_what_it_stores_at_an_end_is_in_order_and_of_this_moment(worker: WorkerParts, right: Database) -> None:
    began = right.now()
    job_id = submit(right, {"deltas": DELTAS})
    worker.start(job_id).result(PATIENCE_SECONDS)
    [attempt] = history(right, job_id)
    assert attempt.first_delta_at is not None
    assert attempt.finished_at is not None
    moment = timedelta(seconds=1)  # what two clocks of one machine may differ by, and more
    assert began - moment < attempt.started_at <= attempt.first_delta_at <= attempt.finished_at < right.now() + moment


def test_it_waits_until_a_job_is_due(worker: WorkerParts, right: Database, simulator: ServedSimulator) -> None:
    job_id = submit(right, {"deltas": DELTAS})
    with right.write() as connection:
        connection.execute(update(jobs).values(due_at=right.now() + timedelta(seconds=20)))
    worker.start(job_id).result(PATIENCE_SECONDS)
    assert job_and_text(right, job_id)[0].status is JobStatus.QUEUED
    assert simulator.stats()["requests"] == 0
