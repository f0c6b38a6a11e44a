"""What happens at the same moment as the beginning of a hold: a failure beside it, a reservation beside it."""

import pytest

from jobs.holds import HoldKind, pause, read_holds, resume
from jobs.lease import claim, claim_together
from jobs.outages import Failure, Judgement, judge
from jobs.pace.tables import holds, lanes
from jobs.tables import DEFAULT_PROJECT
from tests.store.reserving import reserve
from tests.store.store_fixtures import LEASE, Interruption, Store, postgres_store, store

__all__ = ["postgres_store", "store"]  # fixtures


def test_of_two_streams_that_are_cut_at_once_the_second_says_that_it_was_the_upstream(postgres_store: Store) -> None:
    store = postgres_store
    first, second = store.running(), store.running()
    with store.database.write() as connection:
        connection.execute(lanes.insert().values(upstream="default", model="m1", updated_at=store.clock.now))

    def fail(job_id: str) -> Judgement:
        cut = ("cut", "cut_mid_stream", "it broke off", False, 0)
        return judge(store.database, Failure("default", "m1", job_id, store.clock.now, *cut))

    # Between what it reads of the others and what it notes of itself.
    with Interruption(store.database, "SELECT max(lanes.accepted_at)", lambda: fail(second)) as another:
        assert fail(first).charged
    assert not another.result().charged
    assert [hold.reason for hold in read_holds(store.database)] == ["away"]


@pytest.mark.parametrize("held_by", ["a person", "the system"])
@pytest.mark.parametrize("kind", list(HoldKind))
def test_a_job_that_was_reserved_beside_the_beginning_of_a_hold_is_not_claimed(
    store: Store, kind: HoldKind, held_by: str
) -> None:
    """Whoever reserved it had looked at the holds a moment before this one began."""
    batch_id, [job_id] = store.submit_batch(1)
    target = {"batch": batch_id, "project": DEFAULT_PROJECT, "model": "m1", "upstream": "default"}[kind]
    pause(store.database, kind, target)
    if held_by == "the system":
        with store.database.write() as connection:
            connection.execute(holds.update().values(held_by="system", reason="away", probe_job="job_of_another"))
    reserve(store.database, job_id)
    before = store.rows()["attempts"]
    assert claim(store.database, job_id, "w1", LEASE) is None
    reserve(store.database, job_id)
    assert claim_together(store.database, [job_id], "w1", LEASE) == [None]
    assert store.rows()["attempts"] == before
    resume(store.database, kind, target)
    assert store.claim(job_id).attempt == 1
