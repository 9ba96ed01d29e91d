"""Accounts of people: role, rows, and the password as scrypt."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table serving.account (
               name text primary key, role text not null, digest bytea not null, salt bytea not null,
               towns text[], departments text[], made_at timestamptz not null default now(), made_by text not null,
               closed_at timestamptz);
           comment on table serving.account is '人员账号 | an account of a person, for Airflow and the pages alike'"""
    )


def downgrade() -> None:
    op.execute("drop table serving.account")
