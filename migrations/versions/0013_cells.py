"""The cells of the table's row that a job was made of."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The last one, on SQLite too: as long as the prompt, and no list needs it.
    op.add_column("jobs", sa.Column("cells", sa.Text()))


def downgrade() -> None:
    op.drop_column("jobs", "cells")
