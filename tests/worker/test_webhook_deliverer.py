"""The deliverer of a worker process: sends what is due, and lets no receiver delay another one."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from jobs.store.database import Database
from jobs.tables import webhook_deliveries
from jobs.webhooks import deliveries
from jobs.webhooks.deliveries import Delivery, LateTurnError
from jobs.webhooks.endpoints import WebhookEndpoint, create_endpoint, rotate_secret
from jobs.webhooks.past import PastDelivery, read_delivery, send_test
from jobs.webhooks.waiting import TAKEN_SECONDS
from tests.api.watching import wait_until
from tests.worker.delivering import due_in
from tests.worker.receiving import LOOPBACK, TAKEN, Receiver, receiving
from worker.webhooks.deliverer import LOOK_SECONDS, SHORTEST_ROUND_SECONDS, Deliverer
from worker.webhooks.delivery_turns import PER_ENDPOINT
from worker.webhooks.sender import Sender


@contextmanager
def delivering(database: Database) -> Iterator[Deliverer]:
    """A deliverer that runs."""
    deliverer = Deliverer(database, Sender(LOOPBACK))
    deliverer.start()
    try:
        yield deliverer
    finally:
        deliverer.stop()


def endpoint_at(database: Database, receiver: Receiver, project: str = "default") -> WebhookEndpoint:
    """An endpoint there."""
    return create_endpoint(database, project=project, url=receiver.url, events=["batch.completed"])


def past_of(database: Database, endpoint: WebhookEndpoint, event_id: str) -> PastDelivery:
    """What became of an event."""
    found = read_delivery(database, endpoint.id, event_id)
    assert found is not None
    return found


def test_an_event_is_sent_signed_and_only_once(database: Database) -> None:
    with receiving() as receiver, delivering(database) as deliverer:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        deliverer.wake()
        [request] = receiver.wait_for(1)
        wait_until(lambda: past_of(database, endpoint, event_id).status == "delivered")
        second = send_test(database, endpoint.id)
        deliverer.wake()
        receiver.wait_for(2)
    event = Webhook(endpoint.secret).verify(request.body, request.headers)
    assert (event["id"], request.headers["webhook-id"]) == (event_id, event_id)
    assert [one.headers["webhook-id"] for one in receiver.received] == [event_id, second]


def test_an_event_is_signed_with_the_time_of_the_machine_although_the_clock_of_the_database_is_ahead(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's clock never steps back, and a receiver takes no event from the future."""
    ahead = sqlite_database.now() + timedelta(hours=1)
    monkeypatch.setattr(sqlite_database, "now", lambda: ahead)
    with receiving() as receiver:
        endpoint = endpoint_at(sqlite_database, receiver)
        send_test(sqlite_database, endpoint.id)
        with delivering(sqlite_database):
            [request] = receiver.wait_for(1)
    assert Webhook(endpoint.secret).verify(request.body, request.headers)["type"] == "webhook.test"


def test_both_secrets_of_a_rotation_verify_what_is_sent(database: Database) -> None:
    with receiving() as receiver:
        old = endpoint_at(database, receiver)
        new = rotate_secret(database, old.id, project="default")
        assert new is not None
        send_test(database, old.id)
        with delivering(database):
            [request] = receiver.wait_for(1)
    for secret in (old.secret, new.secret):
        assert Webhook(secret).verify(request.body, request.headers)["type"] == "webhook.test"


def test_a_receiver_that_hangs_delays_nobody_else(database: Database) -> None:
    """Ten endpoints of two projects hang with all their events; the one that answers gets its own meanwhile."""
    with receiving(None) as hanging, receiving() as well, delivering(database) as deliverer:
        for number in range(10):
            endpoint = endpoint_at(database, hanging, f"p{number % 2}")
            for _ in range(PER_ENDPOINT + 2):
                send_test(database, endpoint.id)
        deliverer.wake()
        hanging.wait_for(20)
        good = endpoint_at(database, well)
        event_id = send_test(database, good.id)
        deliverer.wake()
        well.wait_for(1)
        wait_until(lambda: past_of(database, good, event_id).status == "delivered")
        assert not hanging.freed.is_set()
        assert len(hanging.received) <= 32, "16 at once for each project"
        statuses = select(webhook_deliveries.c.last_status, webhook_deliveries.c.last_error)
        with database.read() as connection:
            assert connection.execute(statuses.where(webhook_deliveries.c.webhook_id != good.id)).all() == [
                (None, None)
            ] * (10 * (PER_ENDPOINT + 2)), "the others still hang"


