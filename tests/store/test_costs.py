"""Sums of costs: exact, with every attempt in them, and never a part that passes for the whole."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from jobs.intake.submission import submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lost import read_lost_text, store_lost_count
from jobs.lifecycle.transitions import fail, finish, finish_many, release, retry
from jobs.model.cost import Cost, CostSum, KnownCost
from jobs.model.records import Usage
from jobs.store import costs
from jobs.store.costs import add_costs, read_costs, read_project_usage
from jobs.store.queries import read_attempts, read_batch
from jobs.tables import attempts, batches
from tests.store.store_fixtures import REFUSED, USAGE, Store, new_job, store, written
from tests.store.test_lost import lose

__all__ = ["store"]  # a fixture

COUNTED = Usage(9, None, 4, None, 13, source="tokenizer")


def cost_of(store: Store, batch_id: str) -> CostSum | None:
    """What a batch shows."""
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    return batch.cost


def test_a_jobs_cost_is_that_of_all_its_attempts(store: Store) -> None:
    job_id = store.submit()
    store.claim(job_id)
    paid = written("so", usage=COUNTED, cost=Cost(5, "USD"))
    assert retry(store.database, job_id, 1, paid, REFUSED, store.clock.now)
    store.claim(job_id)
    assert read_costs(store.database, [job_id]) == {job_id: CostSum((KnownCost("USD", 5, estimated=True),))}
    assert release(store.database, job_id, 2, written(cost=Cost(0, None)))
    store.claim(job_id)
    assert finish(store.database, job_id, 3, written("whole", usage=USAGE, cost=Cost(7, "USD")))
    assert [one.cost for one in read_attempts(store.database, job_id)] == [
        Cost(5, "USD"),
        Cost(0, None),
        Cost(7, "USD"),
    ]
    assert read_costs(store.database, [job_id]) == {job_id: CostSum((KnownCost("USD", 12, estimated=True),))}


def test_a_sum_of_reported_costs_is_no_estimate(store: Store) -> None:
    _, (one, other) = store.submit_batch(2)
    ended = [(job_id, store.claim(job_id).attempt, written("w", usage=USAGE, cost=Cost(2**40, "USD")))
             for job_id in (one, other)]  # fmt: skip
    assert finish_many(store.database, ended) == [True, True]
    batch_id = store.job(one).batch_id
    assert batch_id is not None
    assert cost_of(store, batch_id) == CostSum((KnownCost("USD", 2**41, estimated=False),))
    assert close_batch(store.database, batch_id)
    assert cost_of(store, batch_id) == CostSum((KnownCost("USD", 2**41, estimated=False),))


def test_a_part_that_is_unknown_leaves_no_whole(store: Store) -> None:
    batch_id, (one, other) = store.submit_batch(2)
    store.claim(one)
    assert cost_of(store, batch_id) is None  # nothing has ended
    assert finish(store.database, one, 1, written("w", usage=USAGE, cost=Cost(3, "USD")))
    store.claim(other)
    assert fail(store.database, other, 1, written("w"), REFUSED)
    for _ in range(2):
        cost = cost_of(store, batch_id)
        assert cost == CostSum((KnownCost("USD", 3, estimated=False),), unknown=1)
        assert cost.whole is None
        close_batch(store.database, batch_id)


def test_two_currencies_are_not_added(store: Store) -> None:
    batch_id, (one, other) = store.submit_batch(2)
    for job_id, currency in ((one, "USD"), (other, "EUR")):
        store.claim(job_id)
        assert finish(store.database, job_id, 1, written("w", usage=USAGE, cost=Cost(3, currency)))
    cost = cost_of(store, batch_id)
    assert cost == CostSum((KnownCost("EUR", 3, estimated=False), KnownCost("USD", 3, estimated=False)))
    assert cost.whole is None


def test_a_lost_attempt_is_unknown_until_it_is_counted_also_when_its_batch_has_ended(store: Store) -> None:
    batch_id, (job_id,) = store.submit_batch(1)
    lose(store, job_id)
    store.claim(job_id)
    assert finish(store.database, job_id, 2, written("whole", usage=USAGE, cost=Cost(7, "USD")))
    assert close_batch(store.database, batch_id)
    assert cost_of(store, batch_id) == CostSum((KnownCost("USD", 7, estimated=False),), unknown=1)
    lost = read_lost_text(store.database, job_id, 1)
    assert lost is not None
    assert store_lost_count(store.database, lost, COUNTED, 4, "tokenizer", cost=Cost(5, "USD"))
    assert cost_of(store, batch_id) == CostSum((KnownCost("USD", 12, estimated=True),))


def test_what_a_worker_of_the_version_before_has_stored_is_unknown(store: Store) -> None:
    batch_id, (job_id,) = store.submit_batch(1)
    store.claim(job_id)
    assert finish(store.database, job_id, 1, written("whole", usage=USAGE))
    assert close_batch(store.database, batch_id)
    with store.database.write() as connection:
        connection.execute(update(batches).values(cost=None))
    assert cost_of(store, batch_id) is None
    assert read_costs(store.database, [job_id]) == {job_id: CostSum(unknown=1)}


@pytest.mark.parametrize("at_once", [1, 2, 3, 4])
def test_the_usage_of_a_project_is_by_model_and_upstream_and_of_its_time_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(costs, "JOBS_AT_ONCE", at_once)
    read_usage = partial(read_project_usage, store.database, "news")
    for model, currency in (("m1", "USD"), ("m1", "USD"), ("m2", None)):
        job_id = submit_job(store.database, new_job(model=model), project="news").id
        store.claim(job_id)
        cost = Cost(3, currency) if currency else None
        assert finish(store.database, job_id, 1, written("w", usage=USAGE if cost else None, cost=cost))
    elsewhere = store.submit()
    store.claim(elsewhere)
    assert finish(store.database, elsewhere, 1, written("w", usage=USAGE, cost=Cost(100, "USD")))
    begin, end = store.clock.after(-60), store.clock.after(60)
    first, second = read_usage(begin, end)
    assert (first.model, first.attempts, first.unknown, first.cost) == (
        *("m1", 2, 0),
        CostSum((KnownCost("USD", 6, estimated=False),)),
    )
    assert first.tokens == {
        "input_tokens": 22, "cached_tokens": 4, "output_tokens": 14, "reasoning_tokens": 6, "total_tokens": 36
    }  # fmt: skip
    assert (second.model, second.attempts, second.unknown, second.cost) == ("m2", 1, 1, CostSum(unknown=1))
    assert second.tokens == dict.fromkeys(first.tokens)
    assert add_costs((first.cost, second.cost)) == CostSum((KnownCost("USD", 6, estimated=False),), unknown=1)
    assert read_usage(end, end + timedelta(days=1)) == []
    with store.database.write() as connection:
        connection.execute(update(attempts).values(finished_at=begin - timedelta(seconds=1)))
    assert read_usage(begin, end) == []
