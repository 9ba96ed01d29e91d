"""The foundation: landing, source and store, as frozen in 0001_foundation.sql."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(statements)


def downgrade() -> None:
    for schema in ("store", "source", "landing"):
        op.execute(
            f"""do $$ declare t record; begin
                for t in select tablename from pg_tables
                         where schemaname = '{schema}' and tablename <> 'schema_version' loop
                    execute format('drop table %I.%I cascade', '{schema}', t.tablename);
                end loop; end $$"""
        )
