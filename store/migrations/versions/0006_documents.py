"""Documents are looked up by their number as it compares."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index licence_normal_number_ix on source.licence (store.normal_number(number))")


def downgrade() -> None:
    op.execute("drop index source.licence_normal_number_ix")
