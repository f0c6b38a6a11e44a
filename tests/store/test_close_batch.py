"""The end of a batch: exactly when its last job has ended, with counts that then stand."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import delete, event

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch, close_batches
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued
from jobs.lifecycle.transitions import cancel_running, expire_running, fail, finish, retry
from jobs.model.batch_records import Batch
from jobs.model.endings import AttemptResult
from jobs.model.records import Usage
from jobs.model.status import BatchStatus
from jobs.store.database import Database
from jobs.store.queries import list_batches, read_batch
from jobs.tables import batches
from tests.store.store_fixtures import REFUSED, USAGE, Store, at_once, new_job, store, written

__all__ = ["store"]  # a fixture

Transition = Callable[[Database, str, int, AttemptResult], bool]

COSTLY = replace(written("four"), usage=USAGE)


def read(store: Store, batch_id: str) -> Batch:
    """The batch as it stands."""
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    return batch


def counts(batch: Batch) -> tuple[int, int, int, int]:
    """Total, completed, failed, in progress."""
    return batch.total, batch.completed, batch.failed, batch.in_progress


def test_a_batch_ends_when_its_last_job_has_ended(store: Store) -> None:
    batch_id, ids = store.submit_batch(3)
    for number, job_id in enumerate(ids):
        store.claim(job_id)
        assert close_batch(store.database, batch_id) is False
        assert counts(read(store, batch_id)) == (3, number, 0, 1)
        store.clock.advance(1)
        finish(store.database, job_id, 1, COSTLY)
    assert read(store, batch_id).status is BatchStatus.IN_PROGRESS
    assert close_batch(store.database, batch_id) is True
    batch = read(store, batch_id)
    assert (batch.status, counts(batch)) == (BatchStatus.COMPLETED, (3, 3, 0, 0))
    assert batch.times["completed_at"] == batch.times["finalizing_at"] == store.clock.now
    ends = ("failed_at", "expired_at", "cancelling_at", "cancelled_at")
    assert {batch.times[name] for name in ends} == {None}


def test_a_batch_that_has_ended_is_not_ended_again(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    finish(store.database, job_id, 1, COSTLY)
    assert close_batch(store.database, batch_id) is True
    before = store.rows()
    store.clock.advance(1)
    assert close_batch(store.database, batch_id) is False
    assert close_batches(store.database) == []
    assert store.rows() == before


def test_a_job_that_waits_for_its_retry_keeps_the_batch_open(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.after(60))
    assert close_batch(store.database, batch_id) is False


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (partial(fail, error=REFUSED), BatchStatus.COMPLETED),
        (cancel_running, BatchStatus.COMPLETED),
        (expire_running, BatchStatus.EXPIRED),
    ],
)
def test_a_batch_says_how_its_jobs_ended(store: Store, end: Transition, status: BatchStatus) -> None:
    batch_id, (good, bad) = store.submit_batch(2)
    for job_id in (good, bad):
        store.claim(job_id)
    finish(store.database, good, 1, written("x"))
    assert end(store.database, bad, 1, written("y"))
    assert close_batches(store.database) == [batch_id]
    batch = read(store, batch_id)
    assert (batch.status, counts(batch)) == (status, (2, 1, 1, 0))
    assert batch.times[f"{status}_at"] == store.clock.now


def test_a_batch_whose_window_closed_before_a_job_began_is_expired(store: Store) -> None:
    accepted = submit_batch(
        store.database, [new_job()] * 2, BatchOptions(completion_window="10s", completion_seconds=10)
    )
    store.clock.advance(10)
    assert {change.batch_id for change in expire_and_cancel_queued(store.database)} == {accepted.id}
    assert close_batches(store.database) == [accepted.id]
    assert (read(store, accepted.id).status, counts(read(store, accepted.id))) == ("expired", (2, 0, 2, 0))


def test_a_cancelled_batch_is_cancelling_until_its_last_job_has_ended(store: Store) -> None:
    batch_id, (running, _) = store.submit_batch(2)
    store.claim(running)
    cancel_batch(store.database, batch_id)
    batch = read(store, batch_id)
    assert (batch.status, batch.times["cancelling_at"]) == (BatchStatus.CANCELLING, store.clock.now)
    store.clock.advance(1)
    assert close_batch(store.database, batch_id) is False
    finish(store.database, running, 1, written("too late to stop"))
    assert close_batch(store.database, batch_id) is True
    batch = read(store, batch_id)
    assert (batch.status, counts(batch)) == (BatchStatus.CANCELLED, (2, 1, 1, 0))
    assert batch.times["cancelled_at"] == store.clock.now


def test_a_cancelled_batch_without_a_running_job_ends_at_once(store: Store) -> None:
    batch_id, _ = store.submit_batch(4)
    cancel_batch(store.database, batch_id)
    assert (read(store, batch_id).status, counts(read(store, batch_id))) == ("cancelled", (4, 0, 4, 0))


def test_an_ended_batch_is_not_cancelled(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    finish(store.database, job_id, 1, written("x"))
    close_batch(store.database, batch_id)
    before = store.rows()
    assert cancel_batch(store.database, batch_id) == []
    assert cancel_batch(store.database, "batch_unknown") == []
    assert store.rows() == before


def test_cancelling_one_job_leaves_its_batch_open(store: Store) -> None:
    batch_id, (first, second) = store.submit_batch(2)
    cancel_job(store.database, first)
    assert close_batch(store.database, batch_id) is False
    cancel_job(store.database, second)
    assert close_batch(store.database, batch_id) is True
    assert read(store, batch_id).status is BatchStatus.COMPLETED


def test_the_usage_of_a_batch_is_that_of_every_attempt(store: Store) -> None:
    batch_id, (first, second) = store.submit_batch(2)
    other, [foreign] = store.submit_batch(1)
    for job_id in (first, second, foreign):
        store.claim(job_id)
    retry(store.database, first, 1, COSTLY, REFUSED, store.clock.now)
    store.claim(first)
    finish(store.database, first, 2, COSTLY)
    fail(store.database, second, 1, written(), REFUSED)  # unknown usage adds nothing
    finish(store.database, foreign, 1, COSTLY)
    running = read(store, batch_id).usage
    close_batches(store.database)
    batch = read(store, batch_id)
    assert batch.usage == running
    assert batch.usage == {
        "input_tokens": 22,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 14,
        "output_tokens_details": {"reasoning_tokens": 6},
        "total_tokens": 36,
    }
    assert (read(store, other).usage or {})["total_tokens"] == 18


def test_the_usage_of_a_batch_of_which_nothing_is_known_is_null_and_never_0(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    assert read(store, batch_id).usage is None
    store.claim(job_id)
    fail(store.database, job_id, 1, written(), REFUSED)
    assert read(store, batch_id).usage is None
    assert close_batch(store.database, batch_id)
    assert read(store, batch_id).usage is None


def test_a_count_that_no_attempt_of_a_batch_knows_is_null_and_never_0(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    counted_here = Usage(9, None, 4, None, 13, source="tokenizer")
    finish(store.database, job_id, 1, replace(COSTLY, usage=counted_here))
    assert close_batch(store.database, batch_id)
    assert read(store, batch_id).usage == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": None},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": None},
        "total_tokens": 13,
    }


def test_the_counts_of_an_ended_batch_stand(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    finish(store.database, job_id, 1, COSTLY)
    close_batch(store.database, batch_id)
    frozen = read(store, batch_id)
    with store.database.write() as connection:  # as when old jobs are cleared away
        connection.exec_driver_sql("DELETE FROM jobs")
        connection.exec_driver_sql("DELETE FROM attempts")
    assert read(store, batch_id) == frozen


@pytest.mark.parametrize("round_", range(4))
def test_when_the_last_two_jobs_end_at_the_same_time_the_batch_ends_once(store: Store, round_: int) -> None:
    batch_id, ids = store.submit_batch(2 + round_)
    for job_id in ids:
        store.claim(job_id)

    def end(job_id: str) -> bool:
        finish(store.database, job_id, 1, COSTLY)
        return close_batch(store.database, batch_id)

    assert at_once([partial(end, job_id) for job_id in ids]).count(True) == 1
    assert (read(store, batch_id).status, read(store, batch_id).completed) == (BatchStatus.COMPLETED, len(ids))


def test_a_batch_whose_worker_died_before_it_settled_is_settled_by_another(store: Store) -> None:
    done, open_ = store.submit_batch(1), store.submit_batch(1)
    store.claim(done[1][0])
    finish(store.database, done[1][0], 1, COSTLY)
    assert at_once([partial(close_batches, store.database)] * 4).count([done[0]]) == 1
    shown, more = list_batches(store.database, after=None, limit=10, project=None)
    assert not more
    assert {batch.id: batch.status for batch in shown} == {done[0]: "completed", open_[0]: "in_progress"}


def test_a_batch_that_is_deleted_while_it_is_closed_keeps_no_other_from_its_end(store: Store) -> None:
    """It ended the round of dispatch, and its reservations came a second later."""
    (gone, _), (other, _) = store.submit_batch(1), store.submit_batch(1)
    for batch_id in (gone, other):
        cancel_job(store.database, store.ids(batch_id)[0])
    deleted: list[str] = []

    def delete_it(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT batches.id, batches.status") and not deleted:
            deleted.append(gone)
            with store.database.write() as connection:
                connection.execute(delete(batches).where(batches.c.id == gone))

    event.listen(store.database.engine, "after_cursor_execute", delete_it)
    assert close_batches(store.database) == [other]
    assert deleted == [gone]
