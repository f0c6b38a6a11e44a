"""Cancel, of a job or a batch: what waits ends here, what runs is asked, and each ends once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event

from jobs.lifecycle import cancel_batch as rounds
from jobs.lifecycle.cancel_batch import cancel_batch, go_on_cancelling
from jobs.lifecycle.close_batch import close_batches
from jobs.lifecycle.lease import claim
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued
from jobs.lifecycle.transitions import cancel_running, finish, retry
from jobs.model.endings import CANCELLED
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.queries import read_batch, read_result
from tests.store.store_fixtures import (
    EMPTY,
    LEASE,
    REFUSED,
    Interruption,
    Store,
    at_once,
    postgres_store,
    store,
    written,
)

__all__ = ["postgres_store", "store"]  # fixtures


class KilledError(Exception):
    """The process ends here."""


@contextmanager
def killed_before(store: Store, statement: int) -> Iterator[list[bool]]:
    """Let the process die before it sends the statement of this number, from 0. The list is empty unless it did."""
    sent = count()
    died: list[bool] = []

    def look(*_: Any) -> None:
        if next(sent) == statement:
            died.append(True)
            raise KilledError

    event.listen(store.database.engine, "before_cursor_execute", look)
    try:
        with suppress(KilledError):
            yield died
    finally:
        event.remove(store.database.engine, "before_cursor_execute", look)


def test_a_queued_job_that_is_cancelled_ends_here(store: Store) -> None:
    job_id = store.submit()
    store.clock.advance(1)
    change = cancel_job(store.database, job_id)
    assert change is not None
    assert (change.id, change.attempt, change.status) == (job_id, 0, JobStatus.CANCELLED)
    job = store.job(job_id)
    assert (job.status, job.bytes, job.sha256, job.error_code) == ("cancelled", 0, EMPTY, CANCELLED.code)
    assert job.finished_at == job.cancel_requested_at == store.clock.now


def test_a_queued_job_that_is_cancelled_keeps_what_an_earlier_attempt_wrote(store: Store) -> None:
    job_id = store.running()
    retry(store.database, job_id, 1, written("first"), REFUSED, store.clock.after(60))
    cancel_job(store.database, job_id)
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    assert (result.text, result.job.bytes, result.job.sha256) == ("first", 5, sha256(b"first").hexdigest())


def test_a_running_job_is_asked_and_its_worker_ends_it(store: Store) -> None:
    job_id = store.running()
    store.clock.advance(1)
    change = cancel_job(store.database, job_id)
    assert change is not None
    assert (change.status, change.attempt) == (JobStatus.IN_PROGRESS, 1)
    job = store.job(job_id)
    assert (job.status, job.cancel_requested_at, job.finished_at) == ("in_progress", store.clock.now, None)
    assert cancel_running(store.database, job_id, 1, written("part")) is True
    assert store.job(job_id).status is JobStatus.CANCELLED


def test_a_cancel_asked_twice_changes_nothing_the_second_time(store: Store) -> None:
    running, queued = store.running(), store.submit()
    for job_id in (running, queued):
        cancel_job(store.database, job_id)
    before = store.rows()
    store.clock.advance(1)
    again = cancel_job(store.database, running)
    assert again is not None
    assert again.status is JobStatus.IN_PROGRESS
    assert cancel_job(store.database, queued) is None
    assert store.rows() == before


def test_an_ended_or_unknown_job_is_not_cancelled(store: Store) -> None:
    job_id = store.running()
    finish(store.database, job_id, 1, written("x"))
    before = store.rows()
    assert cancel_job(store.database, job_id) is None
    assert cancel_job(store.database, "job_unknown") is None
    assert store.rows() == before


def test_a_batch_is_cancelled_with_all_that_has_not_ended(store: Store) -> None:
    batch_id, (done, running, queued) = store.submit_batch(3)
    neighbour = store.submit()
    store.claim(done)
    finish(store.database, done, 1, written("x"))
    store.claim(running)
    change = {one.id: one.status for one in cancel_batch(store.database, batch_id)}
    assert change == {running: JobStatus.IN_PROGRESS, queued: JobStatus.CANCELLED}
    assert [store.job(job_id).status for job_id in (done, running, queued, neighbour)] == [
        JobStatus.COMPLETED,
        JobStatus.IN_PROGRESS,
        JobStatus.CANCELLED,
        JobStatus.QUEUED,
    ]
    assert store.job(running).cancel_requested_at is not None
    before = store.rows()
    store.clock.advance(1)
    assert [one.id for one in cancel_batch(store.database, batch_id)] == [running]
    assert store.rows() == before


@pytest.mark.parametrize("statement", range(24))
def test_an_api_killed_inside_the_cancel_of_a_batch_leaves_it_whole_or_cancelled(
    store: Store, statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_ENDED", 2)
    batch_id, (running, *_) = store.submit_batch(4)
    store.claim(running)
    before = store.rows()
    with killed_before(store, statement) as died:
        cancel_batch(store.database, batch_id)
    if store.rows() == before:
        assert died
        return
    while go_on_cancelling(store.database):
        pass
    cancel_running(store.database, running, 1, written())
    close_batches(store.database)
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert (batch.status, batch.failed) == (BatchStatus.CANCELLED, 4)


def test_a_cancel_reaches_a_job_that_is_claimed_while_it_is_asked_for(postgres_store: Store) -> None:
    store = postgres_store
    job_id = store.reserved()
    take = partial(claim, store.database, job_id, "w1", LEASE)
    with Interruption(store.database, "UPDATE jobs", take) as interruption:
        cancel_job(store.database, job_id)
    assert interruption.waited_for_us
    assert interruption.result() is None
    assert store.job(job_id).status is JobStatus.CANCELLED


def test_a_cancel_reaches_a_job_that_is_retried_while_it_is_asked_for(postgres_store: Store) -> None:
    store = postgres_store
    job_id = store.running()
    again = partial(retry, store.database, job_id, 1, written("x"), REFUSED, store.clock.now)
    with Interruption(store.database, "UPDATE jobs", again) as interruption:
        cancel_job(store.database, job_id)
    assert interruption.result() is True
    assert store.job(job_id).cancel_requested_at is not None
    expire_and_cancel_queued(store.database)
    assert store.job(job_id).status is JobStatus.CANCELLED


def test_cancelling_every_job_of_a_batch_at_once_ends_each_once(store: Store) -> None:
    batch_id, ids = store.submit_batch(30)
    change = at_once([partial(cancel_batch, store.database, batch_id)] * 4)
    assert sorted(one.id for some in change for one in some) == ids
    assert {store.job(job_id).status for job_id in ids} == {JobStatus.CANCELLED}
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert batch.status is BatchStatus.CANCELLED
