"""数据共享: a department's request for data, the owner's word on it, and the key that follows; words on drift."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TABLES = """
create table serving.data_request (
    id bigint generated always as identity primary key,
    department text not null,
    applicant text not null,
    contact text not null default '',
    fields jsonb not null,
    scopes text[] not null default '{}',
    purpose text not null check (length(purpose) between 5 and 1000),
    until date not null,
    state text not null default 'asked' check (state in ('asked', 'granted', 'refused', 'ended')),
    asked_at timestamptz not null default now(),
    decided_at timestamptz,
    decided_by text,
    note text,
    key_id text references serving.api_key (id),
    check ((state = 'asked') = (decided_at is null))
);
create index data_request_state_ix on serving.data_request (state, asked_at);
comment on table serving.data_request is '数据共享申请 | what a department asks for: entities and fields, rows, purpose, until when; the owner''s decision; the key that it got';
comment on column serving.data_request.fields is '实体 → 字段 | entity -> list of columns, null: all';
comment on column serving.data_request.scopes is '行范围与明文 | rows (town:, department:) and read: scopes';
create table serving.drift_decision (
    id bigint generated always as identity primary key,
    feed text not null,
    code text not null,
    field text not null default '',
    verdict text not null check (verdict in ('adopted', 'declined')),
    by text not null,
    note text not null,
    at timestamptz not null default now()
);
create index drift_decision_ix on serving.drift_decision (feed, code, field, at);
comment on table serving.drift_decision is '结构漂移的决定 | a person''s word on a change of a feed''s columns or codes: adopted into the mapping, or declined; it tells no more';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(_TABLES)


def downgrade() -> None:
    op.execute("drop table serving.drift_decision; drop table serving.data_request")
