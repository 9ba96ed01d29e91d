"""How much arrives by the time that it speaks of, and the silences that were found."""

from pathlib import Path

from alembic import op

from store import tables

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table landing.arrival (
               feed text not null, kind text not null, part text not null, at timestamp not null, came date not null,
               rows bigint not null, constraint arrival_pk primary key (feed, kind, part, at, came))"""
    )
    tables.silence.create(op.get_bind())
    op.execute(
        """alter table supervision.waiting add column silent_since timestamp;
           comment on column supervision.waiting.silent_since is
               '静默起 | since when one of the awaited feeds may lack rows because it is silent; null: none of them is silent'"""
    )
    views = Path(__file__).with_name("0018_views.sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(views.replace("create view", "create or replace view"))
    # what was stored before, by its own time; finer parts are learned from now on
    op.execute(
        """insert into landing.arrival (feed, kind, part, at, came, rows)
           select feed, 'feed', '', date_trunc('hour', source_time), min(day), count(*)
           from (select feed, source_time, recorded_at::date as day from source.record where source_time is not null
                 union all
                 select r.feed, h.source_time, h.recorded_at::date from source.record_history h
                 join source.record r on r.id = h.record_id where h.source_time is not null) v
           where source_time between current_date - 400 and current_timestamp::timestamp
           group by feed, date_trunc('hour', source_time)"""
    )


def downgrade() -> None:
    op.execute("alter table supervision.waiting drop column silent_since")
    tables.silence.drop(op.get_bind())
    op.execute("drop table landing.arrival")
