"""Deliveries: taken by one process at a time, kept while it lives, and none keeps those of others waiting."""

from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import select

from jobs.store.database import Database
from jobs.tables import webhook_deliveries
from jobs.webhooks.deliveries import SCHEDULE, LateTurnError, give_back, renew, store_outcomes, take
from jobs.webhooks.endpoints import read_endpoint, rotate_secret
from jobs.webhooks.past import KEPT_DAYS, clear_deliveries, read_delivery
from jobs.webhooks.waiting import TAKEN_SECONDS
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, at_once, store
from tests.worker.delivering import FAILED, TAKEN, due, event_for, make, store_outcome, take_one, without_jitter

__all__ = ["store", "without_jitter"]  # fixtures


def test_a_delivery_is_taken_by_one_of_many_processes(store: Store) -> None:
    event_id = event_for(store, make(store))
    found = due(store)
    taken = at_once([lambda: take(store.database, found)] * 4)
    assert [one.event_id for some in taken for one in some] == [event_id]


def test_a_delivery_whose_process_died_is_taken_by_another_with_the_same_id(store: Store) -> None:
    event_for(store, make(store))
    dead = take_one(store)
    store.clock.advance(TAKEN_SECONDS - 0.1)
    assert due(store) == []
    store.clock.advance(0.1)
    again = take_one(store)
    assert (again.event_id, again.body, again.tries) == (dead.event_id, dead.body, 2)
    store_outcome(store, dead, FAILED)
    past = read_delivery(store.database, again.webhook_id, again.event_id)
    assert past is not None
    assert past.last_status is None, "the outcome of a try that was taken over"


def test_a_delivery_whose_receiver_is_slow_is_kept_as_long_as_its_process_renews(store: Store) -> None:
    event_for(store, make(store))
    slow = take_one(store)
    for _ in range(10):
        store.clock.advance(TAKEN_SECONDS - 0.1)
        renew(store.database, [slow])
        assert due(store) == []
    store.clock.advance(TAKEN_SECONDS)
    again = take_one(store)
    store.clock.advance(TAKEN_SECONDS - 0.1)
    renew(store.database, [slow])  # it comes back to life
    store.clock.advance(0.1)
    assert due(store) == [(again.webhook_id, again.event_id)], "a try that was taken over renews nothing"


def test_a_renewal_that_comes_after_the_outcome_changes_nothing(store: Store) -> None:
    """It was on its way when the receiver answered."""
    webhook_id = make(store)
    failed, delivered = (event_for(store, webhook_id) for _ in range(2))
    taken = take(store.database, due(store))
    assert [one.event_id for one in taken] == [failed, delivered]
    store_outcome(store, taken[0], FAILED)
    store_outcome(store, taken[1], TAKEN)
    renew(store.database, taken)
    with store.database.read() as connection:
        query = select(webhook_deliveries.c.due_at).order_by(webhook_deliveries.c.event_id)
        assert connection.scalars(query).all() == [store.clock.after(SCHEDULE[1]), None]


def test_a_turn_to_write_that_comes_late_takes_nothing(store: Store) -> None:
    """Whoever had it meanwhile kept the owners from renewing, too."""
    event_for(store, make(store))
    found = due(store)
    with pytest.raises(LateTurnError):
        take(store.database, found, by=monotonic() - 1)
    assert len(take(store.database, found, by=monotonic() + 60)) == 1


def test_a_look_reads_no_more_of_a_backlog_than_it_may_take(sqlite_database: Database) -> None:
    store = Store(sqlite_database)
    webhook_id = make(store)
    for _ in range(3):
        event_for(store, webhook_id)
    with plans_of(store.database, "SELECT", "WITH") as plans:
        assert len(due(store, per_endpoint=2)) == 2
    assert len(plans) == 2  # for whom there is something, and what
    for _, plan in plans:
        reads = [step for step in plan if "webhook_deliveries" in step]
        assert reads
        assert all("INDEX webhook_deliveries_due" in step for step in reads), plan
    assert any("webhook_deliveries_due_of (webhook_id=? AND due_at<?)" in step for step in reads)
    assert not any("TEMP B-TREE" in step for step in plan)


def test_what_is_taken_renewed_stored_or_deleted_is_found_by_its_key(sqlite_database: Database) -> None:
    """However much is kept for seven days, or due: a renewal once read all of it, four times a second."""
    store = Store(sqlite_database)
    for _ in range(2):
        event_for(store, make(store))
    with plans_of(store.database, "SELECT webhook_deliveries.webhook_id", "UPDATE webhook_d", "DELETE") as plans:
        found = due(store)
        taken = take(store.database, found)
        renew(store.database, taken)
        store_outcomes(store.database, [(one, FAILED) for one in taken])
        store.clock.now += timedelta(days=KEPT_DAYS, seconds=1)
        assert clear_deliveries(store.database) == 2
    by_key = [(verb, plan) for verb, plan in plans if "created_at <" not in verb and "due_at IS NOT NULL" not in verb]
    reads = [step for _, plan in by_key for step in plan if "webhook_deliveries" in step]
    assert len(taken) == 2
    assert len(reads) >= 6
    assert all("sqlite_autoindex_webhook_deliveries_1 (webhook_id=? AND event_id=?)" in step for step in reads), reads


def test_an_old_secret_signs_until_its_time(store: Store) -> None:
    webhook_id = make(store)
    old = read_endpoint(store.database, webhook_id, project="default")
    new = rotate_secret(store.database, webhook_id, project="default", old_seconds=60)
    assert old is not None
    assert new is not None
    event_for(store, webhook_id)
    taken = take_one(store)
    assert taken.secrets == [new.secret, old.secret]
    assert old.secret not in repr(taken)
    store.clock.advance(60)
    assert take_one(store).secrets == [new.secret]


def test_a_process_that_ends_gives_back_what_it_has_not_sent_and_no_try_is_counted(store: Store) -> None:
    event_for(store, make(store))
    taken = take_one(store)
    give_back(store.database, [taken])
    again = take_one(store)
    assert (again.event_id, again.tries) == (taken.event_id, 1)
