"""What is to be delivered: taken by one process at a time, tried by a schedule, kept for some days.

A process takes a delivery by moving its `due_at` on for a moment, and again as long as it sends; the number of the try
is the fence of its outcome. So a delivery whose process died is soon taken by another one, and the event arrives at
least once, each time with the same id.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_, update

from jobs.store.database import Database
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.webhooks.endpoints import pause_endpoint
from jobs.webhooks.waiting import TAKEN_SECONDS

SCHEDULE = (0, 5, 300, 1800, 7200, 28800, 86400)
"""After how many seconds each try comes, counted from the one before."""

RENEW_SECONDS = 0.25
"""How often a delivery is taken anew while it is sent."""

PAUSE_AFTER_SECONDS, PAUSE_AFTER_FAILURES = 24 * 3600, 5
"""An endpoint is paused when it has failed for so long, and so often, without taking anything in between."""

GONE = 410
"""The HTTP status with which a receiver asks never to be sent anything again."""

_LONGEST_ERROR = 300

_KEY = (deliveries.c.webhook_id, deliveries.c.event_id)


class LateTurnError(Exception):
    """The turn to write came late, so those who send could not renew either: what looks due may be theirs."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that this process is to send to an endpoint now."""

    webhook_id: str
    event_id: str
    project: str
    url: str
    body: str
    tries: int
    secrets: Sequence[str] = field(repr=False)
    fails: bool
    """Whether the last try at this endpoint failed."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """What a try got: a status, or the reason why there was none."""

    status: int | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def take(database: Database, found: Collection[tuple[str, str]], *, by: float = inf) -> list[Delivery]:
    """Take those of these that are still due: nobody else has them for `TAKEN_SECONDS`.

    Raises `LateTurnError` when the turn to write comes after `by`, on the monotonic clock.
    """
    taken = []
    with database.write() as connection:
        if monotonic() > by:
            raise LateTurnError
        now = database.now()
        until = now + timedelta(seconds=TAKEN_SECONDS)
        for row in connection.execute(_takeable(found, now)).all():
            mine = update(deliveries).where(*_of(row.webhook_id, row.event_id))
            connection.execute(mine.values(due_at=until, tries=row.tries + 1, tried_at=now))
            secrets = [row.secret]
            if row.old_secret is not None and row.old_secret_until > now:
                secrets.append(row.old_secret)
            named = (row.webhook_id, row.event_id, row.project, row.url, row.body)
            taken.append(Delivery(*named, row.tries + 1, secrets, row.failures > 0))
    return taken


def _takeable(found: Collection[tuple[str, str]], now: datetime) -> Select[Any]:
    return (
        select(
            *_KEY, deliveries.c.body, deliveries.c.tries, webhooks.c.project, webhooks.c.url, webhooks.c.failures,
            webhooks.c.secret, webhooks.c.old_secret, webhooks.c.old_secret_until,
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(tuple_(*_KEY).in_(found), deliveries.c.due_at <= now, webhooks.c.paused_at.is_(None))
        .order_by(*_KEY)
        # A locked one is being taken by another process.
        .with_for_update(skip_locked=True, of=deliveries)
    )  # fmt: skip


def renew(database: Database, sending: Collection[Delivery]) -> None:
    """Keep these for `TAKEN_SECONDS` more: this process still sends them. What was taken over meanwhile is left, and so
    is what has an outcome by now: its next try is later than that, or there is none.
    """
    tries = {(one.webhook_id, one.event_id): one.tries for one in sending}
    with database.write() as connection:
        until = database.now() + timedelta(seconds=TAKEN_SECONDS)
        own = (
            select(*_KEY, deliveries.c.tries)
            .where(tuple_(*_KEY).in_(tries), deliveries.c.due_at <= until)
            .order_by(*_KEY)
            # A locked one is being paused or stored at this moment.
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(own).all()
        kept = [(row.webhook_id, row.event_id) for row in rows if tries[row.webhook_id, row.event_id] == row.tries]
        if kept:
            connection.execute(update(deliveries).where(tuple_(*_KEY).in_(kept)).values(due_at=until))


def store_outcome(database: Database, delivery: Delivery, got: Attempted) -> str | None:
    """Store what a try got, and when the next one is. Returns why the endpoint was paused for it, if it was."""
    now = database.now()
    error = got.error[:_LONGEST_ERROR] if got.error else None
    values: dict[str, Any] = {"last_status": got.status, "last_error": error, "due_at": None}
    if got.delivered:
        values["delivered_at"] = now
    elif delivery.tries >= len(SCHEDULE):
        values["given_up_at"] = now
    else:
        seconds = SCHEDULE[delivery.tries] * random.uniform(1.0, 1.1)
        values["due_at"] = now + timedelta(seconds=seconds)
    with database.write() as connection:
        # The endpoint before its deliveries, as a pause locks them.
        reason = None
        if not got.delivered or delivery.fails:
            reason = _count(connection, now, delivery.webhook_id, got)
        fence = (deliveries.c.tries == delivery.tries, deliveries.c.delivered_at.is_(None))
        mine = update(deliveries).where(*_of(delivery.webhook_id, delivery.event_id), *fence)
        connection.execute(mine.values(values))
        if reason is not None:
            pause_endpoint(connection, now, delivery.webhook_id, reason)
    return reason


def give_back(database: Database, taken: Collection[Delivery]) -> None:
    """Let another process send these at once: this one ends. The try is not counted."""
    with database.write() as connection:
        for one in sorted(taken, key=lambda delivery: (delivery.webhook_id, delivery.event_id)):
            fence = (deliveries.c.tries == one.tries, deliveries.c.due_at.is_not(None))
            mine = update(deliveries).where(*_of(one.webhook_id, one.event_id), *fence)
            connection.execute(mine.values(due_at=database.now(), tries=one.tries - 1))


def _count(connection: Connection, now: datetime, webhook_id: str, got: Attempted) -> str | None:
    """Count failures of an endpoint in a row; why it is to be paused, if it is."""
    own = select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.paused_at.is_(None)).with_for_update()
    row = connection.execute(own).one_or_none()
    if row is None:
        return None
    since = None if got.delivered else (row.failing_since or now)
    failures = 0 if got.delivered else row.failures + 1
    changed = update(webhooks).where(webhooks.c.id == webhook_id)
    connection.execute(changed.values(failures=failures, failing_since=since))
    if got.status == GONE:
        return "the receiver answered 410 Gone"
    if since is not None and failures >= PAUSE_AFTER_FAILURES and now - since >= timedelta(seconds=PAUSE_AFTER_SECONDS):
        return f"{failures} tries in a row have failed since {since:%Y-%m-%d %H:%M} UTC"
    return None


def _of(webhook_id: str, event_id: str) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.webhook_id == webhook_id, deliveries.c.event_id == event_id
