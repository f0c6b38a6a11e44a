"""What waits to be sent: for which endpoints, how much of it there may be, and how all of it is changed.

A paused endpoint leaves its deliveries as they are: what is due is looked for by endpoint, so those of one that is
paused cost one step, however many they are. Versions before this took them out of what is due (`due_at` is null), and
may still do so while their workers end; a resume puts them back.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, or_, select, update
from sqlalchemy.sql.selectable import ScalarSelect

from jobs.store.database import Database
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.webhooks.events import MOST_DELIVERIES

MOST_WAITING = 1_000_000
"""So many deliveries may wait for one endpoint; beyond that the oldest are given up. A batch has up to 50,000 jobs."""

TAKEN_SECONDS = 1.2
"""For how long a delivery is taken. When a process dies, another one sends its events within 2 s."""


def endpoints_with_due() -> CTE:
    """Each `webhook_id` for which something is to be sent now or later; the last row is null.

    Found by one step in the index for each, not by a look at all that waits.
    """
    first = select(_next_endpoint().label("webhook_id")).cte("with_due", recursive=True)
    following = select(_next_endpoint(first.c.webhook_id)).select_from(first).where(first.c.webhook_id.is_not(None))
    return first.union_all(following)


def _next_endpoint(after: ColumnElement[str] | None = None) -> ScalarSelect[str]:
    one = deliveries.alias()
    found = select(one.c.webhook_id).where(one.c.due_at.is_not(None))
    if after is not None:
        found = found.where(one.c.webhook_id > after)
    # The order of `webhook_deliveries_due_of`: the primary key would lead by all that was delivered.
    return found.order_by(one.c.webhook_id, one.c.due_at, one.c.event_id).limit(1).scalar_subquery()


def change_in_rounds(
    database: Database,
    webhook_id: str,
    which: ColumnElement[bool],
    values: dict[str, Any],
    *,
    only_while: ColumnElement[bool] | None = None,
) -> int:
    """Change those deliveries of an endpoint, in the order of their events and in rounds between which others write;
    `only_while` is asked of the endpoint in each round. Returns how many there were.

    Whoever ends in between leaves the rest as it was, to be changed by the next call.
    """
    own, after, count = deliveries.c.webhook_id == webhook_id, "", 0
    wanted = select(deliveries.c.event_id).where(own, which).order_by(deliveries.c.event_id)
    while True:
        with database.read() as connection:
            more = wanted.where(deliveries.c.event_id > after).limit(MOST_DELIVERIES)
            found = connection.scalars(more).all()
        if not found:
            return count
        with database.write() as connection:
            # The endpoint before its deliveries, and these by id: so does everybody who locks many.
            if only_while is not None:
                endpoint = select(webhooks.c.id).where(webhooks.c.id == webhook_id, only_while)
                if connection.scalar(endpoint.with_for_update()) is None:
                    return count
            still = connection.scalars(wanted.where(deliveries.c.event_id.in_(found)).with_for_update()).all()
            if still:
                connection.execute(update(deliveries).where(own, deliveries.c.event_id.in_(still)).values(values))
        after, count = found[-1], count + len(still)


def bring_forward(database: Database, webhook_id: str) -> None:
    """Make all due that is undelivered, also what was to be tried later; while the endpoint is paused, so nothing is
    sent before the last of it. In the order in which it happened.
    """
    # What is taken now, a little later than now, is being sent.
    later = deliveries.c.due_at > database.now() + timedelta(seconds=TAKEN_SECONDS)
    which = and_(_UNDELIVERED, or_(deliveries.c.due_at.is_(None), later))
    change_in_rounds(database, webhook_id, which, _AT_ITS_TIME, only_while=webhooks.c.paused_at.is_not(None))


def put_back(database: Database, webhook_id: str) -> None:
    """Make due what a worker of an earlier version has taken out since `bring_forward` looked."""
    change_in_rounds(database, webhook_id, and_(_UNDELIVERED, deliveries.c.due_at.is_(None)), _AT_ITS_TIME)


def give_up_oldest(database: Database) -> int:
    """Give up some of what waits for endpoints beyond `MOST_WAITING`. Returns how many; call it again for the rest."""
    with_due = endpoints_with_due()
    with database.read() as connection:
        ids = connection.scalars(select(with_due.c.webhook_id).where(with_due.c.webhook_id.is_not(None))).all()
    return sum(_give_up_oldest(database, webhook_id) for webhook_id in ids)


def _give_up_oldest(database: Database, webhook_id: str) -> int:
    own = (deliveries.c.webhook_id == webhook_id, deliveries.c.due_at.is_not(None))
    order = (deliveries.c.due_at, deliveries.c.event_id)
    newest_beyond = select(*order).where(*own).order_by(*(column.desc() for column in order))
    with database.read() as connection:
        if connection.execute(newest_beyond.offset(MOST_WAITING).limit(1)).one_or_none() is None:
            return 0
        too_many = len(connection.execute(newest_beyond.offset(MOST_WAITING).limit(MOST_DELIVERIES)).all())
        oldest = select(deliveries.c.event_id).where(*own).order_by(*order).limit(too_many)
        found = connection.scalars(oldest).all()
    now = database.now()
    # What is taken, a little later than now, is being sent.
    idle = or_(deliveries.c.due_at <= now, deliveries.c.due_at > now + timedelta(seconds=TAKEN_SECONDS))
    which = and_(*own, deliveries.c.event_id.in_(found), idle)
    values = {"due_at": None, "given_up_at": now, "last_error": f"more than {MOST_WAITING:,} events waited"}
    return change_in_rounds(database, webhook_id, which, values)


_UNDELIVERED = and_(deliveries.c.delivered_at.is_(None), deliveries.c.given_up_at.is_(None))
_AT_ITS_TIME = {"due_at": deliveries.c.created_at}
