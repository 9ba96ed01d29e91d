"""A reminder is told at most once: that it is being sent stands in the store before the message leaves."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(
        """alter table supervision.reminder add column sending_at timestamptz;
           comment on column supervision.reminder.sending_at is
               '开始发送 | written before the message leaves; stays where the sender was cut off, and then nobody sends it again'"""
    )


def downgrade() -> None:
    op.get_bind().connection.driver_connection.execute("alter table supervision.reminder drop column sending_at")
