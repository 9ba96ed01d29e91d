"""Incidents: what is wrong, who was told of it, and whether it arrived."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table serving.incident (
               id bigint generated always as identity primary key, key text not null, kind text not null,
               severity smallint not null check (severity between 1 and 3), source text, content jsonb not null,
               opened_at timestamptz not null default now(), seen_at timestamptz not null default now(), closed_at timestamptz);
           create unique index incident_open on serving.incident (key) where closed_at is null;
           create index incident_closed on serving.incident (closed_at desc) where closed_at is not null;
           comment on table serving.incident is '告警事项 | an incident: opened once, closed when it is over';
           create table serving.incident_notice (
               incident_id bigint not null references serving.incident on delete cascade, route text not null,
               first_at timestamptz not null default now(), last_at timestamptz not null default now(), times int not null default 1,
               closed_at timestamptz, primary key (incident_id, route));
           comment on table serving.incident_notice is '告警通知 | which route was told of an incident, when last, and of its end';
           create table serving.incident_message (
               id bigint generated always as identity primary key, at timestamptz not null default now(),
               incident_id bigint references serving.incident on delete cascade, route text not null, channel text not null,
               event text not null, title text not null, error text);
           comment on table serving.incident_message is '告警消息 | every message that was sent, and why it did not arrive'"""
    )


def downgrade() -> None:
    op.execute("drop table serving.incident_message, serving.incident_notice, serving.incident")
