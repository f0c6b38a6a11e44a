"""What is due: whether anything is, for which endpoints, and what is first for each. Nothing is taken here."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Select, and_, bindparam, or_, select

from jobs.store.database import Database
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.webhooks.waiting import endpoints_with_due

MOST_LOOKED_AT = 2_000
"""So many endpoints one look goes over; the next one goes on behind them. A look at 50,000 took PostgreSQL a second."""


class DueEndpoint(NamedTuple):
    """An endpoint that is not paused and has something due, and whether its last try failed."""

    id: str
    project: str
    fails: bool


def has_due(database: Database) -> bool:
    """Whether anything is due, also for a paused endpoint. Raises what the driver raises.

    Nearly always nothing is, and an idle process asks twice a second. So it asks in the driver's own words: by way of
    SQLAlchemy it takes three times as long.
    """
    asked = f"SELECT 1 FROM webhook_deliveries WHERE due_at <= {'?' if database.is_sqlite else '%s'} LIMIT 1"  # noqa: S608
    given = _as_bound(database.engine.dialect)(database.now())
    with closing(database.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(asked, (given,))
        return cursor.fetchone() is not None


@cache
def _as_bound(dialect: Dialect) -> Callable[[datetime], Any]:
    """How a time is given to the driver."""
    return deliveries.c.due_at.type.dialect_impl(dialect).bind_processor(dialect) or (lambda time: time)


class DueEndpoints:
    """Looks for the endpoints that have something due, in the order of their ids, and begins anew after the last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = ""

    @property
    def has_more(self) -> bool:
        """Whether the last look ended before the last endpoint."""
        return bool(self._after)

    def look(self) -> list[DueEndpoint]:
        """Those of one look, of whatever project, the longest-waiting first."""
        given = {"after": self._after, "now": self._database.now()}
        with self._database.read() as connection:
            rows = connection.execute(_endpoints(MOST_LOOKED_AT), given).all()
        self._after = next((name or "" for name, number, *_ in rows if number == MOST_LOOKED_AT), "")
        return [DueEndpoint(name, project, failures > 0) for name, _, project, failures in rows if project]


def first_due(database: Database, most: Mapping[str, int]) -> dict[str, Sequence[str]]:
    """The events that are due first for each of these endpoints, at most so many of each."""
    now = database.now()
    with database.read() as connection:
        return {
            webhook_id: list(connection.scalars(_events(), {"of": webhook_id, "now": now, "most": count}))
            for webhook_id, count in most.items()
        }


@cache
def _endpoints(most: int) -> Select[Any]:
    """By the index of an endpoint's own: one that is away or paused may have a hundred thousand due, and they cost
    nothing here.
    """
    with_due = endpoints_with_due(most)
    is_due = and_(webhooks.c.paused_at.is_(None), with_due.c.due_at <= bindparam("now"))
    return (
        select(with_due.c.webhook_id, with_due.c.number, webhooks.c.project, webhooks.c.failures)
        .join(webhooks, and_(webhooks.c.id == with_due.c.webhook_id, is_due), isouter=True)
        .where(or_(webhooks.c.id.is_not(None), with_due.c.number == most))
        .order_by(with_due.c.due_at)
    )


@cache
def _events() -> Select[tuple[str]]:
    return (
        select(deliveries.c.event_id)
        .where(deliveries.c.webhook_id == bindparam("of"), deliveries.c.due_at <= bindparam("now"))
        .order_by(deliveries.c.due_at, deliveries.c.event_id)
        .limit(bindparam("most"))
    )
