"""Claims: one worker at a time, one attempt number each time, and nothing but what is due and reserved."""

from datetime import datetime
from functools import partial

import pytest

from jobs.lifecycle.lease import Checkpoint, claim, claim_many, note_continued, renew
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.transitions import fail, finish, release, retry
from jobs.model.endings import MAX_CRASHES
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from tests.store.reserving import reserve, take_due
from tests.store.store_fixtures import LEASE, REFUSED, Store, at_once, new_job, store, written

__all__ = ["store"]  # a fixture


def test_a_claim_takes_the_next_attempt_and_a_lease(store: Store) -> None:
    job_id = store.reserved()
    store.clock.advance(2)
    claimed = store.claim(job_id, "w1")
    job = store.job(job_id)
    assert claimed.job == job
    assert (claimed.attempt, claimed.text) == (1, "")
    assert (job.status, job.attempt, job.worker) == (JobStatus.IN_PROGRESS, 1, "w1")
    assert (job.started_at, job.lease_until) == (store.clock.now, store.clock.after(LEASE))
    [attempt] = read_attempts(store.database, job_id)
    assert (attempt.attempt, attempt.worker, attempt.started_at) == (1, "w1", store.clock.now)
    assert (attempt.outcome, attempt.finished_at, attempt.continued_bytes) == (None, None, 0)


def test_a_claim_gives_the_request(store: Store) -> None:
    job_id = store.reserved(prompt="a\x00 prompt")
    assert store.claim(job_id).job.request == new_job("a\x00 prompt").request


def test_a_job_that_another_worker_holds_is_not_claimed(store: Store) -> None:
    job_id = store.running("w1")
    before = store.rows()
    assert claim(store.database, job_id, "w2", LEASE) is None
    assert store.rows() == before


def test_a_claim_tried_again_after_an_error_gives_the_attempt_that_it_has_taken(store: Store) -> None:
    job_id = store.reserved()
    tried_at: list[datetime] = []
    first = claim(store.database, job_id, "w1", LEASE, tried_at=tried_at)
    assert first is not None
    before = store.rows()
    store.clock.advance(1)
    assert claim(store.database, job_id, "w1", LEASE, tried_at=tried_at) == first
    assert store.rows() == before


def test_a_claim_tried_together_and_then_alone_gives_the_attempt_that_it_has_taken(store: Store) -> None:
    ids = [store.reserved(), store.reserved()]
    tried_at: list[list[datetime]] = [[], []]
    claims = claim_many(store.database, ids, "w1", LEASE, tried_at)
    store.clock.advance(1)
    assert claim_many(store.database, ids, "w1", LEASE, tried_at) == [None, None]
    again = [claim(store.database, one, "w1", LEASE, tried_at=at) for one, at in zip(ids, tried_at, strict=True)]
    assert again == claims
    assert None not in again


def test_an_attempt_that_has_run_is_not_given_to_a_later_hint_of_the_same_worker(store: Store) -> None:
    """Whatever became of its thread: the same number a second time would be mixed with the first by its watchers."""
    job_id = store.running()
    before = store.rows()
    assert claim(store.database, job_id, "w1", LEASE) is None
    store.clock.advance(1)
    tried_at = [store.clock.now]  # of a first try that failed before it could take anything
    assert claim(store.database, job_id, "w1", LEASE, tried_at=tried_at) is None
    assert store.rows() == before


def test_a_claim_tried_again_gives_the_same_text_to_go_on_with(store: Store) -> None:
    job_id = store.running(on_interrupt="continue")
    release(store.database, job_id, 1, written("so far"))
    reserve(store.database, job_id)
    tried_at: list[datetime] = []
    first = claim(store.database, job_id, "w1", LEASE, tried_at=tried_at)
    assert first is not None
    assert first.text == "so far"
    assert claim(store.database, job_id, "w1", LEASE, tried_at=tried_at) == first


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "expired"])
def test_an_ended_job_is_not_claimed(store: Store, status: str) -> None:
    job_id = store.reserved(expires_at=store.clock.after(5))
    match status:
        case "completed":
            store.claim(job_id)
            finish(store.database, job_id, 1, written("x"))
        case "failed":
            store.claim(job_id)
            fail(store.database, job_id, 1, written("x"), REFUSED)
        case "cancelled":
            cancel_job(store.database, job_id)
        case _:
            store.clock.advance(5)
            expire_and_cancel_queued(store.database)
    assert store.job(job_id).status == status
    before = store.rows()
    assert claim(store.database, job_id, "w1", LEASE) is None
    assert store.rows() == before


def test_a_job_is_not_claimed_before_it_is_due(store: Store) -> None:
    job_id = store.running()
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.after(10))
    store.clock.advance(9.999)
    reserve(store.database, job_id)
    assert claim(store.database, job_id, "w1", LEASE) is None
    store.clock.advance(0.001)
    assert take_due(store.database, 1, 30) == [job_id]
    assert store.claim(job_id).attempt == 2


def test_a_hint_that_comes_a_moment_before_its_job_is_due_costs_a_moment(store: Store) -> None:
    """As for a worker whose clock is a little behind that of the API."""
    store.clock.advance(0.05)
    job_id = store.reserved()
    store.clock.advance(-0.05)
    assert claim_many(store.database, [job_id], "w1", LEASE) == [None]
    assert claim(store.database, job_id, "w1", LEASE) is None
    assert take_due(store.database, 10, 30) == []
    store.clock.advance(0.05)
    assert take_due(store.database, 10, 30) == [job_id]
    assert store.claim(job_id).attempt == 1


