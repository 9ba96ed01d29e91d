"""An event, a material and a special procedure are from the record that their id names: provenance says it no more, the views do."""

from pathlib import Path

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TABLES = ("case_event", "material", "special_procedure")


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    for table in _TABLES:
        connection.execute(f"update store.{table} set provenance = '{{}}'")
    views = Path(__file__).with_name("0036_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    # the views do for either: they look into provenance first
    for table in _TABLES:
        connection.execute(
            f"""update store.{table} set provenance = jsonb_build_object('*', left(id, -strpos(reverse(id), '|')))
                where provenance = '{{}}'"""
        )
