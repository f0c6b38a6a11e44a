"""Batches, jobs, their texts and attempts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from jobs.store.text_index import drop_text_index

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ALONE = sa.text("status = 'queued' AND batch_id IS NULL")
DELETED = sa.text("deleted_at IS NOT NULL")
NAMED = sa.text("custom_id IS NOT NULL")
EXPIRING = sa.text("expires_at IS NOT NULL")
ASKED = sa.text("cancel_requested_at IS NOT NULL")
UNENDED = sa.text("NOT ended")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_keys_by_sha256", "api_keys", ["sha256"], unique=True)
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Text()),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("first_delta_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("outcome", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("deltas", sa.Integer()),
        sa.Column("bytes", sa.Integer()),
        sa.Column("continued_bytes", sa.Integer()),
        sa.Column("input_tokens", sa.Integer()),
        sa.Column("cached_tokens", sa.Integer()),
        sa.Column("output_tokens", sa.Integer()),
        sa.Column("reasoning_tokens", sa.Integer()),
        sa.Column("total_tokens", sa.Integer()),
        sa.Column("usage_source", sa.Text()),
        sa.Column("text_tokens", sa.Integer()),
        sa.Column("text_tokens_source", sa.Text()),
        sa.PrimaryKeyConstraint("job_id", "attempt"),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False, server_default="default"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("input_file_id", sa.Text()),
        sa.Column("errors", JSON),
        sa.Column("output_seconds", sa.Integer()),
        sa.Column("output_file_id", sa.Text()),
        sa.Column("error_file_id", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("completion_window", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("in_progress_at", TIME),
        sa.Column("finalizing_at", TIME),
        sa.Column("completed_at", TIME),
        sa.Column("failed_at", TIME),
        sa.Column("expired_at", TIME),
        sa.Column("cancelling_at", TIME),
        sa.Column("cancelled_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("dispatched_at", TIME, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer()),
        sa.Column("failed", sa.Integer()),
        sa.Column("usage", JSON),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batches_of_project", "batches", ["project", "id"])
    op.create_index("batches_by_status", "batches", ["status", "dispatched_at"])
    op.create_table(
        "drafts",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("touched_at", TIME, nullable=False),
        sa.Column("dropped_at", TIME),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("batch_id", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("files_by_project", "files", ["project", "id"])
    op.create_index("files_expiring", "files", ["expires_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("project", sa.Text(), nullable=False, server_default="default"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project", "key"),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False, server_default="default"),
        sa.Column("batch_id", sa.Text()),
        sa.Column("custom_id", sa.Text()),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("on_interrupt", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("lease_until", TIME),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("hinted_at", TIME),
        sa.Column("cancel_requested_at", TIME),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("rate_limits", sa.Integer(), nullable=False),
        sa.Column("drains", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("first_delta_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("bytes", sa.Integer()),
        sa.Column("sha256", sa.Text()),
        sa.Column("input_tokens", sa.Integer()),
        sa.Column("cached_tokens", sa.Integer()),
        sa.Column("output_tokens", sa.Integer()),
        sa.Column("reasoning_tokens", sa.Integer()),
        sa.Column("total_tokens", sa.Integer()),
        sa.Column("usage_source", sa.Text()),
        sa.Column("text_tokens", sa.Integer()),
        sa.Column("text_tokens_source", sa.Text()),
        sa.Column("upstream_id", sa.Text()),
        sa.Column("upstream_model", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_status", sa.Integer()),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )

    op.create_table(
        "lost_texts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("deltas", sa.Integer()),
        sa.PrimaryKeyConstraint("job_id", "attempt"),
    )
    op.create_table(
        "metadata_pairs",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("pair", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "pair", "job_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pauses",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("until_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )
    op.create_table(
        "responses",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("responses_deleted", "responses", ["deleted_at"], sqlite_where=DELETED, postgresql_where=DELETED)
    op.create_table(
        "server_secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "texts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("deltas", sa.Integer()),
        sa.Column("ended", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("texts_unended", "texts", ["job_id"], sqlite_where=UNENDED, postgresql_where=UNENDED)
    op.create_index("attempts_by_batch", "attempts", ["batch_id"])
    op.create_index("jobs_in_batch", "jobs", ["batch_id", "id"])
    op.create_index("jobs_by_batch", "jobs", ["batch_id", "status", sa.text("priority DESC"), "id"])
    op.create_index("jobs_of_project", "jobs", ["project", "id"])
    op.create_index("jobs_by_status", "jobs", ["project", "status", "id"])
    op.create_index("jobs_by_model", "jobs", ["project", "model", "id"])
    op.create_index("jobs_by_model_and_status", "jobs", ["project", "model", "status", "id"])
    by_name = ["project", "custom_id", "id"]
    op.create_index("jobs_by_custom_id", "jobs", by_name, sqlite_where=NAMED, postgresql_where=NAMED)
    op.create_index("jobs_hinted", "jobs", ["status", "hinted_at"])
    expiring, asked = ["status", "expires_at"], ["status", "cancel_requested_at"]
    op.create_index("jobs_expiring", "jobs", expiring, sqlite_where=EXPIRING, postgresql_where=EXPIRING)
    op.create_index("jobs_asked", "jobs", asked, sqlite_where=ASKED, postgresql_where=ASKED)
    op.create_index("jobs_alone", "jobs", [sa.text("priority DESC"), "id"], sqlite_where=ALONE, postgresql_where=ALONE)


def downgrade() -> None:
    drop_text_index(op.get_bind())
    for name in (
        "texts",
        "server_secrets",
        "responses",
        "pauses",
        "metadata_pairs",
        "lost_texts",
        "jobs",
        "idempotency_keys",
        "files",
        "drafts",
        "batches",
        "attempts",
        "api_keys",
    ):
        op.drop_table(name)
