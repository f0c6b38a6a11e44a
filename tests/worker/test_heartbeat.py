"""The heartbeat: leases kept, texts so far stored, lost leases and cancels noticed."""

import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.model.records import Job
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.store.reserving import claim_now
from tests.text_so_far import read_text_so_far
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    PATIENCE_SECONDS,
    TEXT,
    WAITS,
    WorkerParts,
    expire_lease,
    history,
    job_and_text,
    note_renewals,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker import heartbeat as heartbeat_module


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    quick = small_settings(redis_url, simulator.url, heartbeat_seconds=0.01, between_deltas_seconds=60)
    with open_worker(database, quick) as parts:
        yield parts


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_module, "STOP_CHECK_SECONDS", 0.02)


def begin(worker: WorkerParts, redis_url: str, count: int = 1) -> list[str]:
    """Start jobs that have written all they will and now wait."""
    ids = [submit(worker.database, WAITS | {"key": str(number)}) for number in range(count)]
    for job_id in ids:
        with listening(redis_url, job_id) as ear:
            worker.start(job_id)
            ear.wait_for_bytes(len(TEXT.encode()))
    return ids


def row(worker: WorkerParts, job_id: str) -> Job:
    return job_and_text(worker.database, job_id)[0]


@pytest.mark.usefixtures("often")
def test_a_beat_renews_every_lease_and_stores_every_text_so_far_in_one_transaction(
    worker: WorkerParts, redis_url: str
) -> None:
    ids = begin(worker, redis_url, 3)
    before = {job_id: row(worker, job_id).lease_until for job_id in ids}
    commits: list[Any] = []
    event.listen(worker.database.engine, "commit", commits.append)
    held = worker.running.all()
    worker.heartbeat._beat(held)
    writes = len(commits)
    for job_id in ids:
        renewed, old = row(worker, job_id).lease_until, before[job_id]
        assert renewed is not None
        assert old is not None
        assert renewed > old
        assert read_text_so_far(worker.database, job_id) == (1, TEXT)
    assert writes == 1


@pytest.mark.usefixtures("often")
def test_long_texts_are_stored_after_the_leases_and_each_apart(
    worker: WorkerParts, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite everybody else waited while a hundred texts were stored, each of which had grown by a letter."""
    stored = note_renewals(monkeypatch)
    monkeypatch.setattr(heartbeat_module, "MOST_BYTES_AT_ONCE", len(TEXT.encode()))
    ids = begin(worker, redis_url, 3)
    worker.heartbeat._beat(worker.running.all())
    assert [read_text_so_far(worker.database, job_id) for job_id in ids] == [(1, TEXT)] * 3
    assert stored == [[False] * 3, [True], [True], [True]]
    stored.clear()
    worker.heartbeat._beat(worker.running.all())
    assert stored == [[False] * 3]


@pytest.mark.usefixtures("often")
def test_long_texts_share_what_a_beat_may_store_and_all_have_their_turn(
    worker: WorkerParts, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 texts of 6 MB were written all the time, and a short job waited 20 s for its turns to write."""
    monkeypatch.setattr(heartbeat_module, "SHORT_BYTES", 0)
    monkeypatch.setattr(heartbeat_module, "MOST_BYTES_A_BEAT", 2 * len(TEXT.encode()))
    ids = begin(worker, redis_url, 3)
    before = {job_id: row(worker, job_id).lease_until for job_id in ids}
    worker.heartbeat._beat(worker.running.all())
    texts = [read_text_so_far(worker.database, job_id) for job_id in ids]
    assert sorted(texts, key=str) == [(1, TEXT), (1, TEXT), None]
    assert all(row(worker, job_id).lease_until != before[job_id] for job_id in ids)  # the leases have no turns
    worker.heartbeat._beat(worker.running.all())
    assert [read_text_so_far(worker.database, job_id) for job_id in ids] == [(1, TEXT)] * 3


@pytest.mark.usefixtures("often")
def test_a_text_longer_than_a_beat_may_store_is_stored_alone_and_short_ones_always(
    worker: WorkerParts, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_module, "SHORT_BYTES", 0)
    monkeypatch.setattr(heartbeat_module, "MOST_BYTES_A_BEAT", 1)
    ids = begin(worker, redis_url, 2)
    worker.heartbeat._beat(worker.running.all())
    texts = [read_text_so_far(worker.database, job_id) for job_id in ids]
    assert sorted(texts, key=str) == [(1, TEXT), None]
    monkeypatch.setattr(heartbeat_module, "SHORT_BYTES", len(TEXT.encode()))
    worker.heartbeat._beat(worker.running.all())
    assert [read_text_so_far(worker.database, job_id) for job_id in ids] == [(1, TEXT)] * 2


@pytest.mark.usefixtures("often")
def test_a_lost_lease_cuts_the_stream_and_leaves_no_trace(
    worker: WorkerParts, redis_url: str, simulator: ServedSimulator
) -> None:
    (job_id,) = begin(worker, redis_url)
    with listening(redis_url, job_id) as ear:
        expire_lease(worker.database, job_id)
        assert [change.id for change in rescue_lost(worker.database)] == [job_id]
        claimed = claim_now(worker.database, job_id, "w2", 60)
        assert claimed is not None
        before = row(worker, job_id), history(worker.database, job_id)
        worker.heartbeat.start()
        worker.attempts[-1].result(PATIENCE_SECONDS)
        simulator.wait_until(lambda stats: stats["clients_gone"] == 1)
        assert (row(worker, job_id), history(worker.database, job_id)) == before
        assert before[0].attempt == 2
        assert before[1][0].outcome is AttemptOutcome.LOST
        # Whatever the attempt might have told would have been heard before this.
        worker.dispatch._publish(job_id, b'{"event":"queued","attempt":99}')
        heard = ear.wait_for_event("queued", 99)
    assert len(heard) == 1


def test_a_cancel_reaches_the_upstream_with_the_next_look_and_there_is_one_every_second(
    worker: WorkerParts, redis_url: str, simulator: ServedSimulator
) -> None:
    assert heartbeat_module.STOP_CHECK_SECONDS <= 1
    (job_id,) = begin(worker, redis_url)
    with listening(redis_url, job_id) as ear:
        assert cancel_job(worker.database, job_id) is not None
        worker.heartbeat._stop_unwanted()
        ear.wait_for_event("done")
    simulator.wait_until(lambda stats: stats["clients_gone"] == 1)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text) == (JobStatus.CANCELLED, TEXT)


