"""How the deliverer goes over more endpoints than one look does."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from jobs.store.database import Database
from jobs.tables import webhook_deliveries
from jobs.webhooks import due
from jobs.webhooks.deliveries import Delivery, store_outcomes
from jobs.webhooks.due import has_due
from jobs.webhooks.past import send_test
from tests.api.watching import PATIENCE_SECONDS, wait_until
from tests.worker.receiving import TAKEN, receiving
from tests.worker.test_webhook_deliverer import delivering, endpoint_at
from worker.webhooks import deliverer, delivery_turns, outcomes
from worker.webhooks.delivery_turns import DeliveryTurns

CHOOSE = DeliveryTurns.choose
DAY_SECONDS = 86_400.0


@pytest.fixture(autouse=True)
def one_endpoint_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "MOST_LOOKED_AT", 1)


class Looks:
    """How many looks the loop has asked for, and how many have begun."""

    def __init__(self) -> None:
        self.asked = self.begun = 0

    def watch(self, choosing: DeliveryTurns) -> Any:
        """Stands for `DeliveryTurns.choose`. Its answer comes when the loop has nothing else to do."""
        self.asked += 1
        return partial(self._choose, choosing, asyncio.get_running_loop())

    def _choose(self, choosing: DeliveryTurns, loop: asyncio.AbstractEventLoop, *given: Collection[Delivery]) -> Any:
        self.begun += 1
        found = CHOOSE(choosing, *given)
        for _ in range(9):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(PATIENCE_SECONDS)
        return found


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    made = Looks()
    monkeypatch.setattr(DeliveryTurns, "choose", property(made.watch))
    return made


def test_looks_that_find_nothing_do_not_follow_one_another_at_once(
    database: Database, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retries of thousands of endpoints may be hours ahead, for a day."""
    asked: list[int] = []

    def note_asked(_database: Database) -> bool:
        asked.append(looks.begun)
        return True

    monkeypatch.setattr(deliverer, "has_due", note_asked)
    monkeypatch.setattr(deliverer, "LOOK_SECONDS", 0.0)
    with receiving() as receiver:
        for number in range(5):
            send_test(database, endpoint_at(database, receiver, f"p{number}").id)
        with database.write() as connection:
            later = database.now() + timedelta(hours=1)
            connection.execute(update(webhook_deliveries).values(due_at=later))
        with delivering(database):
            wait_until(lambda: len(asked) >= 3)
    assert asked[:3] == [1, 2, 3], "it rests after each"
    assert receiver.received == []


def test_a_look_that_finds_something_is_followed_by_the_next_one_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "LOOK_SECONDS", DAY_SECONDS)
    with receiving(None) as hanging:
        for number in range(3):
            send_test(database, endpoint_at(database, hanging, f"p{number}").id)
        with delivering(database):
            hanging.wait_for(3)


def test_a_try_that_ends_during_a_look_makes_room_for_the_next_event_at_once(
    database: Database, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look knows the endpoint as full, and when it comes back nothing is being sent any more."""
    rested: list[int] = []

    def store_during_look(*given: Any) -> dict[str, str]:
        paused = store_outcomes(*given)
        wait_until(lambda: looks.asked > looks.begun)
        return paused

    def note_rested(asked: Database) -> bool:
        rested.append(len(receiver.received))
        return has_due(asked)

    monkeypatch.setattr(outcomes, "store_outcomes", store_during_look)
    monkeypatch.setattr(deliverer, "has_due", note_rested)
    monkeypatch.setattr(deliverer, "RENEW_SECONDS", PATIENCE_SECONDS)  # a slow machine is no reason to give way
    monkeypatch.setattr(delivery_turns, "PER_ENDPOINT", 1)
    with receiving(b"HTTP/1.1 500 No\r\n\r\n", TAKEN) as receiver:
        endpoint = endpoint_at(database, receiver)
        for _ in range(2):
            send_test(database, endpoint.id)
        with delivering(database):
            receiver.wait_for(2)
            wait_until(lambda: bool(rested))
    assert rested[0] == 2, "it waited although there was something to send"
