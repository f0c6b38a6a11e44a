"""Endpoints and events of webhooks, and what of them is due."""

from typing import Any

import pytest

from jobs.store.database import Database
from jobs.webhooks.deliveries import Delivery, Outcome, store_outcomes, take
from jobs.webhooks.due import DueEndpoints, first_due
from jobs.webhooks.endpoints import create_endpoint
from jobs.webhooks.past import send_test
from tests.store.store_fixtures import Store

FAILED = Outcome(status=500)
TAKEN = Outcome(status=204)


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


def due(store: Store, per_endpoint: int = 4) -> list[tuple[str, str]]:
    """What is due, of the longest-waiting endpoints first."""
    return due_in(store.database, per_endpoint)


def due_in(database: Database, per_endpoint: int = 4) -> list[tuple[str, str]]:
    """The same of a database."""
    most = {endpoint.id: per_endpoint for endpoint in DueEndpoints(database).look()}
    found = first_due(database, most)
    return [(webhook_id, event_id) for webhook_id in most for event_id in found[webhook_id]]


def take_one(store: Store) -> Delivery:
    """Take the only one that is due."""
    [taken] = take(store.database, due(store))
    return taken


def store_outcome(store: Store, delivery: Delivery, got: Outcome) -> str | None:
    """Store what one try got. Why the endpoint was paused for it, if it was."""
    return store_outcomes(store.database, [(delivery, got)]).get(delivery.webhook_id)
