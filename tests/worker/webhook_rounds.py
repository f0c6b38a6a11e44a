"""How many deliveries a transaction changes, and a process that ends between two of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update

from jobs.lifecycle import erase
from jobs.tables import webhook_deliveries
from jobs.webhooks import past, waiting
from jobs.webhooks.endpoints import change_endpoint
from tests.store.store_fixtures import Store
from tests.worker.delivering import event_for, make


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture(autouse=True)
def two_in_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (waiting, past, erase):
        monkeypatch.setattr(module, "MOST_DELIVERIES", 2)


@contextmanager
def changed(store: Store) -> Iterator[list[int]]:
    """How many deliveries each transaction writes meanwhile, of those that write any."""
    found: list[int] = []
    of_this = [0]

    def note(_connection: Any, cursor: Any, statement: str, given: Any, _context: Any, is_many: bool) -> None:
        verb, *_ = statement.partition("webhook_deliveries")
        if verb in ("INSERT INTO ", "UPDATE ", "DELETE FROM "):
            of_this[0] += len(given) if is_many else cursor.rowcount

    def end(_connection: Connection) -> None:
        if of_this[0]:
            found.append(of_this[0])
        of_this[0] = 0

    event.listen(store.database.engine, "after_cursor_execute", note)
    event.listen(store.database.engine, "commit", end)
    yield found
    event.remove(store.database.engine, "after_cursor_execute", note)
    event.remove(store.database.engine, "commit", end)


@contextmanager
def killed_before_second(store: Store, statement: str) -> Iterator[None]:
    """The process ends when it is about to carry out the second statement that begins so."""
    seen = count()

    def die(_connection: Any, _cursor: Any, asked: str, *_: Any) -> None:
        if asked.startswith(statement) and next(seen) == 1:
            raise KilledError

    event.listen(store.database.engine, "before_cursor_execute", die)
    with pytest.raises(KilledError):
        yield
    event.remove(store.database.engine, "before_cursor_execute", die)


def pause(store: Store, webhook_id: str) -> None:
    assert change_endpoint(store.database, webhook_id, project="default", paused=True)


def resume(store: Store, webhook_id: str) -> None:
    assert change_endpoint(store.database, webhook_id, project="default", paused=False)


def set_all(store: Store, **values: Any) -> None:
    with store.database.write() as connection:
        connection.execute(update(webhook_deliveries).values(values))


def due_times(store: Store) -> list[datetime | None]:
    with store.database.read() as connection:
        wanted = select(webhook_deliveries.c.due_at).order_by(webhook_deliveries.c.event_id)
        return list(connection.scalars(wanted))


def waiting_events(store: Store, number: int = 5) -> tuple[str, list[tuple[str, str]]]:
    """An endpoint and its deliveries, each of which is due."""
    webhook_id = make(store)
    return webhook_id, [(webhook_id, event_for(store, webhook_id)) for _ in range(number)]
