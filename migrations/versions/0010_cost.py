"""What each attempt and batch cost, and the trace that a job belongs to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.job_columns import add_before_the_prompt

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("cost_nanos", sa.BigInteger()))
    op.add_column("attempts", sa.Column("cost_currency", sa.Text()))
    op.add_column("batches", sa.Column("cost", sa.JSON().with_variant(JSONB(), "postgresql")))
    add_before_the_prompt(traceparent="TEXT")


def downgrade() -> None:
    op.drop_column("jobs", "traceparent")
    op.drop_column("batches", "cost")
    op.drop_column("attempts", "cost_currency")
    op.drop_column("attempts", "cost_nanos")
