"""Reasoning: a second text of each job, its proof and its tokens."""

import sqlalchemy as sa
from alembic import op

from migrations.job_columns import add_before_the_prompt

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("texts", "longest_texts", "lost_texts"):
        op.add_column(table, sa.Column("reasoning", sa.Text(), nullable=False, server_default=""))
    for name, kind in (("reasoning_text_tokens", sa.Integer()), ("reasoning_text_tokens_source", sa.Text())):
        op.add_column("attempts", sa.Column(name, kind))
    add_before_the_prompt(
        reasoning_bytes="INTEGER",
        reasoning_sha256="TEXT",
        reasoning_text_tokens="INTEGER",
        reasoning_text_tokens_source="TEXT",
    )


def downgrade() -> None:
    for name in (
        "reasoning_bytes",
        "reasoning_sha256",
        "reasoning_text_tokens",
        "reasoning_text_tokens_source",
    ):
        op.drop_column("jobs", name)
    for name in ("reasoning_text_tokens", "reasoning_text_tokens_source"):
        op.drop_column("attempts", name)
    for table in ("texts", "longest_texts", "lost_texts"):
        op.drop_column(table, "reasoning")
