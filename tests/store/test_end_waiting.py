"""The end of jobs that wait and must not run any more: cancelled, or past their time; some at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select, update

from jobs.lifecycle import rescue
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued
from jobs.lifecycle.transitions import release, retry
from jobs.model.endings import EXPIRED
from jobs.model.status import JobStatus
from jobs.tables import jobs
from tests.store.store_fixtures import BLOCKED, REFUSED, USAGE, Store, at_once, postgres_store, store, written

__all__ = ["postgres_store", "store"]  # fixtures


def test_a_cancel_outlives_the_retry_of_the_attempt_that_ran(store: Store) -> None:
    job_id = store.running()
    cancel_job(store.database, job_id)
    release(store.database, job_id, 1, written("part"))
    assert store.job(job_id).status is JobStatus.QUEUED
    asked_at = store.clock.now
    store.clock.advance(1)
    [change] = expire_and_cancel_queued(store.database)
    assert (change.id, change.attempt, change.status) == (job_id, 1, JobStatus.CANCELLED)
    job = store.job(job_id)
    assert (job.bytes, job.cancel_requested_at, job.finished_at) == (4, asked_at, store.clock.now)


def test_a_queued_job_past_its_time_ends_expired(store: Store) -> None:
    job_id, other = store.submit(expires_at=store.clock.after(10)), store.submit(expires_at=store.clock.after(11))
    never = store.submit()
    store.clock.advance(10)
    [change] = expire_and_cancel_queued(store.database)
    assert (change.id, change.status) == (job_id, JobStatus.EXPIRED)
    job = store.job(job_id)
    assert (job.status, job.error_code, job.finished_at) == ("expired", EXPIRED.code, store.clock.now)
    assert job.cancel_requested_at is None
    assert {store.job(one).status for one in (other, never)} == {JobStatus.QUEUED}


def test_a_running_job_past_its_time_is_left_to_its_worker(store: Store) -> None:
    job_id = store.running(expires_at=store.clock.after(1))
    store.clock.advance(2)
    assert expire_and_cancel_queued(store.database) == []
    assert store.job(job_id).status is JobStatus.IN_PROGRESS


def test_a_job_that_is_both_cancelled_and_past_its_time_is_cancelled(store: Store) -> None:
    job_id = store.running(expires_at=store.clock.after(1))
    cancel_job(store.database, job_id)
    release(store.database, job_id, 1, written())
    store.clock.advance(2)
    assert [change.status for change in expire_and_cancel_queued(store.database)] == [JobStatus.CANCELLED]


def test_no_more_jobs_end_in_one_transaction_than_its_bound_and_the_oldest_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "MOST_ENDED", 3)
    _, ids = store.submit_batch(5, expires_at=store.clock.after(1))
    asked = store.running()
    cancel_job(store.database, asked)
    release(store.database, asked, 1, written())
    store.clock.advance(1)
    ended = [[change.id for change in expire_and_cancel_queued(store.database)] for _ in range(3)]
    assert ended == [[asked, *ids[:2]], ids[2:], []]


def test_two_processes_that_end_the_same_jobs_end_each_once(store: Store) -> None:
    _, ids = store.submit_batch(40, expires_at=store.clock.after(1))
    store.clock.advance(1)
    change = [one.id for some in at_once([partial(expire_and_cancel_queued, store.database)] * 8) for one in some]
    assert sorted(change) == ids


def test_a_cancel_of_a_batch_and_the_close_of_its_window_never_wait_for_each_other(postgres_store: Store) -> None:
    store = postgres_store
    batch_id, (first, second) = store.submit_batch(2, expires_at=store.clock.after(10))
    with store.database.write() as connection:  # found first, and not the first by its id
        earlier = update(jobs).where(jobs.c.id == second).values(expires_at=store.clock.after(5))
        connection.execute(earlier)
        connection.execute(update(jobs).where(jobs.c.id == first).values(hinted_at=store.clock.now))
    store.clock.advance(10)

    def wait_for(holds: Callable[[int], bool]) -> None:
        with store.database.engine.connect() as watching:
            while not holds(len(watching.execute(BLOCKED).all())):
                watching.rollback()  # the view is one snapshot a transaction

    with ThreadPoolExecutor(2) as pool:
        with store.database.write() as connection:  # somebody else has the first job just now
            connection.execute(select(jobs.c.id).where(jobs.c.id == first).with_for_update())
            cancel = pool.submit(cancel_batch, store.database, batch_id)
            wait_for(lambda waiters: waiters == 1)
            expire = pool.submit(expire_and_cancel_queued, store.database)
            wait_for(lambda waiters: waiters == 2 or expire.done())
        assert sorted(change.id for change in cancel.result(60)) == [first, second]
        assert expire.result(60) == [], "they were cancelled in time"


def test_where_nothing_waits_nothing_is_written(store: Store) -> None:
    store.submit()
    before = store.rows()
    assert expire_and_cancel_queued(store.database) == []
    assert store.rows() == before


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_a_job_that_ends_while_it_waits_for_its_retry_keeps_the_counts_of_the_text_that_it_keeps(
    store: Store, end: str
) -> None:
    job_id = store.running(expires_at=store.clock.after(10))
    wrote = written("so far", usage=USAGE, text_tokens=2, text_tokens_source="tokenizer")
    retry(store.database, job_id, 1, wrote, REFUSED, store.clock.after(60))
    assert store.job(job_id).text_tokens is None  # until it has ended
    if end == "cancel":
        cancel_job(store.database, job_id)
    else:
        store.clock.advance(10)
        expire_and_cancel_queued(store.database)
    job = store.job(job_id)
    assert (job.bytes, job.text_tokens, job.text_tokens_source, job.usage) == (6, 2, "tokenizer", USAGE)
