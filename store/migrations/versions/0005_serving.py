"""Serving: views, roles and row security, keys, the audit chain, search, webhooks; geometry where PostGIS is there."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in ("serving", "views", "grants"):
        statements = Path(__file__).with_name(f"0005_{part}.sql").read_text(encoding="utf-8")
        op.get_bind().connection.driver_connection.execute(statements)


def downgrade() -> None:
    op.execute(
        """drop schema onemap cascade;
           drop schema if exists asked cascade;
           drop schema serving cascade;
           drop table supervision.project_item;
           drop index supervision.clock_project_light_ix, store.change_xid_seq_ix, store.case_department_code_ix, store.case_in_project_ix;
           drop trigger audit_chain on store.audit;
           drop trigger audit_kept on store.audit;
           drop trigger audit_not_emptied on store.audit;
           drop function store.audit_chain(), store.audit_kept(), store.audit_text(bigint, timestamptz, text, text, text, jsonb)"""
    )
