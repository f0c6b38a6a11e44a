"""The attempts of one process: a drain gives them back, suspects of a crash run apart, none holds a connection."""

from collections.abc import Iterator
from concurrent.futures import wait
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import update

from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.store.reserving import claim_now
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    WAITS,
    WorkerParts,
    all_final,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker.active_attempts import CRASH_ROOM, ActiveAttempts, StopReason

"""The first attempt writes all and then says nothing more; later ones end well."""


@pytest.fixture
def worker(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


@pytest.mark.parametrize(
    ("reason", "status", "outcome", "code"),
    [
        (StopReason.CANCEL, JobStatus.CANCELLED, AttemptOutcome.CANCELLED, "cancelled"),
        (StopReason.EXPIRE, JobStatus.EXPIRED, AttemptOutcome.EXPIRED, "expired"),
        (StopReason.DRAIN, JobStatus.QUEUED, AttemptOutcome.RELEASED, None),
    ],
)
def test_a_cut_stream_closes_its_socket_and_keeps_what_was_written_and_paid(
    database: Database,
    redis_url: str,
    simulator: ServedSimulator,
    reason: StopReason,
    status: JobStatus,
    outcome: AttemptOutcome,
    code: str | None,
) -> None:
    job_id = submit(database, WAITS)
    text = "".join(DELTAS)
    with (
        open_worker(database, small_settings(redis_url, simulator.url)) as worker,
        listening(redis_url, job_id) as ear,
    ):
        attempt = worker.start(job_id)
        ear.wait_for_bytes(len(text.encode()))
        worker.running.stop(job_id, reason)
        attempt.result(PATIENCE_SECONDS)
        told = ear.wait_for_event("queued" if status is JobStatus.QUEUED else "done")[-1]
    assert simulator.wait_until(lambda stats: stats["clients_gone"] == 1)["running"] == 0
    job, _ = job_and_text(database, job_id)
    assert (job.status, job.error_code, job.failures, job.lease_until) == (status, code, 0, None)
    (only,) = history(database, job_id)
    assert (only.outcome, only.deltas, only.bytes) == (outcome, 3, len(text.encode()))
    assert only.usage is not None
    assert only.usage.source == "tokenizer"
    if status is not JobStatus.QUEUED:
        assert job_and_text(database, job_id)[1] == text
        assert (told.status, told.bytes, told.sha256) == (status, len(text.encode()), sha256(text.encode()).hexdigest())
    else:
        assert job.drains == 1


def test_the_first_reason_to_stop_stands(worker: WorkerParts, redis_url: str) -> None:
    job_id = submit(worker.database, WAITS)
    with listening(redis_url, job_id) as ear:
        attempt = worker.start(job_id)
        ear.wait_for_bytes(1)
        worker.running.stop(job_id, StopReason.DRAIN)
        worker.running.stop(job_id, StopReason.CANCEL)
        attempt.result(PATIENCE_SECONDS)
    assert history(worker.database, job_id)[0].outcome is AttemptOutcome.RELEASED


def test_a_job_stopped_between_its_claim_and_its_stream_asks_nothing_of_the_upstream(
    worker: WorkerParts, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(worker.database, WAITS)
    find_text = worker.runner._find_text

    def stop_first(*claimed: Any) -> tuple[str, str]:
        worker.running.stop(job_id, StopReason.CANCEL)
        return find_text(*claimed)

    monkeypatch.setattr(worker.runner, "_find_text", stop_first)
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.usage) == (JobStatus.CANCELLED, "", None)
    assert simulator.stats()["requests"] == 0


def test_a_text_whose_lease_was_lost_is_not_counted(
    worker: WorkerParts, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored nowhere, and counting 16 MB takes seconds."""
    counted: list[object] = []
    monkeypatch.setattr(worker.runner._tokenizers, "count_text", lambda *told: counted.append(told))
    job_id = submit(worker.database, WAITS)
    with listening(redis_url, job_id) as ear:
        running = worker.start(job_id)
        ear.wait_for_bytes(len("".join(DELTAS).encode()))
        worker.running.stop(job_id, StopReason.LOST)
        running.result(PATIENCE_SECONDS)
    assert counted == []


def test_a_draining_process_takes_no_job(worker: WorkerParts, simulator: ServedSimulator) -> None:
    job_id = submit(worker.database, WAITS)
    worker.running.drain()
    worker.run(job_id)
    assert job_and_text(worker.database, job_id)[0].attempt == 0
    assert simulator.stats()["requests"] == 0


def test_forty_streams_hold_no_database_connection(
    database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    with open_worker(database, small_settings(redis_url, simulator.url, streams=40)) as worker:
        ids = [submit(database, WAITS | {"key": str(number)}) for number in range(40)]
        attempts = [worker.start(job_id) for job_id in ids]
        simulator.wait_until(lambda stats: stats["faults"].get("silent_after") == 40)
        pool: Any = database.engine.pool
        assert len(worker.running) == 40
        assert pool.checkedout() == 0
        worker.running.drain()
        assert not wait(attempts, PATIENCE_SECONDS).not_done
    for job_id in ids:
        job, _ = job_and_text(database, job_id)
        assert (job.status, job.failures, job.drains) == (JobStatus.QUEUED, 0, 1)
    with open_worker(database, small_settings(redis_url, simulator.url, streams=40), "w2") as second:
        second.dispatch.start()
        wait_until(lambda: all_final(database, ids), "all ended")
    assert all(job_and_text(database, job_id)[1] == "".join(DELTAS) for job_id in ids)
    assert simulator.stats()["requests"] == 80


def crashed(database: Database, crashes: int) -> str:
    job_id = submit(database, WAITS)
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(crashes=crashes))
    return job_id


def test_the_more_often_a_job_was_there_at_a_crash_the_fewer_run_beside_it(sqlite_database: Database) -> None:
    running = ActiveAttempts()
    assert running.most_crashes() == 3
    held = []
    for crashes, room in sorted(CRASH_ROOM.items(), reverse=True):
        for number in range(room):
            assert running.most_crashes() >= crashes, f"no room for number {number}"
            claimed = claim_now(
                sqlite_database, crashed(sqlite_database, crashes), "w1", 60, most_crashes=running.most_crashes()
            )
            assert claimed is not None
            one = running.run(claimed)
            assert one.__enter__().stop_reason is None
            held.append(one)
    allowed = running.most_crashes()
    assert allowed == min(CRASH_ROOM) - 1
    assert claim_now(sqlite_database, crashed(sqlite_database, allowed + 1), "w1", 60, most_crashes=allowed) is None
    fresh = claim_now(sqlite_database, submit(sqlite_database, WAITS), "w1", 60, most_crashes=allowed)
    assert fresh is not None
    late = claim_now(sqlite_database, crashed(sqlite_database, 2), "w1", 60)  # it had asked before the others claimed
    assert late is not None
    with running.run(late) as crowded:
        assert crowded.stop_reason is StopReason.DRAIN
    for one in held:
        one.__exit__(None, None, None)
    assert running.most_crashes() == 3
    assert len(running) == 0
