"""What arrived stands in a row a series and day of receipt, its times and counts in arrays; the view ``landing.arrival`` shows each.

A row an hour or day that was spoken of, under a key of three names, took 71 bytes a record of a first load; now 9.
"""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_COMMENTS = {
    "feed": "数据流 | feed",
    "kind": "口径 | feed (the whole, by the hour), department, town, item, event, column (where it is filled), by the day",
    "part": "部分 | which department, town, item, event or entity.column; empty of the whole",
    "came": "到达日 | day on which the hub received them",
}
_BY_DAY = """
create table landing.arrival_day (
    feed text not null,
    kind text not null,
    part text not null,
    came date not null,
    at timestamp[] not null,
    rows bigint[] not null,
    constraint arrival_day_pk primary key (feed, kind, part, came));
comment on table landing.arrival_day is
    '到达：各数据流按内容时间的到达量，每到达日一行 | how much arrived, by the time that it speaks of: a row a day of receipt; the view arrival shows each time as a row';
comment on column landing.arrival_day.at is '内容时间 | hours or days that the rows speak of, local time, ascending';
comment on column landing.arrival_day.rows is '行数 | versions not known before, of each time';
insert into landing.arrival_day (feed, kind, part, came, at, rows)
select feed, kind, part, came, array_agg(at order by at), array_agg(rows order by at) from landing.arrival group by feed, kind, part, came
order by feed, kind, part, came;
drop table landing.arrival;
create view landing.arrival as
select d.feed, d.kind, d.part, c.at, d.came, c.rows from landing.arrival_day d cross join lateral unnest(d.at, d.rows) c (at, rows);
comment on view landing.arrival is
    '到达：各数据流按内容时间的到达量 | how much arrived, by the time that it speaks of: every count of arrival_day';
"""
_BY_HOUR = """
drop view landing.arrival;
create table landing.arrival (
    feed text not null,
    kind text not null,
    part text not null,
    at timestamp not null,
    came date not null,
    rows bigint not null,
    constraint arrival_pk primary key (feed, kind, part, at, came));
comment on table landing.arrival is '到达：各数据流按内容时间的到达量 | how much arrived, by the time that it speaks of';
comment on column landing.arrival.at is '内容时间 | hour or day that the rows speak of, local time';
comment on column landing.arrival.rows is '行数 | versions not known before';
insert into landing.arrival (feed, kind, part, at, came, rows)
select d.feed, d.kind, d.part, c.at, d.came, c.rows from landing.arrival_day d cross join lateral unnest(d.at, d.rows) c (at, rows);
drop table landing.arrival_day;
"""


def _go(statements: str, table: str) -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(statements)
    for column, comment in _COMMENTS.items():
        connection.execute(f"comment on column landing.{table}.{column} is '{comment}'")


def upgrade() -> None:
    _go(_BY_DAY, "arrival_day")


def downgrade() -> None:
    _go(_BY_HOUR, "arrival")
