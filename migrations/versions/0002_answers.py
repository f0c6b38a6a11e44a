"""What answers show: texts cut short, texts of earlier attempts, what came beside a text, habits of upstreams."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.job_columns import add_before_the_prompt

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

# What is known of the jobs that have ended: until now the finish reason alone said that a text was cut short.
CUT_SHORT = """
    UPDATE jobs SET incomplete = CASE finish_reason WHEN 'length' THEN 'max_output_tokens' ELSE finish_reason END
    WHERE status = 'completed' AND finish_reason IN ('length', 'content_filter') AND bytes > 0
"""
WRITTEN_BY = """
    UPDATE jobs SET text_attempt = (SELECT attempt FROM texts WHERE texts.job_id = jobs.id)
    WHERE status IN ('completed', 'failed', 'cancelled', 'expired')
"""
COUNTED = """
    UPDATE batches SET incomplete = (
        SELECT count(*) FROM jobs WHERE jobs.batch_id = batches.id AND jobs.incomplete IS NOT NULL
    )
    WHERE completed IS NOT NULL
"""


def upgrade() -> None:
    add_before_the_prompt(incomplete="TEXT", text_attempt="INTEGER")
    op.add_column("jobs", sa.Column("message", sa.Text()))
    op.add_column("batches", sa.Column("incomplete", sa.Integer()))
    op.add_column("batches", sa.Column("warnings", JSON))
    op.create_table(
        "longest_texts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("deltas", sa.Integer()),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "upstream_habits",
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("habit", sa.Text(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("noted_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("upstream", "model", "habit"),
    )
    is_cut_short = sa.text("incomplete IS NOT NULL")
    op.create_index("jobs_cut_short", "jobs", ["batch_id"], sqlite_where=is_cut_short, postgresql_where=is_cut_short)
    for known in (CUT_SHORT, WRITTEN_BY, COUNTED):
        op.execute(known)


def downgrade() -> None:
    op.drop_table("upstream_habits")
    op.drop_table("longest_texts")
    op.drop_index("jobs_cut_short", "jobs")
    op.drop_column("batches", "warnings")
    op.drop_column("batches", "incomplete")
    for name in ("message", "text_attempt", "incomplete"):
        op.drop_column("jobs", name)
