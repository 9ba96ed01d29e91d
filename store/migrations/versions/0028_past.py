"""时间机器: values before each change stand in the feed, and the views show the store as it was known at an instant."""

import re
from pathlib import Path

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TABLES = """
create index change_at_ix on store.change using brin (at);
create aggregate serving.jsonb_over (jsonb) (sfunc = pg_catalog.jsonb_concat, stype = jsonb, initcond = '{}');
create unlogged table serving.past_change (entity text not null, entity_id text not null, op text not null, was jsonb not null);
create index past_change_ix on serving.past_change (entity, entity_id);
comment on table serving.past_change is '回看 | what came after the instant that a reader looks back to; written and rolled back by that reader alone';
create table serving.past_since (since timestamptz not null);
insert into serving.past_since values (now());
create function serving.feed_since() returns timestamptz language sql stable security definer set search_path = '' as
    'select since from serving.past_since';
comment on table serving.past_since is '可回看的起点 | from when on the feed has the values before each change';
-- a row's values right after one of its changes: those of now, with what later changes wrote over; of a MOD its columns alone
create function serving.change_after(of_entity text, of_id text, of_xid bigint, of_seq bigint, of_op text, of_columns text[]) returns jsonb
    language plpgsql stable security definer set search_path = '' as $$
declare
    told jsonb;
    later jsonb;
begin
    if of_op = 'DEL' or not exists (select from pg_catalog.pg_class t
                                    where t.relnamespace = 'past_store'::pg_catalog.regnamespace and t.relname = of_entity) then
        return null;
    end if;
    execute pg_catalog.format('select pg_catalog.to_jsonb(g) from store.%I g where g.id = $1', of_entity) into told using of_id;
    select serving.jsonb_over(coalesce(c.before, '{}') order by c.xid desc, c.seq desc) into later
    from store.change c where c.entity = of_entity and c.entity_id = of_id and (c.xid, c.seq) > (of_xid, of_seq);
    told := (told || coalesce(later, '{}')) - array['changed_at', 'gone_at'];
    if of_op = 'MOD' then
        select pg_catalog.jsonb_object_agg(t.key, t.value) into told from pg_catalog.jsonb_each(told) t
        where t.key = any (of_columns || array['provenance', 'content_hash']);
    end if;
    return told;
end $$;
-- what stands in them is made by serving/sql/provide.py
create schema past_store;
create schema past_supervision;
create schema past;
revoke all on schema past_store, past_supervision, past from public;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_TABLES)
    views = Path(__file__).with_name("0028_views.sql").read_text(encoding="utf-8")
    connection.execute(views.replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    views = Path(__file__).with_name("0028_views.sql").read_text(encoding="utf-8")
    views = re.sub(r"case when [^\n]*? end as (before|after)(?=,?\n)", r"c.\1 as \1", views)
    connection.execute(views.replace("create view", "create or replace view"))
    connection.execute(
        """drop schema past cascade; drop schema past_supervision cascade; drop schema past_store cascade;
           drop function serving.change_after; drop function serving.feed_since(); drop table serving.past_since;
           drop table serving.past_change; drop aggregate serving.jsonb_over (jsonb); drop index store.change_at_ix"""
    )
