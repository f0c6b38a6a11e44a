"""Which upstream a job goes to: by tier, by weight, another one after a failure, or the one that it names."""

from sqlalchemy import func, select, update

from jobs.lifecycle.transitions import release, retry
from jobs.tables import jobs
from tests.store.reserving import ONE, OTHER, reserve, reserved_by, unpaced, upstream
from tests.store.store_fixtures import REFUSED, Store, store, written

__all__ = ["store"]  # a fixture


def test_the_lowest_tier_with_room_gets_the_job_and_equals_share_by_weight(store: Store) -> None:
    store.submit_batch(60)
    specs = [
        upstream("cheap", tier=0, weight=1.0, max_streams=50),
        upstream("same", tier=0, weight=3.0, max_streams=50),
        upstream("dear", tier=1),
    ]
    with unpaced():
        reserved_by(store.database, specs, 40)
    with store.database.read() as connection:
        grouped = (
            select(jobs.c.upstream, func.count().label("count"))
            .where(jobs.c.upstream.is_not(None))
            .group_by(jobs.c.upstream)
        )
        counts = {row[0]: row[1] for row in connection.execute(grouped)}
    assert counts == {"cheap": 10, "same": 30}


def test_a_full_tier_leaves_jobs_to_the_next_one(store: Store) -> None:
    store.submit_batch(4)
    specs = [upstream("cheap", tier=0, max_streams=1), upstream("dear", tier=1)]
    reserved = reserved_by(store.database, specs, 10)
    assert sorted(str(store.job(job_id).upstream) for job_id in reserved)[0] == "cheap"
    assert {store.job(job_id).upstream for job_id in reserved} == {"cheap", "dear"}


def test_a_retry_prefers_another_upstream_and_takes_the_same_when_none_has_room(store: Store) -> None:
    job_id = store.submit()
    reserve(store.database, job_id, upstream="one")
    store.claim(job_id)
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.now)
    assert reserved_by(store.database, [ONE, OTHER], 5) == [job_id]
    assert store.job(job_id).upstream == "other"
    store.claim(job_id)
    release(store.database, job_id, 2, written())
    with store.database.write() as connection:
        connection.execute(update(jobs).values(last_upstream="one"))
    assert reserved_by(store.database, [ONE], 5) == [job_id]


def test_a_job_that_names_an_upstream_goes_to_no_other(store: Store) -> None:
    job_id = store.submit(only_upstream="other")
    assert reserved_by(store.database, [ONE], 5) == []
    assert reserved_by(store.database, [ONE, OTHER], 5) == [job_id]
    assert store.job(job_id).upstream == "other"


def test_a_job_whose_model_no_upstream_takes_stays_queued(store: Store) -> None:
    store.submit(model="other-model")
    before = store.rows()["jobs"]
    assert reserved_by(store.database, [upstream("one", models=("gpt-*",))], 5) == []
    assert store.rows()["jobs"] == before
