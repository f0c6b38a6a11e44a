"""Dispatch and rescue: what is due is hinted, what a dead worker held runs again, and a rate limit holds for all."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from jobs.dispatch.rounds import Round
from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle import cancel_batch
from jobs.lifecycle.close_batch import close_batches
from jobs.lifecycle.rescue import MOST_ENDED, rescue_lost
from jobs.lifecycle.transitions import finish
from jobs.model.endings import AttemptResult
from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.store.database import Database, open_database, utc_now
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.store.reserving import claim_now, unpaced
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    TEXT,
    WorkerParts,
    all_final,
    ask,
    expire_lease,
    history,
    job_and_text,
    listening,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker import dispatch as dispatch_module
from worker.active_attempts import ActiveAttempts

WELL: dict[str, Any] = {"deltas": DELTAS}


@pytest.fixture
def worker(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    quick = small_settings(redis_url, simulator.url, heartbeat_seconds=0.05, lease_seconds=20, streams=5)
    with open_worker(sqlite_database, quick) as parts:
        yield parts


def unhinted(database: Database) -> str:
    """A job whose first hint was lost."""
    job_id = submit(database, WELL)
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(hinted_at=None))
    return job_id


def test_after_a_rate_limit_no_worker_calls_before_its_time_and_nobody_is_charged(
    database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    limited = WELL | {"status": 429, "headers": {"retry-after-ms": "600"}, "times": 1, "key": "shared"}
    ids = [submit(database, limited) for _ in range(12)]
    chosen = small_settings(redis_url, simulator.url)
    with open_worker(database, chosen, "w1") as one, open_worker(database, chosen, "w2") as other:
        one.start(ids[0]).result(PATIENCE_SECONDS)
        for each in (one, other):
            each.hint(ids)
            each.dispatch.start()
        wait_until(lambda: all_final(database, ids), "all ended")
    told = simulator.stats()
    refused = [entry["monotonic"] for entry in told["recent"] if entry.get("fault") == "status"]
    calls = [entry["monotonic"] for entry in told["recent"] if entry["event"] == "request"]
    assert (len(refused), len(calls)) == (1, 13)
    assert calls[1] >= refused[0] + 0.6
    rows = [job_and_text(database, job_id)[0] for job_id in ids]
    assert {row.status for row in rows} == {JobStatus.COMPLETED}
    assert [row.failures for row in rows] == [0] * 12
    assert [row.rate_limits for row in rows] == [1] + [0] * 11
    assert history(database, ids[0])[0].outcome is AttemptOutcome.RATE_LIMITED


def test_a_storm_of_rate_limits_passes_and_charges_nobody(
    database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    limited = WELL | {"status": 429, "headers": {"retry-after-ms": "100"}, "times": 2}
    ids = [submit(database, limited | {"key": str(number)}, max_attempts=1) for number in range(3)]
    chosen = small_settings(redis_url, simulator.url)
    with open_worker(database, chosen, "w1") as one, open_worker(database, chosen, "w2") as other:
        one.hint(ids)
        for each in (one, other):
            each.dispatch.start()
        wait_until(lambda: all_final(database, ids), "all ended")
    for job_id in ids:
        job, text = job_and_text(database, job_id)
        assert (job.status, text, job.failures, job.rate_limits) == (JobStatus.COMPLETED, TEXT, 0, 2)
    assert simulator.stats()["faults"]["status"] == 6
    assert simulator.stats()["requests"] == 9


def test_hints_never_exceed_the_room(worker: WorkerParts) -> None:
    ids = sorted(unhinted(worker.database) for _ in range(30))  # those of one millisecond are in no order
    hinted: list[str] = []
    worker.dispatch._send_hints = hinted.extend
    with unpaced():
        for _ in range(3):
            worker.dispatch._round()
        assert hinted == ids[:5]  # free streams: five
        for job_id in hinted[:2]:
            worker.run(job_id)
        worker.dispatch._round()
        assert hinted == ids[:7]
        claimed = claim_now(worker.database, ids[2], "w1", 60)
        assert claimed is not None
        with worker.running.run(claimed):
            worker.dispatch._round()
    assert len(hinted) == 7  # one runs, four are hinted: no room


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


def test_a_queued_job_past_its_time_expires_and_its_watchers_are_told(worker: WorkerParts, redis_url: str) -> None:
    past = worker.database.now() - timedelta(seconds=1)
    job_id = submit(worker.database, WELL, expires_at=past)
    with listening(redis_url, job_id) as ear:
        worker.dispatch.start()
        assert ear.wait_for_event("done")[-1].status == "expired"
    assert job_and_text(worker.database, job_id)[0].status is JobStatus.EXPIRED


def test_a_batch_whose_window_closes_ends_piece_by_piece_and_hints_go_on_in_between(worker: WorkerParts) -> None:
    dispatch, database = worker.dispatch, worker.database
    told: list[str] = []
    dispatch._publish = lambda resource_id, _: told.append(resource_id)
    hinted: list[str] = []
    dispatch._send_hints = hinted.extend
    many = 2 * MOST_ENDED + 100
    past = database.now() - timedelta(seconds=1)
    batch_id = submit_batch(database, [NewJob(ask(WELL), expires_at=past)] * many).id
    other = unhinted(database)
    dispatch._rescue()
    dispatch._rescue_at = math.inf
    rounds = 1
    while dispatch._woken.is_set():
        # A `done` for each job, and its name for the batch. The fourth round finds that none is left.
        assert len(told) == 2 * min(rounds * MOST_ENDED, many)
        dispatch._woken.clear()
        dispatch._round()
        rounds += 1
    assert (rounds, len(told), hinted) == (4, 2 * many, [other])
    assert close_batches(database) == [batch_id]


def test_a_cancel_whose_api_was_killed_goes_on_piece_by_piece_and_hints_go_on_in_between(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch, database = worker.dispatch, worker.database
    told: list[str] = []
    dispatch._publish = lambda resource_id, _: told.append(resource_id)
    hinted: list[str] = []
    dispatch._send_hints = hinted.extend
    monkeypatch.setattr(cancel_batch, "MOST_ENDED", 2)
    batch_id = submit_batch(database, [NewJob(ask(WELL))] * 5).id
    with monkeypatch.context() as killed:
        killed.setattr(cancel_batch, "_cancel_some", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cancel_batch.cancel_batch(database, batch_id)
    other = unhinted(database)
    dispatch._rescue()
    dispatch._rescue_at = math.inf
    rounds = 1
    while dispatch._woken.is_set():
        assert len(told) == min(2 * 2 * rounds, 2 * 5)  # a `done` for each job, and its name for the batch
        dispatch._woken.clear()
        dispatch._round()
        rounds += 1
    assert (rounds, len(told), hinted) == (4, 2 * 5, [other])
    assert close_batches(database) == [batch_id]


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
        now[0] = 215.0
        wait_until(lambda: status_of(held) is JobStatus.COMPLETED, "the rescue")


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
