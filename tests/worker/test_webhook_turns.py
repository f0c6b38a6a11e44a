"""Which of what is due is tried next: no endpoint and no project keeps others waiting."""

from collections import Counter
from collections.abc import Collection

import pytest
from sqlalchemy import update

from jobs.tables import webhook_deliveries, webhooks
from jobs.webhooks import due as looks
from jobs.webhooks.deliveries import Delivery, take
from jobs.webhooks.due import DueEndpoints, has_due
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import event_for, make
from worker.webhooks import delivery_turns
from worker.webhooks.delivery_turns import PER_ENDPOINT, PER_PROJECT, DeliveryTurns

__all__ = ["store"]  # fixtures


def waiting(store: Store, project: str, endpoints: int, events: int = 1) -> list[str]:
    """Endpoints of a project, as many as single batches may have, each with events that are due."""
    made = []
    for number in range(endpoints):
        webhook_id = make(store, project=f"{project} {number}")  # a project may make twenty
        with store.database.write() as connection:
            connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(project=project))
        made.append(webhook_id)
        for _ in range(events):
            event_for(store, webhook_id)
    return made


def chosen(of: DeliveryTurns, sending: Collection[Delivery] = ()) -> Counter[str]:
    """How many tries each endpoint may begin."""
    return Counter(webhook_id for webhook_id, _ in of.choose(sending))


def test_many_endpoints_of_one_project_that_wait_longer_leave_another_project_its_turn(store: Store) -> None:
    many = waiting(store, "many", 40, 2)
    [one] = waiting(store, "one", 1)
    found = chosen(DeliveryTurns(store.database))
    assert found == {**dict.fromkeys(many[:PER_PROJECT], 1), one: 1}, "the longest-waiting of each, and all once"


def test_projects_have_turns_where_there_is_room_for_few(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_turns, "AT_ONCE", 2)
    many, other, one = (waiting(store, project, count, 9)[0] for project, count in (("a", 5), ("b", 5), ("c", 1)))
    turns = DeliveryTurns(store.database)
    assert chosen(turns) == {many: 1, other: 1}
    assert one in chosen(turns)
    found = [chosen(turns)[one] for _ in range(9)]
    assert sum(found) == 6, found


def test_a_project_that_had_one_try_beside_four_is_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(store, "a", 1, 4)
    [one] = waiting(store, "b", 1)
    turns = DeliveryTurns(store.database)
    assert chosen(turns).total() == 5
    monkeypatch.setattr(delivery_turns, "AT_ONCE", 1)
    assert chosen(turns) == {one: 1}


def test_an_endpoint_with_many_events_or_failures_leaves_room_for_others(store: Store) -> None:
    busy, failing = waiting(store, "default", 2, 6)
    [quiet] = waiting(store, "default", 1)
    with store.database.write() as connection:
        connection.execute(update(webhooks).where(webhooks.c.id == failing).values(failures=1))
    turns = DeliveryTurns(store.database)
    assert chosen(turns) == {busy: PER_ENDPOINT, failing: 1, quiet: 1}
    sending = take(store.database, turns.choose([]))
    assert chosen(turns, sending) == {}


def test_what_is_being_sent_counts_for_its_project(store: Store) -> None:
    waiting(store, "many", PER_PROJECT + 3, 2)
    turns = DeliveryTurns(store.database)
    sending = take(store.database, turns.choose([]))
    assert len(sending) == PER_PROJECT
    assert chosen(turns, sending) == {}
    assert chosen(turns, sending[2:]).total() == 2


def test_what_is_delivered_and_only_to_be_stored_leaves_others_of_its_endpoint_room(store: Store) -> None:
    """On a busy database to store it takes longer than to send it."""
    waiting(store, "default", 1, 3 * PER_ENDPOINT)
    turns = DeliveryTurns(store.database)
    delivered = take(store.database, turns.choose([]))
    store.clock.advance(9)  # they look due: they could not be renewed
    following = turns.choose([], delivered)
    assert len(following) == PER_ENDPOINT
    assert not {event_id for _, event_id in following} & {one.event_id for one in delivered}
    assert chosen(turns, delivered) == {}, "while they are being sent"


def test_what_is_being_sent_and_looks_due_is_not_chosen_again(store: Store) -> None:
    """It could not be renewed."""
    [webhook_id] = waiting(store, "default", 1, 3)
    turns = DeliveryTurns(store.database)
    first, *others = turns.choose([])
    sending = take(store.database, [first])
    store.clock.advance(9)
    assert turns.choose(sending) == others
    assert {name for name, _ in others} == {webhook_id}


def test_whether_anything_is_due_is_told_to_the_microsecond(store: Store) -> None:
    """By the driver's own words, with the time as each database keeps it."""
    assert not has_due(store.database)
    [webhook_id] = waiting(store, "default", 1)
    with store.database.write() as connection:
        connection.execute(update(webhook_deliveries).values(due_at=store.clock.after(0.000001)))
    assert not has_due(store.database)
    store.clock.advance(0.000001)
    assert has_due(store.database)
    take(store.database, [(webhook_id, event_id) for _, event_id in DeliveryTurns(store.database).choose([])])
    assert not has_due(store.database)


def test_a_look_goes_over_so_many_endpoints_and_the_next_one_goes_on_behind_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "MOST_LOOKED_AT", 2)
    made = waiting(store, "many", 4) + waiting(store, "one", 1)
    with store.database.write() as connection:  # where a look ends
        connection.execute(update(webhooks).where(webhooks.c.id == made[3]).values(paused_at=store.clock.now))
    endpoints = DueEndpoints(store.database)
    seen = [([endpoint.id for endpoint in endpoints.look()], endpoints.has_more) for _ in range(4)]
    assert seen == [(made[:2], True), (made[2:3], True), (made[4:], False), (made[:2], True)]
