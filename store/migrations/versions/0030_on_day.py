"""时间机器: what is judged as of a past day (business time) is kept by the day, for whoever asks of that day again."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_JUDGED = {
    "clock": ("case_id", "project_code"),
    "stage_state": ("project_code",),
    "position": ("project_code",),
    "project_item": ("project_code",),
    "finding": ("id", "project_code", "case_id"),
    "waiting": ("project_code",),
    "work_order": ("no", "finding_id", "project_code"),
}
_TABLES = """
create unlogged table serving.judged_day (
    id bigint generated always as identity primary key,
    as_of date not null,
    change_seq bigint not null,
    event_seq bigint not null,
    step_seq bigint not null,
    rules text not null,
    made_at timestamptz not null default clock_timestamp()
);
create index judged_day_ix on serving.judged_day (as_of, id);
comment on table serving.judged_day is '按日判定 | a past day, judged by what was known when it was asked of last; the newest of a day holds';
comment on column serving.judged_day.change_seq is '变更流位置 | everything up to this place of store.change was seen';
comment on column serving.judged_day.event_seq is '发现履历位置 | the same of supervision.finding_event';
comment on column serving.judged_day.step_seq is '工单履历位置 | the same of supervision.order_step';
comment on column serving.judged_day.rules is '规则摘要 | digest of the rules that it was judged by';
-- what stands in them is made by serving/sql/provide.py
create schema on_day_store;
create schema on_day_supervision;
create schema on_day;
revoke all on schema on_day_store, on_day_supervision, on_day from public;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_TABLES)
    for name, keys in _JUDGED.items():
        connection.execute(
            f"create unlogged table serving.day_{name} (day_id bigint not null, like supervision.{name})"
        )
        for key in keys:
            connection.execute(f"create index day_{name}_{key}_ix on serving.day_{name} (day_id, {key})")
        connection.execute(
            f"comment on table serving.day_{name} is '按日判定 | rows of supervision.{name} as of a day, of serving.judged_day'"
        )


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(
        "drop schema on_day cascade; drop schema on_day_supervision cascade; drop schema on_day_store cascade"
    )
    for name in _JUDGED:
        connection.execute(f"drop table serving.day_{name}")
    connection.execute("drop table serving.judged_day")
