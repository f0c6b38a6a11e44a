"""The rounds of deleting: they read nothing that is kept, end when their time is over, and are stopped by no key."""

from hashlib import sha256

import pytest
from sqlalchemy import select

from jobs.intake.idempotency import ERASED, IdempotencyKey, KeyReusedError, find_key
from jobs.intake.submission import BatchOptions, submit_batch, submit_job
from jobs.lifecycle import erase, responses
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.erase import erase_job, hide_batch
from jobs.lifecycle.retention import delete_some
from jobs.model.ids import response_id
from jobs.model.retention import Retention
from jobs.store.database import Database
from jobs.store.projects import set_keep_seconds
from jobs.store.queries import read_batch
from jobs.tables import idempotency_keys
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, new_job, store
from tests.store.sweeping import DAY, HOUR, end, end_batch, ids, submit_kept

__all__ = ["store"]  # a fixture


def test_a_batch_is_deleted_with_its_jobs_in_rounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "JOBS_AT_ONCE", 2)
    monkeypatch.setattr(erase, "ROUND_SECONDS", 60.0)  # else a round of a busy machine is over after the first job
    batch_id, job_ids = submit_kept(store, 5, Retention(HOUR))
    assert read_batch(store.database, batch_id, project=None).delete_at is None  # type: ignore[union-attr]
    end_batch(store, batch_id, job_ids)
    assert read_batch(store.database, batch_id, project=None).delete_at == store.clock.after(HOUR)  # type: ignore[union-attr]
    assert store.job(job_ids[0]).delete_at is None
    store.clock.advance(HOUR)
    left = []
    while delete_some(store.database):
        left.append(len(ids(store)))
    assert left == [6, 4, 2, 1, 0]


def test_a_look_for_what_is_due_reads_none_of_what_is_kept(sqlite_database: Database) -> None:
    """Every worker looks every few seconds, and a million ended jobs may be kept."""
    with plans_of(sqlite_database) as plans:
        assert not delete_some(sqlite_database)
    steps = [step for statement, plan in plans if ".erase_at <=" in statement for step in plan]
    assert steps == [
        "SEARCH batches USING INDEX batches_to_erase (erase_at<?)",
        "SEARCH jobs USING INDEX jobs_to_erase (erase_at<?)",
    ]


def test_a_look_for_what_a_default_lets_go_reads_none_of_what_is_kept(sqlite_database: Database) -> None:
    """Before, it read every batch of the project: 12 ms for 5,000 of them, each time."""
    set_keep_seconds(sqlite_database, "news", DAY)
    with plans_of(sqlite_database) as plans:
        assert not delete_some(sqlite_database)
    steps = [step for statement, plan in plans if ".project =" in statement for step in plan]
    assert steps == [
        "SEARCH batches USING COVERING INDEX batches_of_project (project=?)",  # those that are being erased
        "SEARCH batches USING INDEX batches_of_project (project=? AND id<?)",
        "SEARCH jobs USING INDEX jobs_ended_alone (project=? AND finished_at<?)",
    ]


def test_a_round_ends_when_its_time_is_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the texts are: a round is then as short as one statement's jobs."""
    monkeypatch.setattr(erase, "ROUND_SECONDS", 0.0)
    batch_id, job_ids = submit_kept(store, 2, Retention(HOUR))
    end_batch(store, batch_id, job_ids)
    store.clock.advance(HOUR)
    left = []
    while delete_some(store.database):
        left.append(ids(store))
    assert left == [{batch_id, *job_ids}, {batch_id, job_ids[1]}, {batch_id}, set()]


def test_a_key_that_stands_where_that_of_a_deleted_job_goes_stops_no_deleting(store: Store) -> None:
    """Clients of earlier versions could send one; nothing of any project was deleted from then on."""
    digest = ERASED + sha256(b"default k").hexdigest()
    job_id = submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("k", "print")).id
    planted = submit_job(store.database, new_job(), idempotency_key=IdempotencyKey(digest, "print")).id
    end(store, job_id)
    assert erase_job(store.database, job_id)
    assert ids(store) == {planted}
    assert find_key(store.database, "default", IdempotencyKey("k", "print")) == job_id


def test_a_key_whose_job_was_deleted_is_forgotten_and_still_not_used_twice(store: Store) -> None:
    key = IdempotencyKey("canary", "print")
    job_id = submit_job(store.database, new_job(), idempotency_key=key).id
    end(store, job_id)
    assert erase_job(store.database, job_id)
    with store.database.read() as connection:
        assert "canary" not in str(connection.execute(select(idempotency_keys)).all())
    again = submit_job(store.database, new_job(), idempotency_key=key)
    assert (again.id, again.repeated) == (job_id, True)
    assert ids(store) == set()
    assert find_key(store.database, "default", key) == job_id
    with store.database.read() as connection:
        assert "canary" not in str(connection.execute(select(idempotency_keys)).all())
    with pytest.raises(KeyReusedError):
        submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("canary", "other"))
    assert not submit_job(store.database, new_job(), idempotency_key=IdempotencyKey("new", "print")).repeated


def test_a_key_is_not_used_twice_after_two_have_deleted_its_batch(store: Store) -> None:
    """Two sweepers, or two DELETEs. The key was hashed twice then, and a late retry made a second batch."""
    kept = BatchOptions(idempotency_key=IdempotencyKey("k", "print"))
    batch_id = submit_batch(store.database, [new_job()], kept).id
    cancel_batch(store.database, batch_id)
    assert [hide_batch(store.database, batch_id) for _ in range(2)] == [True, True]
    again = submit_batch(store.database, [new_job()], kept)
    assert (again.id, again.repeated) == (batch_id, True)


def test_a_key_is_not_used_twice_after_two_have_deleted_its_response(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may have listed it before the API erased it."""
    key = IdempotencyKey("k", "print")
    job_id = submit_job(store.database, new_job(), idempotency_key=key, response={}).id
    once = responses._end_and_erase
    monkeypatch.setattr(responses, "_end_and_erase", lambda *which: [*once(*which), *once(*which)])
    changes = responses.delete_response(store.database, response_id(job_id), project="default")
    assert [change.id for change in changes or []] == [job_id]
    again = submit_job(store.database, new_job(), idempotency_key=key, response={})
    assert (again.id, again.repeated) == (job_id, True)