def test_a_job_past_its_time_is_not_claimed(store: Store) -> None:
    job_id = store.reserved(expires_at=store.clock.after(10))
    store.clock.advance(10)
    assert claim(store.database, job_id, "w1", LEASE) is None
    assert store.job(job_id).status is JobStatus.QUEUED


def test_a_job_that_somebody_cancelled_while_it_ran_is_not_claimed_again(store: Store) -> None:
    job_id = store.running()
    cancel_job(store.database, job_id)
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.now)
    reserve(store.database, job_id)
    assert claim(store.database, job_id, "w2", LEASE) is None


def test_a_job_with_more_crashes_than_a_worker_takes_is_left_to_another(store: Store) -> None:
    job_id = store.running()
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    reserve(store.database, job_id)
    assert claim(store.database, job_id, "w1", LEASE, most_crashes=0) is None
    assert store.job(job_id).hinted_at is None
    assert take_due(store.database, 1, 30) == [job_id]
    claimed = claim(store.database, job_id, "w2", LEASE, most_crashes=1)
    assert claimed is not None
    assert claimed.attempt == 2


def test_a_job_left_for_its_crashes_may_be_hinted_again_at_once(store: Store) -> None:
    job_id = store.running()
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    reserve(store.database, job_id)
    assert store.job(job_id).hinted_at is not None
    assert claim(store.database, job_id, "w1", LEASE, most_crashes=0) is None
    assert store.job(job_id).hinted_at is None


def test_no_crashes_are_too_many_for_a_worker_with_room(store: Store) -> None:
    job_id = store.reserved()
    for attempt in range(1, MAX_CRASHES):
        assert store.claim(job_id, f"w{attempt}").attempt == attempt
        store.clock.advance(LEASE + 1)
        rescue_lost(store.database)
    assert store.claim(job_id).attempt == MAX_CRASHES


def test_sixteen_workers_that_claim_one_job_at_once_give_it_to_one(store: Store) -> None:
    job_id = store.reserved()
    workers = [f"w{number}" for number in range(16)]
    claims = at_once([partial(claim, store.database, job_id, worker, LEASE) for worker in workers])
    won = [worker for worker, claimed in zip(workers, claims, strict=True) if claimed is not None]
    assert won == [store.job(job_id).worker]
    assert len(read_attempts(store.database, job_id)) == 1


def test_a_job_that_goes_on_is_given_the_text_that_was_left(store: Store) -> None:
    job_id = store.running(on_interrupt="continue")
    renew(store.database, "w1", [Checkpoint(job_id, 1, "as far as")], LEASE)
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    claimed = store.claim(job_id, "w2")
    assert (claimed.attempt, claimed.text) == (2, "as far as")
    assert read_attempts(store.database, job_id)[1].continued_bytes is None
    note_continued(store.database, job_id, 2, 9)
    assert [one.continued_bytes for one in read_attempts(store.database, job_id)] == [0, 9]


@pytest.mark.parametrize(
    ("continued", "left"),
    [([9], "as far as"), ([None], "as far as"), ([9, None], "as far as"), ([0], ""), ([0, 4], ""), ([9, 0], "")],
)
def test_a_text_is_gone_on_with_for_as_long_as_no_attempt_after_it_wrote_anew(
    store: Store, continued: list[int | None], left: str
) -> None:
    job_id = store.running(on_interrupt="continue")
    release(store.database, job_id, 1, written("as far as"))
    claimed = store.claim(job_id)
    for count in continued:  # none of these lives to its first checkpoint
        if count is not None:
            note_continued(store.database, job_id, claimed.attempt, count)
        store.clock.advance(LEASE + 1)
        rescue_lost(store.database)
        claimed = store.claim(job_id)
    assert (claimed.continues, claimed.text) == (True, left)


def test_a_job_that_begins_anew_is_given_no_text(store: Store) -> None:
    job_id = store.running(on_interrupt="restart")
    release(store.database, job_id, 1, written("so far"))
    claimed = store.claim(job_id)
    assert (claimed.attempt, claimed.text) == (2, "")
    assert read_attempts(store.database, job_id)[1].continued_bytes == 0


def test_an_unknown_job_is_not_claimed(store: Store) -> None:
    assert claim(store.database, "job_unknown", "w1", LEASE) is None


def test_a_claim_takes_only_what_is_reserved(store: Store) -> None:
    job_id = store.submit()
    before = store.rows()
    assert claim(store.database, job_id, "w1", LEASE) is None
    assert claim_many(store.database, [job_id], "w1", LEASE) == [None]
    assert store.rows() == before


def test_a_hint_whose_reservation_was_taken_back_runs_nothing(store: Store) -> None:
    first, second = store.reserved(), store.submit()
    store.clock.advance(30)
    assert take_due(store.database, 1, 30) == [first]  # its hint was lost, and it is the oldest
    reserve(store.database, second)
    store.clock.advance(30)
    with store.database.write() as connection:  # what a round does before it counts
        connection.exec_driver_sql("UPDATE jobs SET upstream = NULL, hinted_at = NULL")
    assert claim(store.database, first, "w1", LEASE) is None


def test_an_attempt_names_its_upstream(store: Store) -> None:
    job_id = store.submit()
    reserve(store.database, job_id, upstream="other")
    claimed = store.claim(job_id)
    assert (claimed.upstream, claimed.job.upstream) == ("other", "other")
    assert [one.upstream for one in read_attempts(store.database, job_id)] == ["other"]
