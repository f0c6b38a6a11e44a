"""What a worker makes of failures that may be its upstream's: one that never stops refusing, one that breaks off."""

import time
from collections.abc import Iterator

import pytest

from jobs.dispatch import refusals, upstream_holds
from jobs.dispatch.holds import Hold, read_holds
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    WorkerParts,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
)
from worker.upstream.errors import ErrorInStream, RejectedInStream
from worker.verdict import find_fault


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def wait_held(database: Database, probes: int) -> Hold:
    """The hold, once so many probes have failed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        held = [hold for hold in read_holds(database) if hold.probes >= probes]
        if held:
            return held[0]
        time.sleep(0.02)
    raise AssertionError(f"no hold with {probes} probes")


def test_a_429_without_end_becomes_a_hold_and_costs_no_job_anything(
    worker: WorkerParts, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "LONGEST_WINDOW_SECONDS", 2.0)
    monkeypatch.setitem(upstream_holds.FIRST_PROBE_SECONDS, "limit", 0.2)
    ids = [submit(worker.database, {"deltas": DELTAS}) for _ in range(3)]
    simulator.go_away(429)
    worker.dispatch.start()
    hold = wait_held(worker.database, probes=1)
    assert hold.reason == "limit"
    assert "HTTP 429" in hold.message
    calls = sum(simulator.stats()["refused"].values())
    assert calls >= 3
    simulator.come_back()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(job_and_text(worker.database, job_id)[0].is_final for job_id in ids) and time.monotonic() < deadline:
        time.sleep(0.02)
    for job_id in ids:
        job, _ = job_and_text(worker.database, job_id)
        assert (job.status, job.failures) == (JobStatus.COMPLETED, 0)
        waited = {AttemptOutcome.RATE_LIMITED, AttemptOutcome.COMPLETED}
        assert {attempt.outcome for attempt in history(worker.database, job_id)} <= waited
    assert read_holds(worker.database) == []


def test_an_error_of_the_server_inside_a_stream_is_a_stream_that_was_cut() -> None:
    assert find_fault(ErrorInStream("no", status=502)).fault == "cut"
    assert find_fault(ErrorInStream("no")).fault == "job"
    assert find_fault(RejectedInStream("no", status=400)).fault == "job"
