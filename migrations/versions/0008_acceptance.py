"""Acceptance: the rules of a job, the reasons of an attempt, and the text that is to be repaired."""

import sqlalchemy as sa
from alembic import op

from migrations.job_columns import add_before_the_prompt

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_before_the_prompt(on_reject="TEXT", max_repairs="INTEGER", repairs="INTEGER", rejected_attempt="INTEGER")
    op.add_column("jobs", sa.Column("accept", sa.Text()))
    op.add_column("attempts", sa.Column("rejections", sa.Text()))
    op.create_table(
        "rejected_texts",
        sa.Column("job_id", sa.Text(), primary_key=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("rejected_texts")
    op.drop_column("attempts", "rejections")
    for name in ("accept", "on_reject", "max_repairs", "repairs", "rejected_attempt"):
        op.drop_column("jobs", name)
