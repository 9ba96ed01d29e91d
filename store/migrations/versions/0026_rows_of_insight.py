"""The rows behind where the days went, and replays of a past year."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_UP = """
create table supervision.insight_days (
    project_code text not null,
    holder text not null,
    department text,
    item_code text,
    item_name text,
    days integer not null
);
create index insight_days_holder_ix on supervision.insight_days (holder, department);
comment on table supervision.insight_days is '用时去向明细 | whose the days of each project were, as of the last row of supervision.insight; what its sums are made of';
create table supervision.what_if (
    id bigint generated always as identity primary key,
    asked jsonb not null,
    year integer not null,
    by text not null,
    asked_at timestamptz not null default now(),
    ended_at timestamptz,
    told jsonb,
    error text
);
comment on table supervision.what_if is '推演 | replays of a past year under a supposed change: what was asked by whom, and what came of it';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(_UP)


def downgrade() -> None:
    op.get_bind().connection.driver_connection.execute("drop table supervision.what_if, supervision.insight_days")
