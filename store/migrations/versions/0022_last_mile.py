"""Forecasts beside the clocks, reminders that were sent, accounts of an enterprise, an agent, a team."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_UP = """
create table supervision.forecast_model (
    version text primary key,
    as_of date not null,
    made_at timestamptz not null default now(),
    model jsonb not null
);
comment on table supervision.forecast_model is '预测模型 | what was learned of the cases, as numbers: read as JSON, never executed';
create table supervision.forecast (
    case_id text primary key,
    project_code text,
    as_of date not null,
    version text not null,
    data_as_of timestamp,
    waits boolean not null,
    chance double precision check (chance between 0 and 1),
    likely_on date,
    first_on date,
    last_on date,
    reasons jsonb not null,
    check (waits = (chance is null))
);
create index forecast_project_ix on supervision.forecast (project_code);
comment on table supervision.forecast is '在办件预测 | chance to become overdue and likely day of the end, of running cases; read by people alone, by no rule';
comment on column supervision.forecast.waits is '待数据：数据源静默，不作预测 | its source is silent: no forecast';
create table supervision.forecast_step (
    project_code text not null,
    item_code text not null,
    item_name text,
    as_of date not null,
    version text not null,
    begins_on date,
    begins_first date,
    begins_last date,
    done_on date,
    done_first date,
    done_last date,
    primary key (project_code, item_code)
);
comment on table supervision.forecast_step is '下一步预测 | likely days of receipt and end of a project''s current items that have no case yet';
alter table supervision.reminder add column sent_at timestamptz, add column sent_by text, add column tries smallint not null default 0,
    add column error text;
comment on column supervision.reminder.sent_at is '发送时间 | when a channel took it; null: waits, or nobody is named for it';
create index reminder_unsent_ix on supervision.reminder (id) where sent_at is null;
alter table serving.account add column enterprises text[], add column agents text[], add column teams text[];
"""
_DOWN = """
alter table serving.account drop column enterprises, drop column agents, drop column teams;
drop index supervision.reminder_unsent_ix;
alter table supervision.reminder drop column sent_at, drop column sent_by, drop column tries, drop column error;
drop table supervision.forecast, supervision.forecast_step, supervision.forecast_model;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(_UP)


def downgrade() -> None:
    op.get_bind().connection.driver_connection.execute(_DOWN)
