"""A run notes what the hub's own clock said: a clock that was wrong can be found and mended later."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table landing.run add column began timestamp;
           comment on column landing.run.began is
               '本机时钟 | the hub''s own clock at the start, local time; started_at is the database''s'"""
    )


def downgrade() -> None:
    op.execute("alter table landing.run drop column began")
