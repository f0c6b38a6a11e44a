"""What becomes of deliveries: tried by the schedule, given up, paused, sent again, listed and deleted."""

from datetime import timedelta

from sqlalchemy import func, select, update

from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.tables import webhook_deliveries, webhooks
from jobs.webhooks.deliveries import SCHEDULE, Outcome, take
from jobs.webhooks.endpoints import change_endpoint, delete_endpoint, read_endpoint
from jobs.webhooks.past import KEPT_DAYS, clear_deliveries, list_deliveries, read_delivery, replay
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import FAILED, TAKEN, due, event_for, make, store_outcome, take_one, without_jitter

__all__ = ["store", "without_jitter"]  # fixtures


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
            assert store_outcome(store, taken, FAILED) is None
    reason = store_outcome(store, taken, Outcome(error="no answer"))
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
    assert store_outcome(store, take_one(store), TAKEN) is None
    store.clock.advance(100_000)
    assert due(store) == []
    past = read_delivery(store.database, webhook_id, event_id)
    assert past is not None
    assert (past.status, past.tries, past.last_status) == ("delivered", 1, 204)


def test_a_receiver_that_is_gone_is_paused_at_once_and_delivered_to_when_it_is_resumed(store: Store) -> None:
    webhook_id = make(store)
    first = event_for(store, webhook_id)
    assert store_outcome(store, take_one(store), Outcome(status=410)) == "the receiver answered 410 Gone"
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
        assert store_outcome(store, taken, got) is None
        store.clock.advance(90_000)
    endpoint = read_endpoint(store.database, webhook_id, project="default")
    assert endpoint is not None
    assert (endpoint.failures, endpoint.paused_at) == (3, None)


def test_what_happens_while_an_endpoint_is_paused_is_due_when_it_is_resumed(store: Store) -> None:
    webhook_id = make(store)
    change_endpoint(store.database, webhook_id, project="default", paused=True)
    event_id = event_for(store, webhook_id)
    assert due(store) == []
    clear_deliveries(store.database)
    change_endpoint(store.database, webhook_id, project="default", paused=False)
    assert due(store) == [(webhook_id, event_id)]


def test_a_replay_sends_an_event_again_under_its_id(store: Store) -> None:
    webhook_id = make(store)
    delivered, lost = event_for(store, webhook_id), event_for(store, webhook_id)
    for taken in take(store.database, due(store)):
        store_outcome(store, taken, TAKEN)
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
    store_outcome(store, taken, TAKEN)
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
