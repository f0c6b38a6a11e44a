"""The deliveries of one endpoint that are due: an endpoint that is away may have very many."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DUE = sa.text("due_at IS NOT NULL")
NAME = "webhook_deliveries_due_of"


def upgrade() -> None:
    columns = ["webhook_id", "due_at", "event_id"]
    op.create_index(NAME, "webhook_deliveries", columns, sqlite_where=DUE, postgresql_where=DUE)


def downgrade() -> None:
    op.drop_index(NAME, "webhook_deliveries")
