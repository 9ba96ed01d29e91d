"""变更流的保存期限 Up to where the feed of changes was dropped, so that whoever comes back too late is told."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create table serving.feed_dropped (
               one boolean primary key default true check (one),
               xid bigint not null,
               seq bigint not null,
               at timestamptz not null default now()
           );
           comment on table serving.feed_dropped is
               '变更流已清理到的位置 | the last change that housekeeping dropped: readers before it have missed some';
           create function serving.feed_begin(out xid bigint, out seq bigint)
               language sql stable security definer set search_path = '' as
           $$
               select coalesce(max(d.xid), -1), coalesce(max(d.seq), -1) from serving.feed_dropped d
           $$;
           comment on function serving.feed_begin() is '变更流起点 | the last change that is no longer kept, -1 where all are';
           do $$
           begin
               if exists (select from pg_roles where rolname = 'onemap_api') then
                   grant execute on function serving.feed_begin() to onemap_api;
               end if;
           end $$"""
    )


def downgrade() -> None:
    op.execute("drop function serving.feed_begin(); drop table serving.feed_dropped")
