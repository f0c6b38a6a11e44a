"""What lifts a hold that cut streams began, since when a lane is refused, and when a job of it was charged."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holds", sa.Column("cut_bytes", sa.Integer()))
    op.add_column("lanes", sa.Column("suspect_at", sa.DateTime(timezone=True)))
    op.add_column("lanes", sa.Column("refused_since", sa.DateTime(timezone=True)))
    op.add_column("lanes", sa.Column("refused_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("lanes", "refused_until")
    op.drop_column("lanes", "refused_since")
    op.drop_column("lanes", "suspect_at")
    op.drop_column("holds", "cut_bytes")
