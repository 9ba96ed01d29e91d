"""Work orders: the order, its log, the outbox to the municipal platform, what comes back."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(statements)


def downgrade() -> None:
    op.execute(
        """drop table supervision.update_cursor, supervision.order_update, supervision.outbox, supervision.order_step,
                      supervision.work_order;
           drop trigger finding_event_not_emptied on supervision.finding_event"""
    )
