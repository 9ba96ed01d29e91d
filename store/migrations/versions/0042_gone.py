"""Records that are gone are counted by an index: the day's balance counts what stands of a feed without reading its records."""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index record_gone_ix on source.record (feed) where tombstoned_at is not null")


def downgrade() -> None:
    op.execute("drop index source.record_gone_ix")
