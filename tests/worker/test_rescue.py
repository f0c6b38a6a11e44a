"""Rescue: what a dead worker held runs again, a poison job ends, and who is alive is not taken for dead."""

from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import InternalError, OperationalError

from jobs.dispatch.rounds import Round
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import finish
from jobs.model.endings import AttemptResult
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database, open_database, utc_now
from longhand.simulator import ServedSimulator
from tests.store.read_only import read_only
from tests.store.reserving import claim_now
from tests.worker.ear import listening
from tests.worker.test_dispatch import WELL, unhinted, worker
from tests.worker.worker_fixtures import (
    TEXT,
    WorkerParts,
    all_final,
    expire_lease,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker import dispatch as dispatch_module
from worker.active_attempts import ActiveAttempts

__all__ = ["worker"]  # a fixture


def test_the_jobs_of_a_dead_worker_run_again(worker: WorkerParts, redis_url: str) -> None:
    job_id = submit(worker.database, WELL)
    assert claim_now(worker.database, job_id, "dead", 60) is not None
    expire_lease(worker.database, job_id)
    with listening(redis_url, job_id) as ear:
        worker.dispatch.start()
        told = [(message.event, message.attempt) for message in ear.wait_for_event("done") if message.event]
    assert told == [("queued", 1), ("started", 2), ("done", 2)]
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.crashes, job.failures) == (JobStatus.COMPLETED, TEXT, 1, 0)
    assert [attempt.outcome for attempt in history(worker.database, job_id)] == ["lost", "completed"]


def test_a_worker_whose_clock_is_ahead_takes_nobody_for_dead(
    postgres_url: str, redis_url: str, simulator: ServedSimulator
) -> None:
    ahead = open_database(postgres_url, clock=lambda: utc_now() + timedelta(seconds=60))
    right = open_database(postgres_url)
    try:
        job_id = submit(right, WELL)
        assert claim_now(right, job_id, "w0", 15) is not None
        with open_worker(ahead, small_settings(redis_url, simulator.url)) as worker:
            assert ahead.now() > right.now() + timedelta(seconds=50)
            for _ in range(3):  # it rescues only what had run out at its last look already
                worker.dispatch._rescue()
        assert job_and_text(right, job_id)[0].status is JobStatus.IN_PROGRESS
    finally:
        ahead.close()
        right.close()


def test_after_an_outage_the_owners_have_a_lease_time_to_renew_before_anybody_rescues(
    sqlite_database: Database, redis_url: str, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(dispatch_module, "monotonic", lambda: now[0])
    monkeypatch.setattr(dispatch_module, "HINT_CHECK_SECONDS", 0.01)
    held = submit(sqlite_database, WELL)
    assert claim_now(sqlite_database, held, "w0", 60) is not None
    expire_lease(sqlite_database, held)
    outages: list[float] = []

    def fail(*_: Any) -> None:
        if not outages:
            outages.append(now[0])
            raise OperationalError("", None, Exception("the database is away"))

    def status_of(job_id: str) -> JobStatus:
        return job_and_text(sqlite_database, job_id)[0].status

    def wait_for_rounds() -> None:
        other = unhinted(sqlite_database)
        wait_until(lambda: status_of(other) is JobStatus.COMPLETED, "rounds after the outage")

    settings = small_settings(redis_url, simulator.url, lease_seconds=15)
    small_step = settings.heartbeat_seconds / 2
    with open_worker(sqlite_database, settings) as worker:
        now[0] = 200.0
        event.listen(sqlite_database.engine, "before_cursor_execute", fail)
        worker.dispatch.start()
        wait_until(lambda: outages, "the outage")
        wait_for_rounds()
        assert status_of(held) is JobStatus.IN_PROGRESS
        # Step by step: a clock that leaps in the middle of a round is a database that hung.
        while now[0] < 214.9:
            now[0] = min(214.9, now[0] + small_step)
            wait_for_rounds()
            assert status_of(held) is JobStatus.IN_PROGRESS
        now[0] = 215.0  # the first look after it
        wait_for_rounds()
        assert status_of(held) is JobStatus.IN_PROGRESS
        now[0] += 2 * small_step
        wait_until(lambda: status_of(held) is JobStatus.COMPLETED, "the rescue")


def test_nobody_is_taken_for_dead_while_the_database_only_reads(
    postgres_url: str, redis_url: str, simulator: ServedSimulator
) -> None:
    """Each outage of some seconds cost every running job an attempt, and the third one the job."""
    database = open_database(postgres_url)
    with open_worker(database, small_settings(redis_url, simulator.url)) as worker:
        held = submit(database, WELL)
        assert claim_now(database, held, "w0", 60) is not None
        expire_lease(database, held)
        worker.dispatch._rescue_lost()  # it may be anybody's, and is looked at once more
        with read_only(database):
            for _ in range(3):
                with pytest.raises(InternalError, match="read-only"):
                    worker.dispatch._rescue_lost()
        worker.dispatch._rescue_lost()  # its owner has not had time to renew
        assert job_and_text(database, held)[0].status is JobStatus.IN_PROGRESS
        worker.dispatch._rescue_lost()
        assert job_and_text(database, held)[0].status is JobStatus.QUEUED
    database.close()


def test_leases_are_rescued_also_where_every_round_is_slow(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow round was taken for an outage, each time anew: nothing expired any more, for anybody."""
    now, rescued = [monotonic()], []

    def slow(*_: Any) -> Round:
        now[0] += worker.dispatch._settings.lease_seconds / 2
        return Round()

    monkeypatch.setattr(dispatch_module, "monotonic", lambda: now[0])
    monkeypatch.setattr(worker.dispatch._lanes, "reserve", slow)
    monkeypatch.setattr(worker.dispatch, "_rescue", lambda: rescued.append(now[0]))
    for _ in range(20):
        worker.dispatch._round()
    assert len(rescued) > 2


def test_a_poison_job_ends_as_worker_lost_and_its_neighbours_finish(sqlite_database: Database) -> None:
    ids = [submit(sqlite_database, WELL) for _ in range(12)]
    poison = ids[5]
    crashes = 0
    while not all_final(sqlite_database, ids):
        # One life of a worker: it takes what it may, dies if the poison is among it, and else finishes all.
        running = ActiveAttempts()
        worker = f"w{crashes}"
        taken = []
        with ExitStack() as life:
            for job_id in ids:
                claimed = claim_now(sqlite_database, job_id, worker, 60, most_crashes=running.most_crashes())
                if claimed is not None:
                    life.enter_context(running.run(claimed))
                    taken.append(claimed)
        assert taken
        if any(claimed.job.id == poison for claimed in taken):
            crashes += 1
            for claimed in taken:
                expire_lease(sqlite_database, claimed.job.id)
            assert len(rescue_lost(sqlite_database)) == len(taken)
            continue
        for claimed in taken:
            assert finish(sqlite_database, claimed.job.id, claimed.attempt, AttemptResult("text", 4, "", 1, None))
    assert crashes == 3
    ended = {job_id: job_and_text(sqlite_database, job_id)[0] for job_id in ids}
    assert (ended[poison].status, ended[poison].error_code) == (JobStatus.FAILED, "worker_lost")
    assert {job.status for job_id, job in ended.items() if job_id != poison} == {JobStatus.COMPLETED}
    assert all(job.status in FINAL and job.failures == 0 for job in ended.values())
