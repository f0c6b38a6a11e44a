"""What was delivered and what was not: read, sent again, and deleted after some days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, select, true

from jobs.store.database import Database
from jobs.store.pages import in_portions, read_page
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.webhooks.endpoints import delete_batch_endpoints
from jobs.webhooks.events import MOST_DELIVERIES, add_test_event
from jobs.webhooks.keys import BY_KEY, as_given
from jobs.webhooks.waiting import change_in_rounds, change_some, endpoints_with_due, give_up_oldest

KEPT_DAYS = 7
"""How long deliveries can be looked at and sent again; longer than the last try takes."""

_KEY = (deliveries.c.webhook_id, deliveries.c.event_id)


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """A delivery as it stands."""

    webhook_id: str
    event_id: str
    type: str
    created_at: datetime
    due_at: datetime | None
    tries: int
    tried_at: datetime | None
    delivered_at: datetime | None
    given_up_at: datetime | None
    last_status: int | None
    last_error: str | None

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        return cls(**{name: row[name] for name in cls.__slots__})

    @property
    def status(self) -> str:
        """`delivered`, `failed`, or `pending`."""
        if self.delivered_at is not None:
            return "delivered"
        return "failed" if self.given_up_at is not None else "pending"


def list_deliveries(
    database: Database, webhook_id: str, *, status: str | None, after: str | None, limit: int
) -> tuple[list[PastDelivery], bool]:
    """A page of an endpoint's deliveries, the newest first, after the event with id `after`; whether there are more."""
    query = select(deliveries).where(deliveries.c.webhook_id == webhook_id, *_in_status(status))
    with database.read() as connection:
        rows, has_more = read_page(connection, query, deliveries.c.event_id, after, limit)
    return [PastDelivery.from_row(row) for row in rows], has_more


def read_delivery(database: Database, webhook_id: str, event_id: str) -> PastDelivery | None:
    """One delivery; the caller has found the endpoint by its project."""
    wanted = select(deliveries).where(deliveries.c.webhook_id == webhook_id, deliveries.c.event_id == event_id)
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    return PastDelivery.from_row(row) if row else None


def replay(database: Database, webhook_id: str, event_id: str | None = None) -> int:
    """Send an event again, whatever became of it; or else all that were given up. With their old ids, by the whole
    schedule. How many there are. Whoever ends in between leaves the rest given up, to be replayed by the next call.
    """
    # A try that is under way now counts as one of the new ones.
    again = {"due_at": database.now(), "tries": 0, "delivered_at": None, "given_up_at": None}
    if event_id is not None:
        return change_some(database, webhook_id, [event_id], true(), again) or 0
    return change_in_rounds(database, webhook_id, deliveries.c.given_up_at.is_not(None), again)


def send_test(database: Database, webhook_id: str) -> str:
    """Send an endpoint an event that says nothing. Returns the event's id."""
    with database.write() as connection:
        return add_test_event(connection, database.now(), webhook_id)


def clear_deliveries(database: Database) -> int:
    """Delete some of what is old or has no endpoint any more, and give up some of what waits beyond the bound. Returns
    how many rows there were; call it again for the rest.
    """
    before = database.now() - timedelta(days=KEPT_DAYS)
    old = select(*_KEY).where(deliveries.c.created_at < before)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        gone = [*_some(connection, old), *_some(connection, _orphans(connection))]
    for some in in_portions(gone, MOST_DELIVERIES):
        with database.write() as connection:
            connection.execute(delete(deliveries).where(BY_KEY), as_given(some))
    return len(gone) + give_up_oldest(database) + delete_batch_endpoints(database)


def _orphans(connection: Connection) -> Select[tuple[str, str]]:
    """What is still to be sent to endpoints that were removed."""
    with_due = endpoints_with_due()
    is_there = select(webhooks.c.id).where(webhooks.c.id == with_due.c.webhook_id).exists()
    removed = select(with_due.c.webhook_id).where(with_due.c.webhook_id.is_not(None), ~is_there)
    ids = connection.scalars(removed.limit(MOST_DELIVERIES)).all()
    return select(*_KEY).where(deliveries.c.webhook_id.in_(ids), deliveries.c.due_at.is_not(None))


def _some(connection: Connection, which: Select[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    return [(row.webhook_id, row.event_id) for row in connection.execute(which.limit(MOST_DELIVERIES))]


def _in_status(status: str | None) -> tuple[ColumnElement[bool], ...]:
    if status == "delivered":
        return (deliveries.c.delivered_at.is_not(None),)
    if status == "failed":
        return (deliveries.c.given_up_at.is_not(None),)
    if status == "pending":
        return (deliveries.c.delivered_at.is_(None), deliveries.c.given_up_at.is_(None))
    return ()
