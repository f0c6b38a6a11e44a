"""Claims and finishes of several jobs in one transaction: each row as if it had been done alone, or left for that."""

from functools import partial
from itertools import chain

import pytest
from sqlalchemy import select

from jobs.lifecycle.lease import claim, claim_many
from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.lifecycle.transitions import finish, finish_many, release
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from jobs.tables import jobs
from tests.store.store_fixtures import LEASE, USAGE, Store, at_once, postgres_store, store, written

__all__ = ["postgres_store", "store"]  # fixtures

text = partial(written, usage=USAGE, text_tokens=3, text_tokens_source="tokenizer", finish_reason="stop")


def test_jobs_claimed_together_are_as_if_each_was_claimed_alone(store: Store) -> None:
    alone, *others = [store.reserved(on_interrupt="continue") for _ in range(4)]
    expected = store.claim(alone)
    claims = claim_many(store.database, others, "w1", LEASE)
    assert [claimed and claimed.job.id for claimed in claims] == others
    for claimed in claims:
        assert claimed is not None
        job = store.job(claimed.job.id)
        assert claimed.job == job
        assert (claimed.attempt, claimed.text) == (1, "")
        own = {"id", "created_at", "due_at", "hinted_at"}
        assert {name: getattr(job, name) for name in job.__slots__ if name not in own} == {
            name: getattr(expected.job, name) for name in job.__slots__ if name not in own
        }
        [attempt], [model] = read_attempts(store.database, job.id), read_attempts(store.database, alone)
        assert (attempt.attempt, attempt.worker, attempt.started_at, attempt.continued_bytes) == (
            model.attempt,
            model.worker,
            model.started_at,
            model.continued_bytes,
        )


def test_what_alone_would_not_be_claimed_is_not_claimed_together(store: Store) -> None:
    free = store.reserved()
    held = store.running("w2")
    cancelled, unreserved = store.reserved(), store.submit()
    cancel_job(store.database, cancelled)
    late = store.reserved(expires_at=store.clock.after(5))
    store.clock.advance(5)
    claims = claim_many(store.database, [held, cancelled, unreserved, late, "job_unknown", free], "w1", LEASE)
    assert [claimed.job.id for claimed in claims if claimed is not None] == [free]
    assert claims[5] is not None
    assert store.job(held).worker == "w2"


def test_a_job_that_was_tried_before_is_left_to_be_claimed_alone(store: Store) -> None:
    """A crash, a text to go on with, a claim of one's own that reported an error: all of that has an attempt."""
    released, mine, fresh = store.running(), store.running(), store.reserved()
    release(store.database, released, 1, written("so far"))
    claims = claim_many(store.database, [released, mine, fresh], "w1", LEASE)
    assert [claimed and claimed.job.id for claimed in claims] == [None, None, fresh]
    assert store.claim(released).attempt == 2


def test_of_workers_that_claim_the_same_jobs_together_each_job_goes_to_one(store: Store) -> None:
    ids = [store.reserved() for _ in range(20)]
    orders = [ids, ids[::-1], ids[10:] + ids[:10], ids[::2] + ids[1::2]]
    told = at_once([partial(claim_many, store.database, order, f"w{n}", LEASE) for n, order in enumerate(orders)])
    taken = [claimed.job.id for claimed in chain(*told) if claimed is not None]
    # What another one had locked at the time is left, and claimed alone.
    assert len(set(taken)) == len(taken)
    taken += [job_id for job_id in ids if claim(store.database, job_id, "w9", LEASE)]
    assert sorted(taken) == sorted(ids)
    assert all(len(read_attempts(store.database, job_id)) == 1 for job_id in ids)


def test_jobs_finished_together_are_as_if_each_was_finished_alone(store: Store) -> None:
    alone, *others = [store.running() for _ in range(4)]
    store.clock.advance(3)
    assert finish(store.database, alone, 1, text("Rain 0"))
    finished = [(job_id, 1, text(f"Rain {n}")) for n, job_id in enumerate(others)]
    assert finish_many(store.database, finished[::-1]) == [True] * 3
    rows = store.rows()
    # A text has as many columns as there are; all but whose it is and what it says must be alike.
    [model] = [row[3:] for row in rows["texts"] if row[0] == alone]
    assert all(row[3:] == model for row in rows["texts"])
    assert {row[0]: row[2] for row in rows["texts"] if row[0] != alone} == {
        job_id: written.text for job_id, _, written in finished
    }
    own = {"id", "created_at", "due_at", "hinted_at", "started_at", "sha256"}
    expected = store.job(alone)
    for job_id, _, stored in finished:
        job = store.job(job_id)
        assert job.sha256 == stored.sha256
        assert {name: getattr(job, name) for name in job.__slots__ if name not in own} == {
            name: getattr(expected, name) for name in job.__slots__ if name not in own
        }
        [attempt], [before] = read_attempts(store.database, job_id), read_attempts(store.database, alone)
        assert (attempt.outcome, attempt.finished_at, attempt.usage, attempt.bytes, attempt.deltas) == (
            before.outcome,
            before.finished_at,
            before.usage,
            before.bytes,
            before.deltas,
        )


def test_a_lost_lease_among_several_stores_nothing_and_costs_the_others_nothing(store: Store) -> None:
    lost = store.running("w1")
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    store.claim(lost, "w2")
    held = [store.running("w1") for _ in range(2)]
    stale = (lost, 1, text("a zombie's"))
    finished = [(held[0], 1, text("one")), stale, (held[1], 1, text("two"))]
    assert finish_many(store.database, finished) == [True, None, True]
    assert finish(store.database, *stale) is False
    assert store.job(lost).status is JobStatus.IN_PROGRESS
    assert lost not in [row[0] for row in store.rows()["texts"]]


def test_finished_together_twice_each_finds_its_own_outcome(store: Store) -> None:
    """A commit that was carried out but reported an error is tried again."""
    finished = [(store.running(), 1, text("one")), (store.running(), 1, text("two"))]
    assert finish_many(store.database, finished) == [True, True]
    before = store.rows()
    assert finish_many(store.database, finished) == [None, None]
    assert [finish(store.database, *each) for each in finished] == [True, True]
    assert store.rows() == before


def test_a_text_whose_cost_is_unknown_is_left_to_be_finished_alone(store: Store) -> None:
    known, unknown = (store.running(), 1, text("one")), (store.running(), 1, written(""))
    assert finish_many(store.database, [known, unknown]) == [True, None]
    assert finish_many(store.database, [unknown]) == [None]
    assert finish(store.database, *unknown) is True


@pytest.mark.parametrize("verb", ["claim", "finish"])
def test_nobody_waits_for_a_row_that_another_process_has_locked(postgres_store: Store, verb: str) -> None:
    store = postgres_store
    ids = [store.reserved() if verb == "claim" else store.running() for _ in range(3)]
    with store.database.write() as connection:
        connection.execute(select(jobs.c.id).where(jobs.c.id == ids[1]).with_for_update())
        if verb == "claim":
            claims = claim_many(store.database, ids, "w1", LEASE)
            told = [claimed is not None for claimed in claims]
        else:
            told = [bool(kept) for kept in finish_many(store.database, [(job_id, 1, text("x")) for job_id in ids])]
    assert told == [True, False, True]
