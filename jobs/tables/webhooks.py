"""Which URLs to call when work ends, and what is still to be delivered."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from jobs.tables.column_types import Json, UtcDateTime
from jobs.tables.schema import metadata

DUE = text("due_at IS NOT NULL")

# The endpoints: a URL, and of which events it hears. The secret signs, so it is stored as it is.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    # Hears of this batch and its jobs alone; null: of the whole project.
    Column("batch_id", Text),
    Column("url", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("events", Json, nullable=False),
    # Whether one of `events` is of jobs, or of Responses: looked up for each job that ends.
    Column("hears_jobs", Boolean, nullable=False),
    Column("hears_responses", Boolean, nullable=False),
    Column("secret", Text, nullable=False),
    # The one before it, which signs as well until this time.
    Column("old_secret", Text),
    Column("old_secret_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("paused_at", UtcDateTime),
    Column("pause_reason", Text),
    # Tries that have failed since the last one that did not, and since when.
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Index("webhooks_of_project", "project", "batch_id"),
)

# One row for each event and endpoint that hears of it, inserted by the transaction that ends the thing.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    # The same at every endpoint and in every try.
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # When the next try may begin. A process that takes it moves this on to when it is taken for dead. Null: there is
    # none, because it was delivered or given up; in a version before also because the endpoint was paused.
    Column("due_at", UtcDateTime),
    # Counted when one begins; also the fence of its outcome.
    Column("tries", Integer, nullable=False),
    Column("tried_at", UtcDateTime),
    Column("delivered_at", UtcDateTime),
    Column("given_up_at", UtcDateTime),
    # What the last try got: the HTTP status, or why there was none.
    Column("last_status", Integer),
    Column("last_error", Text),
    Index("webhook_deliveries_due", "due_at", sqlite_where=DUE, postgresql_where=DUE),
    Index("webhook_deliveries_due_of", "webhook_id", "due_at", "event_id", sqlite_where=DUE, postgresql_where=DUE),
    Index("webhook_deliveries_by_age", "created_at"),
)