def test_a_receiver_that_is_slow_is_sent_an_event_once_although_others_look_for_what_is_due(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a delivery is taken for, without a renewal."""
    monkeypatch.setattr(deliveries, "TAKEN_SECONDS", 6.0)
    with receiving(None) as receiver, delivering(database) as deliverer:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        deliverer.wake()
        receiver.wait_for(1)
        with delivering(database):
            wait_until(lambda: len(receiver.received) > 1 or kept_seconds(past_of(database, endpoint, event_id)) > 12.5)
        assert (len(receiver.received), past_of(database, endpoint, event_id).tries) == (1, 1)


def kept_seconds(past: PastDelivery) -> float:
    """For how long a delivery that was begun is to be left to its process, from its beginning."""
    assert past.due_at is not None
    assert past.tried_at is not None
    return (past.due_at - past.tried_at).total_seconds()


def test_an_event_whose_process_died_while_it_sent_comes_from_another_one_within_two_seconds(
    database: Database,
) -> None:
    assert TAKEN_SECONDS + LOOK_SECONDS + SHORTEST_ROUND_SECONDS < 2, "by this every process goes"
    assert 3 * deliveries.RENEW_SECONDS < TAKEN_SECONDS, "one that lives may be late"
    with receiving() as receiver:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        [dead] = deliveries.take(database, due_in(database))
        assert kept_seconds(past_of(database, endpoint, event_id)) == TAKEN_SECONDS
        with delivering(database):
            [request] = receiver.wait_for(1)
    assert request.headers["webhook-id"] == dead.event_id == event_id


def test_a_database_that_is_slow_all_the_time_delays_an_event_and_does_not_stop_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks due may be another's that could not renew, so a process gives way; once."""
    late: list[LateTurnError] = []

    def note_late(*given: Any, **more: Any) -> list[Delivery]:
        try:
            return deliveries.take(*given, **more)
        except LateTurnError as error:
            late.append(error)
            raise

    monkeypatch.setattr("worker.webhooks.deliverer.RENEW_SECONDS", 0.0)  # every answer is late
    monkeypatch.setattr("worker.webhooks.deliverer.take", note_late)
    with receiving() as receiver:
        endpoint = endpoint_at(database, receiver)
        for _ in range(2 * PER_ENDPOINT + 1):
            send_test(database, endpoint.id)
        with delivering(database):
            receiver.wait_for(2 * PER_ENDPOINT + 1)
    assert len(late) == 1


def test_a_process_never_takes_over_its_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not renew: the database was away, for instance."""
    monkeypatch.setattr(deliveries, "TAKEN_SECONDS", 0.0)
    monkeypatch.setattr("worker.webhooks.deliverer.renew", lambda *_: None)
    with receiving(None) as hanging, receiving() as well, delivering(database) as deliverer:
        send_test(database, endpoint_at(database, hanging).id)
        deliverer.wake()
        hanging.wait_for(1)
        for number in range(3):  # it has looked again before each of them is sent
            send_test(database, endpoint_at(database, well, f"p{number}").id)
            deliverer.wake()
            well.wait_for(number + 1)
        assert len(hanging.received) == 1


def test_a_worker_that_ends_gives_back_what_hangs_and_another_sends_it_under_the_same_id(database: Database) -> None:
    with receiving(None, TAKEN) as receiver:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        with delivering(database):
            receiver.wait_for(1)
        assert past_of(database, endpoint, event_id).tries == 0
        with delivering(database):
            requests = receiver.wait_for(2)
    assert {request.headers["webhook-id"] for request in requests} == {event_id}
    assert len({request.body for request in requests}) == 1


def test_a_failure_is_tried_again_by_the_schedule_and_nothing_secret_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with receiving(b"HTTP/1.1 500 No\r\n\r\n", TAKEN) as receiver, delivering(database) as deliverer:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        deliverer.wake()
        wait_until(lambda: past_of(database, endpoint, event_id).last_status == 500)
        past = past_of(database, endpoint, event_id)
        assert past.due_at is not None
        assert past.tried_at is not None
        assert (past.due_at - past.tried_at).total_seconds() > 4
        receiver.wait_for(2)
        wait_until(lambda: past_of(database, endpoint, event_id).status == "delivered")
    said = "\n".join(json.dumps(record.__dict__, default=repr) for record in caplog.records)
    assert event_id in said
    for secret in (endpoint.secret, endpoint.secret.removeprefix("whsec_"), receiver.url):
        assert secret not in said
