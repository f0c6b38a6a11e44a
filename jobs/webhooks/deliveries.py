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

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, update

from jobs.store.database import Database
from jobs.tables import webhook_deliveries as deliveries
from jobs.tables import webhooks
from jobs.tables.column_types import UtcDateTime
from jobs.webhooks.endpoints import pause_endpoint
from jobs.webhooks.keys import BY_KEY, Key, among, as_given
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
class Outcome:
    """What a try got: a status, or the reason why there was none."""

    status: int | None = None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Tried = tuple[Delivery, Outcome]


def take(database: Database, found: Collection[Key], *, by: float = inf) -> list[Delivery]:
    """Take those of these that are still due: nobody else has them for `TAKEN_SECONDS`.

    Raises `LateTurnError` when the turn to write comes after `by`, on the monotonic clock.
    """
    taken = []
    with database.write() as connection:
        if monotonic() > by:
            raise LateTurnError
        now = database.now()
        until = now + timedelta(seconds=TAKEN_SECONDS)
        rows = [row for row in connection.execute(_takeable(found)) if _is_due(row, now)]
        if rows:
            mine = update(deliveries).where(BY_KEY).values(due_at=until, tries=deliveries.c.tries + 1, tried_at=now)
            connection.execute(mine, as_given((row.webhook_id, row.event_id) for row in rows))
        for row in rows:
            secrets = [row.secret]
            if row.old_secret is not None and row.old_secret_until > now:
                secrets.append(row.old_secret)
            named = (row.webhook_id, row.event_id, row.project, row.url, row.body)
            taken.append(Delivery(*named, row.tries + 1, secrets, row.failures > 0))
    return taken


def _takeable(found: Collection[Key]) -> Select[Any]:
    return (
        select(
            *_KEY, *(deliveries.c[name] for name in ("body", "due_at", "tries")),
            *(webhooks.c[name] for name in ("project", "url", "failures", "secret", "old_secret", "old_secret_until")),
        )
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(among(found), webhooks.c.paused_at.is_(None))
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
            select(*_KEY, deliveries.c.due_at, deliveries.c.tries)
            .where(among(tries))
            .order_by(*_KEY)
            # A locked one is being paused or stored at this moment.
            .with_for_update(skip_locked=True)
        )
        rows = [row for row in connection.execute(own) if _is_due(row, until)]
        kept = [(row.webhook_id, row.event_id) for row in rows if tries[row.webhook_id, row.event_id] == row.tries]
        if kept:
            connection.execute(update(deliveries).where(BY_KEY).values(due_at=until), as_given(kept))


def store_outcomes(database: Database, outcomes: Sequence[Tried]) -> dict[str, str]:
    """Store what these tries got, in the order in which they ended, and when the next ones are: in one transaction,
    since each waits for its turn to write. Returns the endpoints that were paused for it, and why.
    """
    if not outcomes:
        return {}
    now = database.now()
    values = sorted((_outcome_values(now, *one) for one in outcomes), key=lambda one: (one["of"], one["event"]))
    with database.write() as connection:
        # The endpoints before their deliveries, as a pause locks them, and each by id.
        reasons = _count(connection, now, outcomes)
        connection.execute(_OUTCOME, values)
        for webhook_id, reason in reasons.items():
            pause_endpoint(connection, now, webhook_id, reason)
    return reasons


def _outcome_values(now: datetime, delivery: Delivery, got: Outcome) -> dict[str, Any]:
    due_at = None
    is_given_up = not got.delivered and delivery.tries >= len(SCHEDULE)
    if not got.delivered and not is_given_up:
        due_at = now + timedelta(seconds=SCHEDULE[delivery.tries] * random.uniform(1.0, 1.1))
    return {
        "of": delivery.webhook_id,
        "event": delivery.event_id,
        "tried": delivery.tries,
        "status": got.status,
        "error": got.error[:_LONGEST_ERROR] if got.error else None,
        "due": due_at,
        "delivered": now if got.delivered else None,
        "given_up": now if is_given_up else None,
    }


def give_back(database: Database, taken: Collection[Delivery]) -> None:
    """Let another process send these at once: this one ends. The try is not counted."""
    with database.write() as connection:
        for one in sorted(taken, key=lambda delivery: (delivery.webhook_id, delivery.event_id)):
            fence = (deliveries.c.tries == one.tries, deliveries.c.due_at.is_not(None))
            mine = update(deliveries).where(*_of(one.webhook_id, one.event_id), *fence)
            connection.execute(mine.values(due_at=database.now(), tries=one.tries - 1))


def _count(connection: Connection, now: datetime, outcomes: Sequence[Tried]) -> dict[str, str]:
    """Count failures of the endpoints in a row; which are to be paused, and why."""
    ends: dict[str, list[Outcome]] = {}
    for delivery, got in outcomes:
        if not got.delivered or delivery.fails:
            ends.setdefault(delivery.webhook_id, []).append(got)
    if not ends:
        return {}
    own = select(webhooks.c.id, webhooks.c.failures, webhooks.c.failing_since).where(webhooks.c.id.in_(ends))
    own = own.where(webhooks.c.paused_at.is_(None)).order_by(webhooks.c.id).with_for_update()
    reasons: dict[str, str] = {}
    counted = []
    for row in connection.execute(own).all():
        failures, since = row.failures, row.failing_since
        for got in ends[row.id]:
            failures, since = (0, None) if got.delivered else (failures + 1, since or now)
            if reason := _why_paused(now, failures, since, got):
                reasons[row.id] = reason
                break  # what it got after that is not counted: it is paused
        counted.append({"of": row.id, "in_a_row": failures, "since": since})
    if counted:
        connection.execute(_COUNTED, counted)
    return reasons


def _why_paused(now: datetime, failures: int, since: datetime | None, got: Outcome) -> str | None:
    if got.status == GONE:
        return "the receiver answered 410 Gone"
    if since is not None and failures >= PAUSE_AFTER_FAILURES and now - since >= timedelta(seconds=PAUSE_AFTER_SECONDS):
        return f"{failures} tries in a row have failed since {since:%Y-%m-%d %H:%M} UTC"
    return None


def _is_due(row: Any, by: datetime) -> bool:
    return row.due_at is not None and row.due_at <= by


def _of(webhook_id: str, event_id: str) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.webhook_id == webhook_id, deliveries.c.event_id == event_id


_OUTCOME = (
    update(deliveries)
    .where(BY_KEY)
    .where(deliveries.c.tries == bindparam("tried"), deliveries.c.delivered_at.is_(None))
    .values(
        last_status=bindparam("status"),
        last_error=bindparam("error"),
        due_at=bindparam("due"),
        delivered_at=bindparam("delivered"),
        given_up_at=func.coalesce(bindparam("given_up", type_=UtcDateTime), deliveries.c.given_up_at),
    )
)

_COUNTED = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("of"))
    .values(failures=bindparam("in_a_row"), failing_since=bindparam("since"))
)
