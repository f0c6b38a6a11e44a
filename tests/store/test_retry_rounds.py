"""A large batch is retried in rounds, between which others write."""

import pytest
from sqlalchemy import event

from jobs.lifecycle import retry
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import erase_job
from jobs.lifecycle.retry import BatchCancellingError, retry_batch
from jobs.lifecycle.transitions import fail, finish
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from tests.store.plans import plans_of
from tests.store.store_fixtures import REFUSED, Store, store, written

__all__ = ["store"]  # a fixture


@pytest.fixture
def failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """A batch that has ended, with five failures, of which a round retries two."""
    monkeypatch.setattr(retry, "MOST_RETRIED", 2)
    batch_id, ids = store.submit_batch(5)
    for job_id in ids:
        fail(store.database, job_id, store.claim(job_id).attempt, written(), REFUSED)
    assert close_batch(store.database, batch_id)
    return batch_id, ids


def test_all_run_again_a_few_in_each_transaction(store: Store, failed: tuple[str, list[str]]) -> None:
    batch_id, ids = failed
    commits: list[object] = []
    event.listen(store.database.engine, "commit", commits.append)
    assert [change.id for change in retry_batch(store.database, batch_id)] == ids
    assert len(commits) == 3
    assert {store.job(job_id).status for job_id in ids} == {JobStatus.QUEUED}
    assert retry_batch(store.database, batch_id) == []


def test_who_ends_between_two_rounds_leaves_the_rest_to_be_retried_again(
    store: Store, failed: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = failed
    some = retry._retry_some
    rounds: list[int] = []

    def end_here(*given: object, **more: bool) -> object:
        rounds.append(1)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return some(*given, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(retry, "_retry_some", end_here)
    with pytest.raises(KeyboardInterrupt):
        retry_batch(store.database, batch_id)
    assert [store.job(job_id).status for job_id in ids] == [JobStatus.QUEUED] * 2 + [JobStatus.FAILED] * 3
    assert [change.id for change in retry_batch(store.database, batch_id)] == ids[2:]


@pytest.mark.parametrize("at_once", [False, True], ids=["one runs", "none runs"])
def test_a_cancel_between_two_rounds_ends_what_runs_again_and_the_rest_stays(
    store: Store, failed: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Also when all of the batch has ended before the next round: it is not opened again."""
    batch_id, ids = failed
    some = retry._retry_some

    def cancel_then(*given: object, **more: bool) -> object:
        changes = some(*given, **more)  # type: ignore[arg-type]  # as they came
        if changes and store.job(ids[4]).status is JobStatus.FAILED:
            if not at_once:
                store.claim(ids[0])  # so the batch is `cancelling`, and not cancelled yet
            cancel_batch(store.database, batch_id)
        return changes

    monkeypatch.setattr(retry, "_retry_some", cancel_then)
    assert [change.id for change in retry_batch(store.database, batch_id)] == ids[:2]
    batch = read_batch(store.database, batch_id, project="default")
    assert batch is not None
    assert batch.status is (BatchStatus.CANCELLED if at_once else BatchStatus.CANCELLING)
    assert [store.job(job_id).status for job_id in ids[1:]] == [JobStatus.CANCELLED] + [JobStatus.FAILED] * 3
    if at_once:
        assert [change.id for change in retry_batch(store.database, batch_id)] == ids[2:4]
    else:
        with pytest.raises(BatchCancellingError):
            retry_batch(store.database, batch_id)


def test_a_batch_keeps_its_counts_when_a_job_is_deleted_until_it_is_retried(
    store: Store, failed: tuple[str, list[str]]
) -> None:
    batch_id, ids = failed
    assert erase_job(store.database, ids[4])
    assert counts_of(store, batch_id) == (5, 0, 5)
    assert len(retry_batch(store.database, batch_id)) == 4
    for job_id in ids[:4]:
        finish(store.database, job_id, store.claim(job_id).attempt, written("Rain"))
    assert close_batch(store.database, batch_id)
    assert counts_of(store, batch_id) == (5, 4, 0)


def counts_of(store: Store, batch_id: str) -> tuple[int, int, int]:
    """All of its jobs, those that completed and those that failed."""
    batch = read_batch(store.database, batch_id, project="default")
    assert batch is not None
    return batch.total, batch.completed, batch.failed


def test_sqlite_reads_no_other_job_that_failed_to_retry_some(sqlite_database: Database) -> None:
    """Each round of 500 read all that had failed and were left."""
    store = Store(sqlite_database)
    batch_id, ids = store.submit_batch(20)
    for job_id in ids:
        fail(store.database, job_id, store.claim(job_id).attempt, written(), REFUSED)
    with plans_of(store.database, "UPDATE") as plans:
        assert len(retry_batch(store.database, batch_id)) == 20
    [steps] = [steps for statement, steps in plans if "jobs.id IN" in statement]
    assert [step for step in steps if step.startswith("SEARCH jobs")] == [
        "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"
    ] * 2
