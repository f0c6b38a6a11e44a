"""Deliveries: taken by one process at a time, tried by the schedule, given up, paused, sent again and deleted."""

from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select, update

from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.store.database import Database
from jobs.tables import webhook_deliveries, webhooks
from jobs.webhooks.deliveries import (
    SCHEDULE,
    TAKEN_SECONDS,
    Attempted,
    Delivery,
    LateTurnError,
    find_due,
    give_back,
    renew,
    store_outcome,
    take,
)
from jobs.webhooks.endpoints import change_endpoint, create_endpoint, delete_endpoint, read_endpoint, rotate_secret
from jobs.webhooks.past import KEPT_DAYS, clear_deliveries, list_deliveries, read_delivery, replay, send_test
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, at_once, store

__all__ = ["store"]  # a fixture

FAILED = Attempted(status=500)
TAKEN = Attempted(status=204)


@pytest.fixture(autouse=True)
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.webhooks.deliveries.random.uniform", lambda least, _most: least)


def make(store: Store, **more: Any) -> str:
    """An endpoint."""
    wanted = {"project": "default", "url": "https://app.example/", "events": ["batch.completed"], **more}
    webhook_id = create_endpoint(store.database, **wanted).id
    store.clock.advance(0.001)
    return webhook_id


def event_for(store: Store, webhook_id: str) -> str:
    """An event for it."""
    event_id = send_test(store.database, webhook_id)
    store.clock.advance(0.001)
    return event_id


