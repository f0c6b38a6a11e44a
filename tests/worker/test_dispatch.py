"""Dispatch: what is due is hinted, a rate limit holds for all, and large batches end piece by piece."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import update

from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle import cancel_batch
from jobs.lifecycle.close_batch import close_batches
from jobs.lifecycle.rescue import MOST_ENDED
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.sparing import on_sqlite
from tests.store.reserving import claim_now, unpaced
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    TEXT,
    WorkerParts,
    all_final,
    ask,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)

WELL: dict[str, Any] = {"deltas": DELTAS}


@pytest.fixture
def worker(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    # A round that takes longer than a heartbeat puts the rescues off by a lease: on a busy machine 0.05 s were too few.
    quick = small_settings(redis_url, simulator.url, heartbeat_seconds=0.5, lease_seconds=20, streams=5)
    with open_worker(sqlite_database, quick) as parts:
        yield parts


def unhinted(database: Database) -> str:
    """A job whose first hint was lost."""
    job_id = submit(database, WELL)
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(hinted_at=None))
    return job_id


@on_sqlite
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
