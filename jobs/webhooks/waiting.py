"""What waits to be sent: for which endpoints, how much of it there may be, and how all of it is changed.

A paused endpoint leaves its deliveries as they are: what is due is looked for by endpoint, so those of one that is
paused cost one step, however many they are. Versions before this took them out of what is due (`due_at` is null), and
may still do so while their workers end; a resume puts them back.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Text, and_, bindparam, func, literal, or_, select, update
from sqlalchemy.sql.selectable import ScalarSelect

from jobs.store.database import Database
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.webhooks.events import MOST_DELIVERIES

MOST_WAITING = 1_000_000
"""So many deliveries may wait for one endpoint; beyond that the oldest are given up. A batch has up to 50,000 jobs."""

TAKEN_SECONDS = 1.2
"""For how long a delivery is taken. When a process dies, another one sends its events within 2 s."""

_UNDELIVERED = and_(deliveries.c.delivered_at.is_(None), deliveries.c.given_up_at.is_(None))
_AT_ITS_TIME = {"due_at": deliveries.c.created_at}


@cache
def endpoints_with_due(most: int | None = None) -> CTE:
    """Each `webhook_id` for which something is to be sent now or later, when the first of it is (`due_at`), and its
    `number`; the last row is null. With `most` only so many, behind the one that the parameter `after` names.

    Found by one step in the index for each, not by a look at all that waits.
    """
    after = None if most is None else bindparam("after", type_=Text)
    first = select(_next("webhook_id", after).label("webhook_id"), _next("due_at", after).label("due_at"))
    with_due = first.add_columns(literal(1).label("number")).cte("with_due", recursive=True)
    before, number = with_due.c.webhook_id, with_due.c.number
    following = select(_next("webhook_id", before), _next("due_at", before), number + 1).select_from(with_due)
    following = following.where(before.is_not(None))
    return with_due.union_all(following if most is None else following.where(number < most))


def _next(name: str, after: ColumnElement[str] | None = None) -> ScalarSelect[Any]:
    """A column of the delivery that is due first at the next endpoint."""
    one = deliveries.alias()
    found = select(one.c[name]).where(one.c.due_at.is_not(None))
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
    after, count = "", 0
    while True:
        # Asked as a column: as a condition, it has PostgreSQL read all that is left in each round, by another index.
        some = select(deliveries.c.event_id, which.label("wanted")).where(deliveries.c.webhook_id == webhook_id)
        some = some.where(deliveries.c.event_id > after).order_by(deliveries.c.event_id).limit(MOST_DELIVERIES)
        with database.read() as connection:
            rows = connection.execute(some).all()
        if not rows:
            return count
        if found := [row.event_id for row in rows if row.wanted]:
            changed = change_some(database, webhook_id, found, which, values, only_while=only_while)
            if changed is None:
                return count
            count += changed
        after = rows[-1].event_id


def change_some(
    database: Database,
    webhook_id: str,
    event_ids: Sequence[str],
    which: ColumnElement[bool],
    values: dict[str, Any],
    *,
    only_while: ColumnElement[bool] | None = None,
) -> int | None:
    """Change these, if they are still such, in one transaction. How many; None: the endpoint is not `only_while`."""
    own = (deliveries.c.webhook_id == webhook_id, deliveries.c.event_id.in_(event_ids))
    with database.write() as connection:
        # The endpoint before its deliveries, and these by id: so does everybody who locks many.
        if only_while is not None:
            endpoint = select(webhooks.c.id).where(webhooks.c.id == webhook_id, only_while)
            if connection.scalar(endpoint.with_for_update()) is None:
                return None
        locked = select(deliveries.c.event_id, which.label("wanted")).where(*own).order_by(deliveries.c.event_id)
        still = [row.event_id for row in connection.execute(locked.with_for_update()) if row.wanted]
        if still:
            mine = update(deliveries).where(deliveries.c.webhook_id == webhook_id, deliveries.c.event_id.in_(still))
            connection.execute(mine.values(values))
    return len(still)


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
    crowded = select(deliveries.c.webhook_id).where(deliveries.c.due_at.is_not(None)).group_by(deliveries.c.webhook_id)
    with database.read() as connection:
        ids = connection.scalars(crowded.having(func.count() > MOST_WAITING)).all()
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
    which = and_(_UNDELIVERED, idle)
    values = {"due_at": None, "given_up_at": now, "last_error": f"more than {MOST_WAITING:,} events waited"}
    return change_some(database, webhook_id, found, which, values) or 0