def due(store: Store, per_endpoint: int = 4, full: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """What is due."""
    found = find_due(store.database, per_endpoint=per_endpoint, full_endpoints=full, full_projects=())
    return [(webhook_id, event_id) for webhook_id, event_id, _, _ in found]


def take_one(store: Store) -> Delivery:
    """Take the only one that is due."""
    [taken] = take(store.database, due(store))
    return taken


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
    store_outcome(store.database, dead, FAILED)
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
    failed, delivered, paused = (event_for(store, webhook_id) for _ in range(3))
    taken = take(store.database, due(store))
    assert [one.event_id for one in taken] == [failed, delivered, paused]
    store_outcome(store.database, taken[0], FAILED)
    store_outcome(store.database, taken[1], TAKEN)
    renew(store.database, taken[:2])
    with store.database.read() as connection:
        query = select(webhook_deliveries.c.due_at).order_by(webhook_deliveries.c.event_id)
        assert connection.scalars(query).all()[:2] == [store.clock.after(SCHEDULE[1]), None]
    change_endpoint(store.database, webhook_id, project="default", paused=True)
    renew(store.database, taken)
    with store.database.read() as connection:
        assert connection.scalars(query).all() == [None] * 3


def test_a_turn_to_write_that_comes_late_takes_nothing(store: Store) -> None:
    """Whoever had it meanwhile kept the owners from renewing, too."""
    event_for(store, make(store))
    found = due(store)
    with pytest.raises(LateTurnError):
        take(store.database, found, by=monotonic() - 1)
    assert len(take(store.database, found, by=monotonic() + 60)) == 1


def test_the_schedule_is_kept_and_then_it_is_given_up(store: Store) -> None:
    webhook_id = make(store)
    event_id = event_for(store, webhook_id)
    for number, seconds in enumerate(SCHEDULE):
        if seconds:
            store.clock.advance(seconds - 0.01)
            assert due(store) == [], number
            store.clock.advance(0.01)
        taken = take_one(store)
        assert taken.tries == number + 1
        if number < len(SCHEDULE) - 1:
            assert store_outcome(store.database, taken, FAILED) is None
    reason = store_outcome(store.database, taken, Attempted(error="no answer"))
    past = read_delivery(store.database, webhook_id, event_id)
    assert past is not None
    assert (past.status, past.tries, past.due_at, past.last_error) == ("failed", 7, None, "no answer")
    assert reason == "7 tries in a row have failed since 2026-01-01 12:00 UTC"
    endpoint = read_endpoint(store.database, webhook_id, project="default")
    assert endpoint is not None
    assert (endpoint.pause_reason, endpoint.paused_at) == (reason, store.clock.now)


def test_what_was_taken_is_delivered_once_and_for_all(store: Store) -> None:
    webhook_id = make(store)
    event_id = event_for(store, webhook_id)
    assert store_outcome(store.database, take_one(store), TAKEN) is None
    store.clock.advance(100_000)
    assert due(store) == []
    past = read_delivery(store.database, webhook_id, event_id)
    assert past is not None
    assert (past.status, past.tries, past.last_status) == ("delivered", 1, 204)


def test_a_receiver_that_is_gone_is_paused_at_once_and_delivered_to_when_it_is_resumed(store: Store) -> None:
    webhook_id = make(store)
    first = event_for(store, webhook_id)
    assert store_outcome(store.database, take_one(store), Attempted(status=410)) == "the receiver answered 410 Gone"
    second = event_for(store, webhook_id)
    store.clock.advance(100_000)
    assert due(store) == []
    endpoint = change_endpoint(store.database, webhook_id, project="default", paused=False)
    assert endpoint is not None
    assert (endpoint.paused_at, endpoint.pause_reason, endpoint.failures) == (None, None, 0)
    assert set(due(store)) == {(webhook_id, first), (webhook_id, second)}


def test_an_endpoint_that_takes_something_in_between_is_not_paused(store: Store) -> None:
    webhook_id = make(store)
    for _ in range(3):
        event_for(store, webhook_id)
    for got in (FAILED, FAILED, FAILED, TAKEN, FAILED, FAILED, FAILED):
        [taken, *_] = take(store.database, due(store)[:1])
        assert store_outcome(store.database, taken, got) is None
        store.clock.advance(90_000)
    endpoint = read_endpoint(store.database, webhook_id, project="default")
    assert endpoint is not None
    assert (endpoint.failures, endpoint.paused_at) == (3, None)


def test_what_happens_while_an_endpoint_is_paused_is_left_out_of_what_is_due(store: Store) -> None:
    webhook_id = make(store)
    change_endpoint(store.database, webhook_id, project="default", paused=True)
    event_id = event_for(store, webhook_id)
    assert due(store) == []
    clear_deliveries(store.database)
    with store.database.read() as connection:
        assert connection.scalars(select(webhook_deliveries.c.due_at)).all() == [None]
    change_endpoint(store.database, webhook_id, project="default", paused=False)
    assert due(store) == [(webhook_id, event_id)]


def test_an_endpoint_with_many_events_or_failures_leaves_room_for_others(store: Store) -> None:
    busy, failing, quiet = make(store), make(store), make(store)
    for _ in range(6):
        event_for(store, busy)
        event_for(store, failing)
    last = event_for(store, quiet)
    with store.database.write() as connection:
        connection.execute(update(webhooks).where(webhooks.c.id == failing).values(failures=1))
    found = due(store)
    assert {name: sum(one == name for one, _ in found) for name in (busy, failing, quiet)} == {
        busy: 4, failing: 1, quiet: 1,
    }  # fmt: skip
    assert due(store, full=(busy, failing)) == [(quiet, last)]


def test_a_look_reads_no_more_of_a_backlog_than_it_may_take(sqlite_database: Database) -> None:
    store = Store(sqlite_database)
    webhook_id = make(store)
    for _ in range(3):
        event_for(store, webhook_id)
    with plans_of(store.database) as plans:
        assert len(due(store, per_endpoint=2)) == 2
    assert len(plans) == 3  # whether there is something, for whom, and what
    for _, plan in plans:
        reads = [step for step in plan if "webhook_deliveries" in step]
        assert reads
        assert all("INDEX webhook_deliveries_due" in step for step in reads), plan
    assert any("webhook_deliveries_due_of (webhook_id=? AND due_at<?)" in step for step in reads)
    assert not any("TEMP B-TREE" in step for step in plan)


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


def test_a_replay_sends_an_event_again_under_its_id(store: Store) -> None:
    webhook_id = make(store)
    delivered, lost = event_for(store, webhook_id), event_for(store, webhook_id)
    for taken in take(store.database, due(store)):
        store_outcome(store.database, taken, TAKEN)
    with store.database.write() as connection:
        given_up = update(webhook_deliveries).where(webhook_deliveries.c.event_id == lost)
        connection.execute(given_up.values(given_up_at=store.clock.now, delivered_at=None, tries=7))
    assert replay(store.database, webhook_id) == 1
    assert due(store) == [(webhook_id, lost)]
    assert replay(store.database, webhook_id, delivered) == 1
    assert set(due(store)) == {(webhook_id, lost), (webhook_id, delivered)}
    assert {taken.tries for taken in take(store.database, due(store))} == {1}
    assert replay(store.database, webhook_id, "evt_none") == 0


def test_deliveries_are_listed_by_page_and_status(store: Store) -> None:
    webhook_id = make(store)
    ids = [event_for(store, webhook_id) for _ in range(3)]
    [taken, *_] = take(store.database, due(store)[:1])
    store_outcome(store.database, taken, TAKEN)
    page, more = list_deliveries(store.database, webhook_id, status=None, after=None, limit=2)
    assert ([one.event_id for one in page], more) == ([ids[2], ids[1]], True)
    rest, more = list_deliveries(store.database, webhook_id, status=None, after=ids[1], limit=2)
    assert ([one.event_id for one in rest], more) == ([ids[0]], False)
    [delivered], _ = list_deliveries(store.database, webhook_id, status="delivered", after=None, limit=2)
    assert delivered.event_id == taken.event_id
    assert list_deliveries(store.database, webhook_id, status="failed", after=None, limit=2) == ([], False)


def test_old_deliveries_and_those_of_no_endpoint_are_deleted(store: Store) -> None:
    old, gone = make(store), make(store)
    event_for(store, old)
    store.clock.now += timedelta(days=KEPT_DAYS)
    event_for(store, gone)
    fresh = event_for(store, old)
    delete_endpoint(store.database, gone, project="default")
    assert due(store)[-1] == (old, fresh)
    store.clock.advance(1)
    assert clear_deliveries(store.database) == 2
    assert clear_deliveries(store.database) == 0
    with store.database.read() as connection:
        assert connection.scalars(select(webhook_deliveries.c.event_id)).all() == [fresh]


def test_the_endpoint_of_a_batch_goes_long_after_its_batch(store: Store) -> None:
    batch_id, _ = store.submit_batch(1)
    webhook_id = make(store)
    with store.database.write() as connection:
        connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(batch_id=batch_id))
    store.clock.now += timedelta(days=60)
    clear_deliveries(store.database)
    count = select(func.count()).select_from(webhooks)
    with store.database.read() as connection:
        assert connection.scalar(count) == 1, "the batch still runs"
    cancel_batch(store.database, batch_id)
    store.clock.now += timedelta(days=31)
    clear_deliveries(store.database)
    with store.database.read() as connection:
        assert connection.scalar(count) == 0
