"""Images of the Docker Registry v1."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "v1_images",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("image_id", _NAME, nullable=False),
        sa.Column("parent", _NAME, nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("checksums", sa.Text(), nullable=False),
        sa.Column("announced", sa.Text(), nullable=False),
        sa.Column("layer_digest", _NAME, nullable=True),
        sa.Column("layer_size", sa.BigInteger(), nullable=True),
        sa.Column("layer_facts", sa.Text(), nullable=True),
        sa.Column("shown_digest", _NAME, nullable=True),
        sa.Column("manifest_digest", _NAME, nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_v1_images_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "image_id", name=op.f("pk_v1_images")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_v1_images_image_id"), "v1_images", ["image_id"])
    op.create_index(op.f("ix_v1_images_layer_digest_repository_id"), "v1_images", ["layer_digest", "repository_id"])
    op.create_index(op.f("ix_v1_images_shown_digest_repository_id"), "v1_images", ["shown_digest", "repository_id"])
    op.create_index(
        op.f("ix_v1_images_repository_id_manifest_digest"), "v1_images", ["repository_id", "manifest_digest"]
    )
    op.create_table(
        "v1_listed",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("image_id", _NAME, nullable=False),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("listed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_v1_listed_repository_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "image_id", name=op.f("pk_v1_listed")),
        sqlite_with_rowid=False,
    )
