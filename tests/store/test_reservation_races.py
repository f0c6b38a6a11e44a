"""What another process does between two statements of a turn: no lane and no batch gets above what it may have."""

from functools import partial

from sqlalchemy import func, select

from jobs.dispatch.lane_news import LaneTurn, LaneWish
from jobs.dispatch.reservation import take_lane_turn
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle.lease import claim
from jobs.model.endings import MAX_CRASHES
from jobs.pace.window import FIRST
from jobs.store.database import Database
from jobs.tables import DEFAULT_PROJECT, jobs, lanes
from tests.store.reserving import take_due, upstream
from tests.store.store_fixtures import LEASE, Interruption, Store, new_job, postgres_store

__all__ = ["postgres_store"]  # a fixture

HINT_SECONDS = 30.0
COUNT = "SELECT jobs.upstream, jobs.model, count(*)"
"""How the count of what is in flight begins."""

PROJECTS = [DEFAULT_PROJECT]


def turn(database: Database, max_streams: int | None) -> LaneTurn | None:
    """A turn of a process with ten free streams in the lane of the jobs."""
    spec = upstream("default", max_streams=max_streams)
    return take_lane_turn(database, LaneWish(spec, "m1", PROJECTS, MAX_CRASHES, 10, grants=10 * PROJECTS), HINT_SECONDS)


def reserved_in(taken: LaneTurn | None) -> list[str]:
    return [one.id for one in taken.reserved] if taken is not None else []


def in_flight(database: Database) -> int:
    held = jobs.c.status.in_(["queued", "in_progress"]), jobs.c.upstream.is_not(None)
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).where(*held)) or 0)


def with_lane(store: Store) -> Store:
    """The store, with the rows of the lane and of its upstream."""
    with store.database.write() as connection:
        for model in ("m1", ALL_MODELS):
            connection.execute(lanes.insert().values(upstream="default", model=model, updated_at=store.clock.now))
    return store


def test_a_claim_beside_the_count_does_not_hide_its_job_from_it(postgres_store: Store) -> None:
    store = with_lane(postgres_store)
    store.submit_batch(3)
    [first] = reserved_in(turn(store.database, 1))
    # If it counts the running jobs before the reserved ones, in two statements, the job is in neither.
    with Interruption(store.database, COUNT, lambda: claim(store.database, first, "w1", LEASE)) as the_claim:
        assert reserved_in(turn(store.database, 1)) == []
    assert the_claim.result() is not None
    assert in_flight(store.database) == 1


def test_a_claim_under_way_keeps_its_place_although_its_hint_is_late(postgres_store: Store) -> None:
    store = with_lane(postgres_store)
    store.submit_batch(3)
    [first] = reserved_in(turn(store.database, 1))
    store.clock.advance(HINT_SECONDS)
    with Interruption(store.database, "UPDATE jobs SET status", partial(turn, store.database, 1)) as another:
        assert claim(store.database, first, "w1", LEASE) is not None
    assert another.result() is not None
    assert reserved_in(another.result()) == []
    assert in_flight(store.database) == 1


def test_a_claim_beside_the_count_does_not_hide_its_job_from_its_capped_batch(postgres_store: Store) -> None:
    store = postgres_store
    batch_id = submit_batch(store.database, [new_job() for _ in range(3)], BatchOptions(max_concurrency=1)).id
    [first] = take_due(store.database, 10, HINT_SECONDS)
    count = "SELECT jobs.batch_id, count(*)"
    with Interruption(store.database, count, lambda: claim(store.database, first, "w1", LEASE)):
        assert take_due(store.database, 10, HINT_SECONDS) == []
    assert [store.job(job_id).upstream for job_id in store.ids(batch_id)] == ["default", None, None]


def test_of_two_that_dispatch_at_once_one_leaves_the_lane_to_the_other(postgres_store: Store) -> None:
    """Else both would count the same free streams, and fill them twice."""
    store = with_lane(postgres_store)
    store.submit_batch(6)
    with Interruption(store.database, COUNT, partial(turn, store.database, None)) as another:
        assert len(reserved_in(turn(store.database, None))) == FIRST  # of a window that nothing else limits
    assert another.result() is None


def test_of_two_that_dispatch_models_of_one_upstream_at_once_one_leaves_it_to_the_other(postgres_store: Store) -> None:
    """Else both would count what its limits leave, and take it twice."""
    store = with_lane(postgres_store)
    store.submit_batch(6)
    other = LaneWish(
        upstream("default", max_streams=3), "m2", [DEFAULT_PROJECT], MAX_CRASHES, 10, grants=[DEFAULT_PROJECT] * 10
    )
    with Interruption(store.database, COUNT, partial(take_lane_turn, store.database, other, HINT_SECONDS)) as it:
        assert len(reserved_in(turn(store.database, 3))) == 3
    assert it.result() is None
    assert in_flight(store.database) == 3