@pytest.mark.usefixtures("often")
def test_a_running_job_past_its_time_expires(worker: WorkerParts, redis_url: str) -> None:
    (job_id,) = begin(worker, redis_url)
    with listening(redis_url, job_id) as ear:
        with worker.database.write() as connection:
            past = worker.database.now() - timedelta(seconds=1)
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(expires_at=past))
        worker.heartbeat.start()
        ear.wait_for_event("done")
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text) == (JobStatus.EXPIRED, TEXT)


def break_next_write(database: Database, error: Exception) -> threading.Event:
    """Let the next statement that stores texts fail; tells when it has."""
    failed = threading.Event()

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO texts") and not failed.is_set():
            failed.set()
            raise error

    event.listen(database.engine, "before_cursor_execute", fail)
    return failed


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "error",
    [OperationalError("", None, Exception("the database is away")), RuntimeError("whatever it may be")],
    ids=str,
)
def test_a_beat_that_failed_is_made_up_for(worker: WorkerParts, redis_url: str, error: Exception) -> None:
    (job_id,) = begin(worker, redis_url)
    failed = break_next_write(worker.database, error)
    worker.heartbeat.start()
    # The text has not grown since the beat that failed, and is stored all the same.
    wait_until(lambda: read_text_so_far(worker.database, job_id) == (1, TEXT), "the checkpoint")
    assert failed.is_set()
    before = row(worker, job_id).lease_until
    wait_until(lambda: row(worker, job_id).lease_until != before, "the next renewal")


@pytest.mark.usefixtures("often")
def test_a_disk_without_room_for_a_text_costs_no_lease(worker: WorkerParts, redis_url: str) -> None:
    (job_id,) = begin(worker, redis_url, 1)
    before = row(worker, job_id).lease_until
    refused = []

    def refuse(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "texts" in statement and statement.startswith(("INSERT", "UPDATE")):
            refused.append(statement)
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL  # as the driver sets it
            raise OperationalError(statement, None, full)

    event.listen(worker.database.engine, "before_cursor_execute", refuse)
    worker.heartbeat._beat(worker.running.all())
    event.remove(worker.database.engine, "before_cursor_execute", refuse)
    renewed = row(worker, job_id).lease_until
    assert refused
    assert before is not None
    assert renewed is not None
    assert renewed > before
    worker.heartbeat._beat(worker.running.all())
    assert read_text_so_far(worker.database, job_id) == (1, TEXT)
