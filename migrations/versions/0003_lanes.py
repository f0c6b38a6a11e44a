"""Lanes, reservations and holds: at which upstream a job is, at what pace each upstream is asked, and what is held."""

import sqlalchemy as sa
from alembic import op

from migrations.job_columns import add_before_the_prompt

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
QUEUED = sa.text("status = 'queued'")
RUNNING = sa.text("status = 'in_progress'")
RESERVED = sa.text("status = 'queued' AND upstream IS NOT NULL")
CAPPED = sa.text("status = 'in_progress' AND max_concurrency IS NOT NULL")
ALONE = sa.text("status = 'queued' AND batch_id IS NULL")
FALLING = sa.text("priority DESC")


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("pace", sa.Text()),
        sa.Column("turns", sa.Text()),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("accepted_at", TIME),
        sa.Column("error_at", TIME),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_job", sa.Text()),
        sa.Column("refused_job", sa.Text()),
        sa.Column("restart", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("first_delta_seconds", sa.Float()),
        sa.PrimaryKeyConstraint("upstream", "model"),
    )
    op.create_table(
        "holds",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("probe_at", TIME),
        sa.Column("probe_seconds", sa.Float()),
        sa.Column("probes", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("probe_job", sa.Text()),
        sa.Column("last_probe", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "target"),
    )
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    add_before_the_prompt(
        upstream="TEXT",
        last_upstream="TEXT",
        only_upstream="TEXT",
        reserved_tokens="INTEGER",
        refusals="INTEGER DEFAULT 0 NOT NULL",
        refused_at=moment,
        release_requested_at=moment,
    )
    op.add_column("attempts", sa.Column("upstream", sa.Text()))
    op.add_column("batches", sa.Column("max_concurrency", sa.Integer()))
    op.add_column("batches", sa.Column("only_upstream", sa.Text()))
    op.drop_index("jobs_by_batch", "jobs")
    op.drop_index("jobs_alone", "jobs")
    op.create_index("jobs_by_batch", "jobs", ["batch_id", "status", "model", FALLING, "id"])
    _partial("jobs_alone", "jobs", ["model", "project", FALLING, "id"], ALONE)
    _partial("jobs_waiting", "jobs", ["model", "project", FALLING], QUEUED)
    _partial("jobs_reserved", "jobs", ["upstream", "model"], RESERVED)
    _partial("jobs_running", "jobs", ["upstream", "model"], RUNNING)
    _partial("batches_in_turn", "batches", ["project", "dispatched_at"], RUNNING)
    _partial("batches_capped", "batches", ["max_concurrency"], CAPPED)


def downgrade() -> None:
    op.drop_index("batches_capped", "batches")
    op.drop_index("batches_in_turn", "batches")
    for name in ("jobs_running", "jobs_reserved", "jobs_waiting", "jobs_alone", "jobs_by_batch"):
        op.drop_index(name, "jobs")
    op.create_index("jobs_by_batch", "jobs", ["batch_id", "status", FALLING, "id"])
    _partial("jobs_alone", "jobs", [FALLING, "id"], ALONE)
    for name in ("only_upstream", "max_concurrency"):
        op.drop_column("batches", name)
    op.drop_column("attempts", "upstream")
    for name in ("release_requested_at", "refused_at", "refusals", "reserved_tokens"):
        op.drop_column("jobs", name)
    for name in ("only_upstream", "last_upstream", "upstream"):
        op.drop_column("jobs", name)
    op.drop_table("holds")
    op.drop_table("lanes")


def _partial(name: str, table: str, columns: list[str | sa.TextClause], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
