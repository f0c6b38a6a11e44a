"""Texts that go on at the token limit: how often a job may ask for the rest, and the segments of each attempt."""

import sqlalchemy as sa
from alembic import op

from migrations.job_columns import add_before_the_prompt

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("segments", sa.Text()))
    add_before_the_prompt(max_continuations="INTEGER")


def downgrade() -> None:
    op.drop_column("jobs", "max_continuations")
    op.drop_column("attempts", "segments")
