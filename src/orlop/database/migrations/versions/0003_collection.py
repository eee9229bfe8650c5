"""What collection and scrub need to know: since when a blob is in its state, what was let go of, what was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("blobs", sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_blobs_state_id"), "blobs", ["state", "id"], sqlite_where=sa.text("state <> 'live'"))
    op.add_column("manifests", sa.Column("released_at", sa.BigInteger(), nullable=True))
    op.add_column("manifests", sa.Column("lost", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "progress",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_progress")),
        sqlite_with_rowid=False,
    )
