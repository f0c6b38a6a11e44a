"""Long requests in a table of their own: SQLite writes the row of a job again with each change of its status."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOVED_BACK = """
    UPDATE jobs SET (request, accept, cells) = (
        SELECT request, accept, cells FROM job_requests WHERE job_requests.job_id = jobs.id
    )
    WHERE id IN (SELECT job_id FROM job_requests)
"""


def upgrade() -> None:
    # Those that are in their rows stay there: to move them would take as long as they are.
    op.create_table(
        "job_requests",
        sa.Column("job_id", sa.Text(), primary_key=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("request_bytes", sa.Integer(), nullable=False),
        sa.Column("most_output", sa.Integer()),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("accept", sa.Text()),
        sa.Column("cells", sa.Text()),
    )


def downgrade() -> None:
    op.execute(MOVED_BACK)
    op.drop_table("job_requests")
