"""Any number of models may be named: the rows of those that rest are forgotten, but what is in use or kept is not."""

from collections.abc import Collection

import pytest
from sqlalchemy import insert, select

from jobs.dispatch import unused_lanes
from jobs.dispatch.unused_lanes import UNUSED_SECONDS, forget_lanes
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.tables import lanes
from tests.store.failing import due, fail
from tests.store.store_fixtures import Store, store

__all__ = ["store"]  # a fixture


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_lanes, "MOST_KEPT", 3)
    monkeypatch.setattr(unused_lanes, "_ROWS_PER_DELETE", 4)


def use(store: Store, models: Collection[str], upstream: str = "default") -> None:
    """These models were used one after the other."""
    with store.database.write() as connection:
        for model in models:
            store.clock.advance(0.001)
            connection.execute(insert(lanes).values(upstream=upstream, model=model, updated_at=store.clock.now))


def kept(store: Store, upstream: str = "default") -> list[str]:
    with store.database.read() as connection:
        return list(connection.scalars(select(lanes.c.model).where(lanes.c.upstream == upstream).order_by("model")))


def test_of_the_lanes_that_rest_those_used_last_are_kept(store: Store) -> None:
    use(store, [f"m{number}" for number in range(9)])
    store.clock.advance(UNUSED_SECONDS + 1)
    assert forget_lanes(store.database) == 4, "a round is short"
    assert forget_lanes(store.database) == 2
    assert kept(store) == ["m6", "m7", "m8"]
    assert forget_lanes(store.database) == 0


def test_however_many_were_used_of_late_all_of_them_are_kept(store: Store) -> None:
    use(store, [f"m{number}" for number in range(9)])
    store.clock.advance(UNUSED_SECONDS - 1)
    assert forget_lanes(store.database) == 0
    assert len(kept(store)) == 9


def test_the_row_of_all_models_and_other_upstreams_are_kept(store: Store) -> None:
    use(store, [ALL_MODELS, "m1"])
    use(store, ["m1", "m2", "m3"], upstream="other")
    use(store, ["m2", "m3", "m4"])
    store.clock.advance(UNUSED_SECONDS + 1)
    assert forget_lanes(store.database) == 1
    assert kept(store) == [ALL_MODELS, "m2", "m3", "m4"]
    assert kept(store, "other") == ["m1", "m2", "m3"]


def test_a_lane_whose_job_has_just_failed_is_kept_for_it_may_be_forgiven(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    use(store, ["a", "b", "c", "d"])
    store.clock.advance(UNUSED_SECONDS + 1)
    assert fail(store, first, "failing").suspect
    assert forget_lanes(store.database) == 1
    assert [model for model in kept(store) if model != ALL_MODELS] == ["b", "c", "d", "m1"]
    assert not fail(store, second, "failing").charged, "the first one is found, so it was the upstream"


def test_a_forgotten_lane_begins_anew_when_its_model_has_jobs_again(store: Store) -> None:
    job_id = store.submit()
    assert due(store) == [job_id]
    use(store, ["a", "b", "c", "d"])
    store.clock.advance(UNUSED_SECONDS + 1)
    assert forget_lanes(store.database) == 2
    assert "m1" not in kept(store)
    another = store.submit()
    assert another in due(store)
    assert "m1" in kept(store)
