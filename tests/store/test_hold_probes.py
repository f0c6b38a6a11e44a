"""An upstream that is away is held at once: one probe goes, and the first text lifts the hold."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs.dispatch.failure import Judgement
from jobs.dispatch.holds import read_holds
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.lifecycle.lease import claim
from jobs.lifecycle.rescue import rescue_dead
from jobs.lifecycle.transitions import hold_back
from jobs.model.endings import MAX_CRASHES
from jobs.store.queries import read_attempts
from jobs.tables import lanes
from jobs.upstreams import UNDECLARED, Upstreams
from tests.sparing import on_sqlite
from tests.store.failing import HINT_SECONDS, accept, due, fail, hold_again, reasons
from tests.store.reserving import lanes_of, unpaced, upstream
from tests.store.store_fixtures import LEASE, REFUSED, Store, store, written

__all__ = ["store"]  # a fixture


@on_sqlite
@pytest.mark.parametrize("reason", ["credit", "key", "away"])
def test_an_upstream_is_held_at_once_and_probed_with_one_job_at_growing_intervals(store: Store, reason: str) -> None:
    _, ids = store.submit_batch(6)
    [first] = due(store, 1)
    store.claim(first)
    assert not fail(store, first, reason).charged
    hold_back(store.database, first, 1, written(), REFUSED, store.clock.now, refused=False)
    [hold] = read_holds(store.database)
    assert (hold.reason, hold.held_by, hold.message) == (reason, "system", "it said no")
    assert hold.probe_at is not None
    waits = []
    for _ in range(12):
        assert due(store) == []
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        waits.append((hold.probe_at - store.clock.now).total_seconds())
        store.clock.now = hold.probe_at
        [probe] = due(store)
        assert due(store) == []
        claimed = store.claim(probe)
        assert fail(store, probe, reason) == Judgement(charged=False)
        hold_back(store.database, probe, claimed.attempt, written(), REFUSED, store.clock.now, refused=False)
    assert waits[0] <= 60
    assert waits == sorted(waits)
    assert 290 < waits[-1] <= 300
    assert {store.job(job_id).failures for job_id in ids} == {0}
    assert {attempt.outcome for attempt in read_attempts(store.database, first)} == {"held"}


@on_sqlite
def test_a_held_upstream_whose_url_was_corrected_is_probed_at_once(store: Store) -> None:
    """Before, its jobs waited for the next probe, up to five minutes, with the right URL in the file."""
    store.submit_batch(2)
    declared = [Upstreams((replace(UNDECLARED, url="http://wrong"),), {})]
    own = Lanes(store.database, HINT_SECONDS, lambda: declared[0])

    def reserve() -> list[str]:
        with unpaced():
            return own.reserve(10, MAX_CRASHES).reserved

    first, *_ = reserve()
    claimed = store.claim(first)
    for _ in range(6):
        assert not fail(store, first, "key").charged
        hold_back(store.database, first, claimed.attempt, written(), REFUSED, store.clock.now, refused=False)
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        store.clock.now = hold.probe_at
        [first] = reserve()
        claimed = store.claim(first)
    assert not fail(store, first, "key").charged
    hold_back(store.database, first, claimed.attempt, written(), REFUSED, store.clock.now, refused=False)
    store.clock.advance(2)
    assert reserve() == []
    declared[0] = Upstreams((replace(UNDECLARED, url="http://right/v1"),), {})
    assert len(reserve()) == 1


def test_of_the_jobs_of_a_held_upstream_only_the_probe_can_be_claimed(store: Store) -> None:
    _, ids = store.submit_batch(3)
    assert due(store, 3) == ids
    store.claim(ids[0])
    fail(store, ids[0], "away")
    assert [claim(store.database, job_id, "w1", LEASE) for job_id in ids[1:]] == [None, None]
    store.clock.advance(1)
    [probe] = due(store)
    assert claim(store.database, probe, "w1", LEASE) is not None


def test_when_the_worker_of_a_probe_dies_another_job_is_the_probe_at_once(store: Store) -> None:
    """All projects waited for a minute, although the upstream was well."""
    _, ids = store.submit_batch(3)
    assert due(store, 3) == ids
    store.claim(ids[0])
    fail(store, ids[0], "away")
    store.clock.advance(1)
    [probe] = due(store)
    store.claim(probe)
    assert due(store) == []
    assert {change.id for change in rescue_dead(store.database, "w1")} == {ids[0], probe}
    assert len(due(store)) == 1


def test_the_first_text_that_was_asked_for_since_lifts_the_hold(store: Store) -> None:
    _, ids = store.submit_batch(4)
    [first] = due(store, 1)
    store.claim(first)
    fail(store, first, "credit")
    own = lanes_of(store.database, HINT_SECONDS)
    before = store.clock.now - timedelta(seconds=1)
    own.note(("default", "m1"), LaneNews(accepted_at=before))
    own.reserve(0, MAX_CRASHES)
    assert len(read_holds(store.database)) == 1  # that one was sent before the credit ran out
    store.clock.advance(5)
    [probe] = due(store)
    store.claim(probe)
    own.note(("default", "m1"), LaneNews(accepted_at=store.clock.now))
    done = own.reserve(10, MAX_CRASHES)
    assert done.lifted
    assert len(done.batch_ids) == 1
    assert read_holds(store.database) == []
    started = own.reserve(10, MAX_CRASHES).reserved
    assert started
    assert set(started) <= set(ids)


def test_another_job_is_the_next_probe(store: Store) -> None:
    poison, good = store.submit(), store.submit()
    [first] = due(store, 1)
    store.claim(first)
    assert first == poison
    fail(store, poison, "away")
    hold_back(store.database, poison, 1, written(), REFUSED, store.clock.now, refused=False)
    store.clock.advance(1)
    assert due(store) == [good]


def test_a_probe_waits_for_one_of_the_streams_that_its_upstream_may_have(store: Store) -> None:
    _, ids = store.submit_batch(4)
    narrow = lanes_of(store.database, HINT_SECONDS, upstream("default", max_streams=2))
    for job_id in narrow.reserve(10, MAX_CRASHES).reserved:
        store.claim(job_id)
    fail(store, ids[0], "credit")
    store.clock.advance(60)
    assert narrow.reserve(10, MAX_CRASHES).reserved == []
    hold_back(store.database, ids[0], 1, written(), REFUSED, store.clock.now, refused=False)
    store.clock.advance(1)
    assert len(narrow.reserve(10, MAX_CRASHES).reserved) == 1


def test_after_a_hold_the_lane_starts_slowly_again(store: Store) -> None:
    store.submit_batch(2)
    store.claim(due(store, 1)[0])
    fail(store, store.ids(str(store.job(store.rows()["jobs"][0][0]).batch_id))[0], "away")
    with store.database.read() as connection:
        assert connection.scalars(select(lanes.c.restart).where(lanes.c.model != ALL_MODELS)).all() == [True]
    store.clock.advance(2)
    accept(store)
    with store.database.read() as connection:
        assert connection.scalars(select(lanes.c.restart).where(lanes.c.model != ALL_MODELS)).all() == [False]


def test_the_reason_of_a_hold_is_that_of_the_last_probe(store: Store) -> None:
    job_id = store.submit()
    store.claim(due(store)[0])
    hold_again(store, job_id, 1, fail(store, job_id, "away"))
    store.clock.advance(1)
    store.claim(due(store)[0])
    hold_again(store, job_id, 2, fail(store, job_id, "credit"))
    assert reasons(store) == ["credit"]
