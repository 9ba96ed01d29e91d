"""Who was told of a silence and of its end, by recipient: written before the message leaves, so that nobody is told twice."""

from alembic import op

from store import tables

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.silence_notice.create(op.get_bind())
    for column in ("told_at", "told_end_at"):  # a fresh store never had them
        op.execute(f"alter table landing.silence drop column if exists {column}")


def downgrade() -> None:
    for column in ("told_at", "told_end_at"):
        op.execute(f"alter table landing.silence add column if not exists {column} timestamptz")
    tables.silence_notice.drop(op.get_bind())
