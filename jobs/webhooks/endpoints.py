"""The endpoints: made, listed, changed and removed, each by its project.

A secret signs, so it is stored as it is. It is given out when it is made, and shown by no read.
"""

import base64
import secrets as random_secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, or_, select, update

from jobs.model.ids import new_id
from jobs.store.database import Database
from jobs.tables import batches, webhooks
from jobs.webhooks.events import heard_ends
from jobs.webhooks.waiting import bring_forward, put_back

MOST_ENDPOINTS = 20
"""Of one project, besides those of single batches."""

ROTATION_SECONDS = 24 * 3600
"""How long an old secret signs beside the new one, unless somebody says otherwise."""

BATCH_ENDPOINT_DAYS = 30
"""How long the endpoint of a single batch is kept after the batch has ended."""


class TooManyEndpointsError(Exception):
    """The project has as many endpoints as it may have."""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """A URL, and of which events it hears."""

    id: str
    project: str
    batch_id: str | None
    url: str
    name: str
    events: Sequence[str]
    secret: str = field(repr=False)
    old_secret: str | None = field(repr=False)
    old_secret_until: datetime | None
    created_at: datetime
    paused_at: datetime | None
    pause_reason: str | None
    failures: int
    failing_since: datetime | None

    @classmethod
    def from_row(cls, row: RowMapping) -> "WebhookEndpoint":
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """An endpoint that a batch is to have."""

    url: str
    events: Sequence[str]


def new_secret() -> str:
    """A secret in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(random_secrets.token_bytes(32)).decode("ascii")


def create_endpoint(
    database: Database, *, project: str, url: str, events: Sequence[str], name: str = ""
) -> WebhookEndpoint:
    """Make an endpoint of a project, with a new secret. Raises `TooManyEndpointsError`."""
    row = endpoint_row(database.now(), project=project, url=url, events=events, name=name)
    counted = select(func.count()).where(webhooks.c.project == project, webhooks.c.batch_id.is_(None))
    with database.write() as connection:
        if (connection.scalar(counted) or 0) >= MOST_ENDPOINTS:
            raise TooManyEndpointsError
        made = connection.execute(insert(webhooks).values(row).returning(*webhooks.c)).mappings().one()
    return WebhookEndpoint.from_row(made)


def endpoint_row(
    now: datetime, *, project: str, url: str, events: Sequence[str], name: str = "", batch_id: str | None = None
) -> dict[str, Any]:
    return {
        "id": new_id("wh", now),
        "project": project,
        "batch_id": batch_id,
        "url": url,
        "name": name,
        "events": list(events),
        **heard_ends(events),
        "secret": new_secret(),
        "created_at": now,
        "failures": 0,
    }


def read_endpoint(database: Database, webhook_id: str, *, project: str) -> WebhookEndpoint | None:
    """One endpoint; None when it belongs to another project."""
    return _read(database, webhooks.c.id == webhook_id, webhooks.c.project == project)


def read_batch_endpoint(database: Database, batch_id: str, *, project: str) -> WebhookEndpoint | None:
    """The endpoint of a single batch, if it was given one."""
    return _read(database, webhooks.c.batch_id == batch_id, webhooks.c.project == project)


def list_endpoints(database: Database, *, project: str) -> list[WebhookEndpoint]:
    """The endpoints of a project, the newest first, without those of single batches."""
    mine = select(webhooks).where(webhooks.c.project == project, webhooks.c.batch_id.is_(None))
    with database.read() as connection:
        rows = connection.execute(mine.order_by(webhooks.c.id.desc())).mappings()
        return [WebhookEndpoint.from_row(row) for row in rows]


def change_endpoint(
    database: Database, webhook_id: str, *, project: str, paused: bool | None = None, **changes: Any
) -> WebhookEndpoint | None:
    """Change its `url`, `name` or `events`, and pause or resume it. None when there is no such endpoint.

    What happens while it is paused is delivered when it is resumed. The resume makes it due first, in rounds: whoever
    ends in between leaves a paused endpoint, to be resumed again.
    """
    if paused is False:
        before = read_endpoint(database, webhook_id, project=project)
        if before is not None and before.paused_at is not None:
            bring_forward(database, webhook_id)
    now = database.now()
    if "events" in changes:
        changes |= {"events": list(changes["events"]), **heard_ends(changes["events"])}
    if paused is False:
        changes |= dict.fromkeys(("paused_at", "pause_reason", "failing_since")) | {"failures": 0}
    with database.write() as connection:
        mine = (webhooks.c.id == webhook_id, webhooks.c.project == project)
        found = connection.execute(select(webhooks).where(*mine).with_for_update()).mappings().one_or_none()
        if found is None:
            return None
        if changes:
            connection.execute(update(webhooks).where(*mine).values(changes))
        if paused is True and found["paused_at"] is None:
            pause_endpoint(connection, now, webhook_id, "paused")
        row = connection.execute(select(webhooks).where(*mine)).mappings().one()
    if paused is False and found["paused_at"] is not None:
        put_back(database, webhook_id)
    return WebhookEndpoint.from_row(row)


def pause_endpoint(connection: Connection, now: datetime, webhook_id: str, reason: str) -> None:
    """Deliver nothing to it any more until it is resumed. Its deliveries stay as they are: nobody takes them."""
    own = update(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.paused_at.is_(None))
    connection.execute(own.values(paused_at=now, pause_reason=reason))


def rotate_secret(
    database: Database, webhook_id: str, *, project: str, old_seconds: float = ROTATION_SECONDS
) -> WebhookEndpoint | None:
    """Give an endpoint a new secret. For so many seconds the old one signs as well. None: no such endpoint."""
    now = database.now()
    until = now + timedelta(seconds=old_seconds)
    with database.write() as connection:
        mine = update(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.project == project)
        changed = mine.values(old_secret=webhooks.c.secret, old_secret_until=until, secret=new_secret())
        row = connection.execute(changed.returning(*webhooks.c)).mappings().one_or_none()
    return WebhookEndpoint.from_row(row) if row else None


def delete_endpoint(database: Database, webhook_id: str, *, project: str) -> bool:
    """Remove an endpoint; nothing more is sent to it. Its deliveries are deleted in rounds. False: no such endpoint."""
    with database.write() as connection:
        gone = delete(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.project == project)
        return connection.execute(gone).rowcount > 0


def delete_batch_endpoints(database: Database) -> int:
    """Remove endpoints of single batches that ended long ago. How many there were."""
    before = database.now() - timedelta(days=BATCH_ENDPOINT_DAYS)
    kept = select(batches.c.id).where(
        batches.c.id == webhooks.c.batch_id, or_(batches.c.completed.is_(None), batches.c.finalizing_at >= before)
    )
    old = select(webhooks.c.id).where(
        webhooks.c.batch_id.is_not(None), webhooks.c.created_at < before, ~kept.correlate(webhooks).exists()
    )
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        found = list(connection.scalars(old.limit(500)))
    if found:
        with database.write() as connection:
            connection.execute(delete(webhooks).where(webhooks.c.id.in_(found)))
    return len(found)


def _read(database: Database, *which: ColumnElement[bool]) -> WebhookEndpoint | None:
    with database.read() as connection:
        row = connection.execute(select(webhooks).where(*which)).mappings().first()
    return WebhookEndpoint.from_row(row) if row else None
