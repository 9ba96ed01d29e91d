"""Entries of the audit log are sealed with a key that the database does not hold; wrong log-ins are counted."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create unlogged table serving.refusal (
               subject text primary key,
               start timestamptz not null,
               tries integer not null
           );
           comment on table serving.refusal is '登录失败计数 | wrong log-ins and keys by account and address';
           create table store.audit_seal (
               seq bigint not null constraint audit_seal_pk primary key,
               key_id text not null,
               seal bytea not null
           );
           comment on table store.audit_seal is '审计封印：数据库之外的密钥 | HMAC of each entry by a key outside of the database';
           comment on column store.audit_seal.seq is '序号 | the entry';
           comment on column store.audit_seal.key_id is '密钥标识 | which key';
           comment on column store.audit_seal.seal is '封印 | HMAC-SHA256 of number and digest';
           create trigger audit_seal_kept before update or delete on store.audit_seal
               for each row execute function store.audit_kept();
           create trigger audit_seal_not_emptied before truncate on store.audit_seal
               for each statement execute function store.audit_kept();
           -- the end of keeping: what was written to the archive goes, from the beginning, and only by this function
           create function store.audit_retire(upto bigint) returns bigint language plpgsql security definer set search_path = '' as
           $$
           declare
               gone bigint;
           begin
               perform pg_catalog.set_config('onemap.audit_retire', upto::text, true);
               delete from store.audit_seal where seq <= upto;
               delete from store.audit where seq <= upto;
               get diagnostics gone = row_count;
               perform pg_catalog.set_config('onemap.audit_retire', '', true);
               return gone;
           end $$;
           comment on function store.audit_retire(bigint) is
               '清理到期审计 | takes entries up to a number out, at the end of their keeping; verify asks for their archive';
           revoke execute on function store.audit_retire(bigint) from public;
           create or replace function store.audit_kept() returns trigger language plpgsql as
           $$ begin
               if tg_op = 'DELETE' and current_user = (select pg_get_userbyid(relowner) from pg_class where oid = 'store.audit'::regclass)
                  and old.seq <= coalesce(nullif(current_setting('onemap.audit_retire', true), ''), '0')::bigint then
                   return old;
               end if;
               raise exception 'store.audit is append-only';
           end $$"""
    )


def downgrade() -> None:
    op.execute(
        """drop table serving.refusal;
           drop function store.audit_retire(bigint);
           drop table store.audit_seal;
           create or replace function store.audit_kept() returns trigger language plpgsql as
           $$ begin raise exception 'store.audit is append-only'; end $$"""
    )
