"""A large batch is cancelled in rounds, between which others write. Who ends between two rounds leaves the rest to the
workers.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from jobs.lifecycle import cancel_batch as rounds
from jobs.lifecycle.cancel_batch import cancel_batch, go_on_cancelling
from jobs.lifecycle.close_batch import close_batch, close_batches
from jobs.lifecycle.lease import claim, claim_many
from jobs.lifecycle.rescue import expire_and_cancel_queued
from jobs.lifecycle.retry import BatchCancellingError, retry_batch
from jobs.lifecycle.transitions import release
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from jobs.tables import jobs, webhook_deliveries, webhooks
from jobs.webhooks.endpoints import endpoint_row
from tests.store.plans import plans_of
from tests.store.reserving import reserve, take_due
from tests.store.store_fixtures import LEASE, Interruption, Store, postgres_store, store, written

__all__ = ["postgres_store", "store"]  # fixtures

BeforeSecond = Callable[[Callable[[], Any]], None]


class KilledError(Exception):
    """The process ends here."""


def die(*_: Any) -> None:
    raise KilledError


@pytest.fixture(autouse=True)
def _two_in_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MOST_ENDED", 2)


@pytest.fixture
def before_second(monkeypatch: pytest.MonkeyPatch) -> BeforeSecond:
    """Has something done once, when the first two jobs have ended and before the next two do."""
    some = rounds._cancel_some

    def have_done(action: Callable[[], Any]) -> None:
        calls = count()

        def note(*given: Any, **named: Any) -> Any:
            if next(calls) == 1:
                action()
            return some(*given, **named)

        monkeypatch.setattr(rounds, "_cancel_some", note)

    return have_done


def begin(store: Store, batch_id: str, before_second: BeforeSecond) -> None:
    """Begin to cancel a batch, and die after two of its jobs."""
    before_second(die)
    with pytest.raises(KilledError):
        cancel_batch(store.database, batch_id)


def status(store: Store, batch_id: str) -> BatchStatus:
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    return batch.status


def statuses(store: Store, ids: list[str]) -> list[JobStatus]:
    return [store.job(job_id).status for job_id in ids]


def count_unasked(store: Store, batch_id: str) -> int:
    """How many jobs have not ended, and nobody has asked to."""
    left = (jobs.c.batch_id == batch_id, jobs.c.finished_at.is_(None), jobs.c.cancel_requested_at.is_(None))
    with store.database.read() as connection:
        return connection.scalar(select(func.count()).where(*left)) or 0


def test_others_write_between_two_rounds(store: Store, before_second: BeforeSecond) -> None:
    """In one transaction, 50,000 jobs of which 20 webhooks hear kept all others from writing to SQLite for minutes."""
    batch_id, ids = store.submit_batch(5)
    seen: list[list[JobStatus]] = []

    def look() -> None:
        store.submit()
        seen.append(statuses(store, ids))

    before_second(look)
    assert [change.id for change in cancel_batch(store.database, batch_id)] == ids
    assert seen == [[JobStatus.CANCELLED] * 2 + [JobStatus.QUEUED] * 3]
    assert status(store, batch_id) is BatchStatus.CANCELLED


def test_what_runs_is_asked_before_any_other_job_ends(store: Store, before_second: BeforeSecond) -> None:
    batch_id, ids = store.submit_batch(5)
    store.claim(ids[4])
    begin(store, batch_id, before_second)
    assert statuses(store, ids) == [JobStatus.CANCELLED] * 2 + [JobStatus.QUEUED] * 2 + [JobStatus.IN_PROGRESS]
    assert store.job(ids[4]).cancel_requested_at == store.clock.now


def test_workers_go_on_with_a_cancel_whose_process_was_killed_between_two_rounds(
    store: Store, before_second: BeforeSecond
) -> None:
    heard = endpoint_row(store.clock.now, project="default", url="https://example.com/", events=("job.cancelled",))
    with store.database.write() as connection:
        connection.execute(insert(webhooks).values(heard))
    batch_id, ids = store.submit_batch(7)
    asked_at = store.clock.now
    begin(store, batch_id, before_second)
    assert (count_unasked(store, batch_id), status(store, batch_id)) == (5, BatchStatus.CANCELLING)
    store.clock.advance(60)
    assert close_batches(store.database) == []
    ended = [[change.id for change in go_on_cancelling(store.database)] for _ in range(4)]
    assert ended == [ids[2:4], ids[4:6], ids[6:], []]
    assert {store.job(job_id).cancel_requested_at for job_id in ids} == {asked_at}
    assert close_batches(store.database) == [batch_id]
    assert status(store, batch_id) is BatchStatus.CANCELLED
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(webhook_deliveries)) == len(ids)
    before = store.rows()
    assert (go_on_cancelling(store.database), store.rows()) == ([], before)


def test_no_job_starts_of_a_batch_whose_cancel_has_begun(store: Store, before_second: BeforeSecond) -> None:
    batch_id, ids = store.submit_batch(5)
    reserve(store.database, *ids[2:])
    begin(store, batch_id, before_second)
    assert count_unasked(store, batch_id) == 3
    assert claim(store.database, ids[2], "w1", LEASE) is None
    assert claim_many(store.database, ids[3:], "w1", LEASE) == [None, None]
    other = store.submit()
    assert take_due(store.database, 10, 0) == [other]
    assert claim(store.database, other, "w1", LEASE) is not None
    assert statuses(store, ids[2:]) == [JobStatus.QUEUED] * 3


def test_a_job_that_goes_back_to_the_queue_between_two_rounds_ends_too(
    store: Store, before_second: BeforeSecond
) -> None:
    batch_id, ids = store.submit_batch(5)
    store.claim(ids[0])
    before_second(partial(release, store.database, ids[0], 1, written("so far")))
    cancel_batch(store.database, batch_id)
    assert statuses(store, ids) == [JobStatus.CANCELLED] * 5
    assert store.job(ids[0]).bytes == len("so far")


def test_a_second_cancel_does_what_the_first_has_left(store: Store, before_second: BeforeSecond) -> None:
    batch_id, ids = store.submit_batch(5)
    begin(store, batch_id, before_second)
    store.clock.advance(1)
    assert [change.id for change in cancel_batch(store.database, batch_id)] == ids[2:]
    assert status(store, batch_id) is BatchStatus.CANCELLED


def test_a_batch_that_somebody_retried_between_two_rounds_runs(store: Store, before_second: BeforeSecond) -> None:
    """It had ended, because a worker went on with the cancel, too."""
    batch_id, ids = store.submit_batch(5)

    def retry() -> None:
        while go_on_cancelling(store.database):
            pass
        assert close_batch(store.database, batch_id)
        assert len(retry_batch(store.database, batch_id, [JobStatus.CANCELLED])) == 5

    before_second(retry)
    assert [change.id for change in cancel_batch(store.database, batch_id)] == ids[:2]
    assert statuses(store, ids) == [JobStatus.QUEUED] * 5
    assert status(store, batch_id) is BatchStatus.IN_PROGRESS


def test_a_batch_whose_cancel_is_not_done_is_not_retried(store: Store, before_second: BeforeSecond) -> None:
    batch_id, _ = store.submit_batch(5)
    begin(store, batch_id, before_second)
    with pytest.raises(BatchCancellingError):
        retry_batch(store.database, batch_id, [JobStatus.CANCELLED])


def test_a_job_that_was_cancelled_in_time_does_not_expire_before_its_round(
    store: Store, before_second: BeforeSecond
) -> None:
    batch_id, ids = store.submit_batch(5, expires_at=store.clock.after(10))
    alone = store.submit(expires_at=store.clock.after(10))
    begin(store, batch_id, before_second)
    store.clock.advance(10)
    assert [change.id for change in expire_and_cancel_queued(store.database)] == [alone]
    while go_on_cancelling(store.database):
        pass
    assert statuses(store, [*ids, alone]) == [JobStatus.CANCELLED] * 5 + [JobStatus.EXPIRED]


def test_a_claim_that_began_before_the_cancel_is_asked_to_end(postgres_store: Store) -> None:
    store = postgres_store
    batch_id, ids = store.submit_batch(3)
    reserve(store.database, ids[0])
    take = partial(claim, store.database, ids[0], "w1", LEASE)
    # What runs has been asked, and nobody else knows yet that the batch is `cancelling`.
    with Interruption(store.database, "UPDATE jobs", take) as interruption:
        changes = cancel_batch(store.database, batch_id)
    assert interruption.result() is not None
    assert store.job(ids[0]).cancel_requested_at is not None
    assert {change.id: change.status for change in changes} == {
        ids[0]: JobStatus.IN_PROGRESS,
        ids[1]: JobStatus.CANCELLED,
        ids[2]: JobStatus.CANCELLED,
    }


def test_a_worker_does_not_wait_for_the_round_of_another_process(
    postgres_store: Store, before_second: BeforeSecond
) -> None:
    store = postgres_store
    batch_id, ids = store.submit_batch(5)
    other, others = store.submit_batch(3)
    for one in (batch_id, other):
        begin(store, one, before_second)
    go_on = partial(go_on_cancelling, store.database)
    with Interruption(store.database, "UPDATE jobs", go_on) as interruption:
        cancel_batch(store.database, batch_id)
    assert not interruption.waited_for_us
    assert [change.id for change in interruption.result()] == others[2:]
    assert statuses(store, ids) == [JobStatus.CANCELLED] * 5


def test_sqlite_reads_no_other_queued_job_to_end_some(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round of 200 read all that were left: with 50,000 it took three times as long."""
    store = Store(sqlite_database)
    monkeypatch.setattr(rounds, "MOST_ENDED", 200)
    batch_id, _ = store.submit_batch(200)
    with plans_of(store.database, "SELECT", "UPDATE") as plans:
        cancel_batch(store.database, batch_id)
    many = [steps for statement, steps in plans if "jobs.id IN" in statement]
    assert len(many) == 3
    assert {steps[0] for steps in many} == {"SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"}
