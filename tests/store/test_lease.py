"""The lease: renewed by whoever holds the job as this attempt, nothing for anybody else, and always as long."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from jobs.lifecycle.lease import Checkpoint, claim_many, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import finish, release
from jobs.model.status import AttemptOutcome
from jobs.store.queries import read_attempts
from tests.store.store_fixtures import LEASE, Store, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture


def test_a_renewed_lease_holds_longer_and_a_checkpoint_is_kept(store: Store) -> None:
    job_id, silent = store.running(), store.running()
    store.clock.advance(10)
    running = [Checkpoint(job_id, 1, "so far 😀\u2028"), Checkpoint(silent, 1, None)]
    assert renew(store.database, "w1", running, LEASE) == {job_id, silent}
    assert store.job(job_id).lease_until == store.job(silent).lease_until == store.clock.after(LEASE)
    assert read_text_so_far(store.database, job_id) == (1, "so far 😀\u2028")
    assert read_text_so_far(store.database, silent) is None
    renew(store.database, "w1", [Checkpoint(job_id, 1, "so far 😀\u2028 and on"), Checkpoint(silent, 1, None)], LEASE)
    assert read_text_so_far(store.database, job_id) == (1, "so far 😀\u2028 and on")


def test_renew_keeps_only_what_is_held_by_this_worker_as_this_attempt(store: Store) -> None:
    mine, theirs, older, ended, queued = (store.reserved() for _ in range(5))
    store.claim(mine, "w1")
    store.claim(theirs, "w2")
    store.claim(older, "w1")
    release(store.database, older, 1, written("old"))
    store.claim(older, "w1")
    store.claim(ended, "w1")
    finish(store.database, ended, 1, written("whole"))
    before = store.rows()
    lost = [Checkpoint(job_id, 1, "stale") for job_id in (theirs, older, ended, queued, "job_unknown")]
    store.clock.advance(1)
    assert renew(store.database, "w1", lost, LEASE) == set()
    assert store.rows() == before
    assert renew(store.database, "w1", [*lost, Checkpoint(mine, 1, "new")], LEASE) == {mine}
    assert read_text_so_far(store.database, mine) == (1, "new")
    assert read_text_so_far(store.database, older) == (1, "old")
    assert store.job(older).lease_until != store.job(mine).lease_until


def test_a_zombie_beside_its_own_successor_writes_no_text_over_it(store: Store) -> None:
    job_id = store.running("w1")
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    store.claim(job_id, "w1")
    both = [Checkpoint(job_id, 2, "second"), Checkpoint(job_id, 1, "first")]
    assert renew(store.database, "w1", both, LEASE) == {job_id}
    assert read_text_so_far(store.database, job_id) == (2, "second")


def test_a_lease_that_ran_out_is_renewed_if_nobody_has_taken_the_job(store: Store) -> None:
    job_id = store.running()
    store.clock.advance(LEASE * 10)
    assert renew(store.database, "w1", [Checkpoint(job_id, 1, None)], LEASE) == {job_id}
    assert rescue_lost(store.database) == []


def test_more_jobs_are_renewed_than_one_statement_takes(store: Store) -> None:
    _, ids = store.submit_batch(1100)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET status = 'in_progress', worker = 'w1', attempt = 1")
    running = [Checkpoint(job_id, 1, "x") for job_id in reversed(ids)]
    assert renew(store.database, "w1", running, LEASE) == set(ids)
    assert len(store.rows()["texts"]) == 1100


def test_nothing_to_renew_is_nothing(store: Store) -> None:
    assert renew(store.database, "w1", [], LEASE) == set()


def test_the_outcome_of_a_running_attempt_is_not_known(store: Store) -> None:
    job_id = store.running()
    assert [one.outcome for one in read_attempts(store.database, job_id)] == [None]
    finish(store.database, job_id, 1, written("x"))
    assert [one.outcome for one in read_attempts(store.database, job_id)] == [AttemptOutcome.COMPLETED]


def test_a_lease_is_as_long_as_any_however_long_its_transaction_was_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, together = store.reserved(), store.reserved()
    write = store.database.write

    @contextmanager
    def late() -> Iterator[Connection]:
        with write() as connection:
            store.clock.advance(LEASE - 1)  # for a connection, or on SQLite for the turn
            yield connection

    monkeypatch.setattr(store.database, "write", late)
    store.claim(alone)
    assert store.job(alone).lease_until == store.clock.after(LEASE)
    claim_many(store.database, [together], "w1", LEASE)
    assert store.job(together).lease_until == store.clock.after(LEASE)
    assert renew(store.database, "w1", [Checkpoint(alone, 1, None)], LEASE) == {alone}
    assert store.job(alone).lease_until == store.clock.after(LEASE)
