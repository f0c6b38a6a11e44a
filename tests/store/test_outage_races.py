"""What happens at the same moment as the beginning of a hold: a failure beside it, a reservation beside it."""

from functools import partial

import pytest

from jobs.dispatch.failure import Failure, Judgement
from jobs.dispatch.holds import HoldKind, pause, read_holds, resume
from jobs.dispatch.outages import forgive_if_held, judge
from jobs.lifecycle.lease import claim, claim_many
from jobs.lifecycle.transitions import retry
from jobs.store.queries import read_attempts
from jobs.tables import DEFAULT_PROJECT, holds, lanes
from tests.store.reserving import reserve, take_due
from tests.store.store_fixtures import LEASE, REFUSED, Interruption, Store, postgres_store, store, written

__all__ = ["postgres_store", "store"]  # fixtures


def cut(store: Store, job_id: str) -> Judgement:
    """The stream of this job is cut now."""
    code, message = "cut_mid_stream", "it broke off"
    failure = Failure("default", "m1", job_id, store.clock.now, "cut", code, message, by_status=False, refusals=0)
    return judge(store.database, failure)


def test_of_two_streams_that_are_cut_at_once_the_second_says_that_it_was_the_upstream(postgres_store: Store) -> None:
    store = postgres_store
    first, second = store.running(), store.running()
    with store.database.write() as connection:
        connection.execute(lanes.insert().values(upstream="default", model="m1", updated_at=store.clock.now))

    # Between what it reads of the others and what it notes of itself.
    with Interruption(store.database, "SELECT lanes.accepted_at", lambda: cut(store, second)) as another:
        assert cut(store, first).charged
    assert not another.result().charged
    assert [hold.reason for hold in read_holds(store.database)] == ["away"]


def test_a_stream_that_is_charged_while_another_one_is_judged_is_not_charged_in_the_end(store: Store) -> None:
    """Its worker may die at once after: whoever is second has given it its attempt back."""
    first, second = store.running(), store.running()

    assert cut(store, first).suspect
    assert not cut(store, second).charged  # before the first one is charged
    forgive = partial(forgive_if_held, upstream="default", job_id=first, sent_at=store.clock.now, now=store.clock.now)
    assert retry(store.database, first, 1, written("some"), REFUSED, store.clock.now, last=forgive)
    assert store.job(first).failures == 0
    assert [attempt.outcome for attempt in read_attempts(store.database, first)] == ["held"]


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
    assert claim_many(store.database, [job_id], "w1", LEASE) == [None]
    assert store.rows()["attempts"] == before
    resume(store.database, kind, target)
    assert store.claim(job_id).attempt == 1


def test_a_pause_beside_a_turn_that_takes_the_lost_probe_back_waits_for_it(postgres_store: Store) -> None:
    """Each had what the other wanted: the pause the hold, the turn the job. PostgreSQL ended one of them."""
    store = postgres_store
    job_id = store.reserved()
    pause(store.database, HoldKind.UPSTREAM, "default")
    probe = {"held_by": "system", "reason": "away", "probe_at": store.clock.after(90), "probe_job": job_id}
    with store.database.write() as connection:
        connection.execute(holds.update().values(**probe))
        connection.execute(lanes.insert().values(upstream="default", model="m1", updated_at=store.clock.now))
    reserve(store.database, job_id)
    store.clock.advance(60)  # its hint is lost

    def pause_it() -> bool:
        return pause(store.database, HoldKind.UPSTREAM, "default").changed

    with Interruption(store.database, "UPDATE jobs", pause_it) as another:
        take_due(store.database, 1, hint_seconds=30)
    assert another.waited_for_us
    assert another.result()
    assert store.job(job_id).upstream is None
    assert [hold.reason for hold in read_holds(store.database)] == ["paused"]
