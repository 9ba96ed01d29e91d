"""回流 What is sent to whom: rows as the receiver has them, what waits, what was refused; batches with their receipts."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TABLES = """
create table serving.push_state (
    output text primary key,
    declared text,
    xid bigint not null default -1,
    seq bigint not null default -1,
    looked_at timestamptz,
    ran_at timestamptz,
    failures integer not null default 0,
    failing_since timestamptz,
    fault text,
    error text,
    zh text
);
comment on table serving.push_state is '回流状态 | of each output of sinks/*.yaml: up to where the change feed was looked at, how the last run ended';
create table serving.push_batch (
    id uuid primary key default gen_random_uuid(),
    output text not null,
    period text,
    revision integer not null default 1,
    state text not null default 'waiting' check (state in ('waiting', 'delivered', 'settled')),
    rows integer not null,
    sent integer not null,
    accepted integer,
    rejected integer,
    name text not null,
    body_sha256 text not null,
    receipt_sha256 text,
    made_at timestamptz not null default now(),
    tried_at timestamptz,
    attempts integer not null default 0,
    settled_at timestamptz,
    error text,
    unique (output, period, revision),
    constraint push_batch_balance check (state <> 'settled' or rows = accepted + rejected)
);
create unique index push_batch_open_ix on serving.push_batch (output) where state <> 'settled';
create index push_batch_made_ix on serving.push_batch (output, made_at);
comment on table serving.push_batch is '回流批次 | one sending: its bytes and its receipt stand in the archive; rows = accepted + rejected, or it is not settled';
create table serving.push_row (
    output text not null,
    key text not null,
    state text not null check (state in ('waiting', 'accepted', 'rejected')),
    operation text not null check (operation in ('I', 'U', 'D')),
    taken_hash bytea,
    wanted_hash bytea,
    cells jsonb,
    reasons jsonb,
    batch_id uuid references serving.push_batch (id),
    ord integer,
    attempts integer not null default 0,
    since timestamptz not null default now(),
    taken_at timestamptz,
    primary key (output, key)
);
create index push_row_waiting_ix on serving.push_row (output, since, key) where state = 'waiting';
create index push_row_rejected_ix on serving.push_row (output, since) where state = 'rejected';
create index push_row_batch_ix on serving.push_row (batch_id, ord) where batch_id is not null;
comment on table serving.push_row is '回流记录 | each row that a receiver has, waits for, or refused with every reason; cells: in the receiver''s words, until it is taken';
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("drop table serving.push_row; drop table serving.push_batch; drop table serving.push_state")
