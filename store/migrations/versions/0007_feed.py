"""Who is held to a town or a department reads the change feed by key; cases by light in the order of their pages."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    views = Path(__file__).with_name("0007_views.sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(views.replace("create view", "create or replace view"))
    op.execute(
        "create index clock_light_page_ix on supervision.clock (light, case_id) where light <> '灰'; drop index supervision.clock_light_ix"
    )


def downgrade() -> None:
    op.execute(
        "create index clock_light_ix on supervision.clock (light) where light in ('红', '双红', '黄'); drop index supervision.clock_light_page_ix"
    )
    # the views show the same rows as before
