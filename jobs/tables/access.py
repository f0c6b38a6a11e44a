"""Who may use the API, and what the API remembers of callers."""

from sqlalchemy import Column, Index, Integer, Table, Text

from jobs.tables.column_types import UtcDateTime
from jobs.tables.schema import DEFAULT_PROJECT, metadata

# Who may use the API. The secret itself is shown once, when it is made, and stored nowhere.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("name", Text, nullable=False),
    # The first characters, so that a person recognises it, and the SHA-256 of the whole.
    Column("prefix", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("api_keys_by_sha256", "sha256", unique=True),
)

# What an operator has said of a project. One without a row keeps everything.
projects = Table(
    "projects",
    metadata,
    Column("name", Text, primary_key=True),
    # How long ended jobs, batches and uploads are kept that say nothing themselves; null: until somebody deletes them.
    Column("keep_seconds", Integer),
)

# What the API processes share and nobody else may know.
server_secrets = Table(
    "server_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("project", Text, primary_key=True, server_default=DEFAULT_PROJECT),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("idempotency_keys_by_age", "created_at"),
    # For what is erased: its key goes, too.
    Index("idempotency_keys_by_resource", "resource_id"),
)
