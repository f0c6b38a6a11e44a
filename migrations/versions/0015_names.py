"""Names by their bytes on PostgreSQL: an index in the order of a language does not find what begins alike."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "jobs_by_custom_id"
COLUMNS = ["project", "custom_id", "id"]
NAMED = sa.text("custom_id IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite compares bytes anyway
        op.drop_index(NAME, "jobs")
        op.create_index(NAME, "jobs", COLUMNS, postgresql_where=NAMED, postgresql_ops={"custom_id": "text_pattern_ops"})


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(NAME, "jobs")
        op.create_index(NAME, "jobs", COLUMNS, postgresql_where=NAMED)
