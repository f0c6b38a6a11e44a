"""How long ended work is kept: by a project, a batch or a job."""

import sqlalchemy as sa
from alembic import op

from migrations.job_columns import add_before_the_prompt

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ERASED = sa.text("erase_at IS NOT NULL")
ENDED_ALONE = sa.text("batch_id IS NULL AND finished_at IS NOT NULL")
COLUMNS = ("keep_seconds", "keep_from", "erase_at")


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("keep_seconds", sa.Integer()),
        sa.PrimaryKeyConstraint("name"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("batches", sa.Column("keep_seconds", sa.Integer()))
    op.add_column("batches", sa.Column("keep_from", sa.Text()))
    op.add_column("batches", sa.Column("erase_at", sa.DateTime(timezone=True)))
    time = "DATETIME" if is_sqlite else "TIMESTAMP WITH TIME ZONE"
    add_before_the_prompt(keep_seconds="INTEGER", keep_from="TEXT", erase_at=time)
    for table in ("batches", "jobs"):
        op.create_index(f"{table}_to_erase", table, ["erase_at"], sqlite_where=ERASED, postgresql_where=ERASED)
    alone = ["project", "finished_at"]
    op.create_index("jobs_ended_alone", "jobs", alone, sqlite_where=ENDED_ALONE, postgresql_where=ENDED_ALONE)
    op.create_index("idempotency_keys_by_resource", "idempotency_keys", ["resource_id"])


def downgrade() -> None:
    op.drop_index("idempotency_keys_by_resource", "idempotency_keys")
    op.drop_index("jobs_ended_alone", "jobs")
    for table in ("batches", "jobs"):
        op.drop_index(f"{table}_to_erase", table)
        for name in COLUMNS:
            op.drop_column(table, name)
    op.drop_table("projects")
