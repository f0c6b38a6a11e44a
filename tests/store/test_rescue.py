"""Rescue: a job that its worker has lost is queued again or ends, and what still has its lease is left alone."""

from functools import partial
from hashlib import sha256

import pytest

from jobs.lifecycle import rescue
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job, rescue_dead, rescue_lost
from jobs.lifecycle.transitions import finish
from jobs.model.endings import CANCELLED, EXPIRED, MAX_CRASHES, WORKER_LOST
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.queries import read_attempts, read_result
from tests.store.store_fixtures import EMPTY, LEASE, Store, at_once, store, written

__all__ = ["store"]  # a fixture


def lose(store: Store, job_id: str, worker: str = "w1", text: str | None = None) -> None:
    """Let a worker take the job and die."""
    claimed = store.claim(job_id, worker)
    if text is not None:
        renew(store.database, worker, [Checkpoint(job_id, claimed.attempt, text)], LEASE)
    store.clock.advance(LEASE + 1)


def test_a_lost_job_is_queued_again_and_due_at_once(store: Store) -> None:
    job_id = store.submit()
    lose(store, job_id, text="so far")
    [change] = rescue_lost(store.database)
    assert (change.id, change.batch_id, change.attempt, change.status) == (job_id, None, 1, JobStatus.QUEUED)
    job = store.job(job_id)
    assert (job.status, job.due_at, job.hinted_at, job.lease_until) == (JobStatus.QUEUED, store.clock.now, None, None)
    assert (job.crashes, job.failures, job.rate_limits, job.drains) == (1, 0, 0, 0)
    [attempt] = read_attempts(store.database, job_id)
    assert (attempt.outcome, attempt.finished_at) == (AttemptOutcome.LOST, store.clock.now)
    assert attempt.error_code == WORKER_LOST.code
    assert store.rows()["texts"] == [(job_id, 1, "so far", "", 0, False)]


def test_the_jobs_of_a_worker_that_is_known_to_be_gone_are_taken_before_their_leases_run_out(store: Store) -> None:
    """And no others: a machine of the same name may have a worker with the same process id."""
    first, second, other = store.submit(), store.submit(), store.submit()
    ended = store.submit()
    for job_id in (first, second, ended):
        store.claim(job_id, "host:7:aaaaaaaa")
    store.claim(other, "host:7:bbbbbbbb")
    assert finish(store.database, ended, 1, written("whole"))
    changes = rescue_dead(store.database, "host:7:aaaaaaaa")
    assert [(one.id, one.attempt, one.status) for one in changes] == [
        (first, 1, JobStatus.QUEUED),
        (second, 1, JobStatus.QUEUED),
    ]
    job = store.job(first)
    assert (job.due_at, job.crashes, job.lease_until) == (store.clock.now, 1, None)
    assert [attempt.outcome for attempt in read_attempts(store.database, first)] == [AttemptOutcome.LOST]
    assert not finish(store.database, first, 1, written("late")), "what it sent before its end comes too late"
    assert store.job(other).status is JobStatus.IN_PROGRESS
    assert store.job(ended).status is JobStatus.COMPLETED
    assert rescue_dead(store.database, "host:7:aaaaaaaa") == []


def test_a_lost_job_that_somebody_cancelled_ends_cancelled_with_its_text(store: Store) -> None:
    job_id = store.submit(expires_at=store.clock.after(1))
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 1, "so far 😀")], LEASE)
    cancel_job(store.database, job_id)
    store.clock.advance(LEASE + 1)
    [change] = rescue_lost(store.database)
    assert change.status is JobStatus.CANCELLED
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    assert (result.text, result.job.status, result.job.error_code) == ("so far 😀", "cancelled", CANCELLED.code)
    assert (result.job.bytes, result.job.sha256) == (11, sha256("so far 😀".encode()).hexdigest())
    assert result.job.finished_at == store.clock.now


def test_a_lost_job_past_its_time_ends_expired(store: Store) -> None:
    job_id = store.submit(expires_at=store.clock.after(LEASE + 1))
    lose(store, job_id)
    [change] = rescue_lost(store.database)
    job = store.job(job_id)
    assert change.status is job.status is JobStatus.EXPIRED
    assert (job.error_code, job.bytes, job.sha256, job.crashes) == (EXPIRED.code, 0, EMPTY, 1)


def test_a_job_under_which_every_worker_dies_ends_failed(store: Store) -> None:
    job_id = store.submit(max_attempts=1)
    for attempt in range(1, MAX_CRASHES + 1):
        lose(store, job_id, f"w{attempt}", text=f"text {attempt}")
        [change] = rescue_lost(store.database)
        assert change.status is (JobStatus.FAILED if attempt == MAX_CRASHES else JobStatus.QUEUED)
        assert store.job(job_id).crashes == attempt
    job = store.job(job_id)
    assert (job.error_code, job.failures, job.bytes) == (WORKER_LOST.code, 0, len("text 3"))
    assert [one.outcome for one in read_attempts(store.database, job_id)] == [AttemptOutcome.LOST] * MAX_CRASHES


def test_a_lease_that_still_holds_is_left_alone(store: Store) -> None:
    store.running()
    store.clock.advance(LEASE)
    before = store.rows()
    assert rescue_lost(store.database) == []
    assert store.rows() == before


def test_a_rescue_takes_no_more_than_its_bound_and_the_oldest_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "_MOST_RESCUED", 3)
    ids = sorted(store.running() for _ in range(5))
    store.clock.advance(LEASE + 1)
    assert [change.id for change in rescue_lost(store.database)] == ids[:3]
    assert [change.id for change in rescue_lost(store.database)] == ids[3:]


def test_eight_rescues_at_once_count_one_crash_each(store: Store) -> None:
    ids = sorted(store.running() for _ in range(40))
    store.clock.advance(LEASE + 1)
    change = [one.id for some in at_once([partial(rescue_lost, store.database)] * 8) for one in some]
    assert sorted(change) == ids
    assert {store.job(job_id).crashes for job_id in ids} == {1}
