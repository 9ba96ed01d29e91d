"""Unify works by parts: what it has identified waits to be folded; what depends on a row of another entity is found by index."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_INDEXES = {
    "case": ("project_code", "engineering_code", "applicant_id"),
    "licence": ("project_code", "engineering_code", "certificate_id"),
}
_HUNG = ("case_event", "special_procedure", "material")


def upgrade() -> None:
    op.execute(
        """alter table store.dirty add column fresh boolean not null default false;
           comment on column store.dirty.fresh is '是否新记录 | the record was not known before: no golden row rests on it';
           create table store.unfolded (
               entity text not null,
               record_id bigint,
               id text,
               fresh boolean not null default false);
           comment on table store.unfolded is '待合成：已归一而统一行尚未更新 | what unify has identified and not yet folded';
           comment on column store.unfolded.entity is
               '实体 | whose golden rows have to follow; feed: it is asked whether it made any';
           comment on column store.unfolded.record_id is '记录 | a record whose rows were identified';
           comment on column store.unfolded.id is '编号 | a golden row that depends on what changed; a feed';
           comment on column store.unfolded.fresh is '是否新记录 | as in dirty';
           -- the first row of a record goes by the record's own place
           delete from store.member where entity in ('case_event', 'special_procedure', 'material') and ord = 0"""
    )
    for entity, columns in _INDEXES.items():
        for column in columns:
            op.execute(f'create index {entity}_{column}_ix on source."{entity}" ({column})')


def downgrade() -> None:
    for entity, columns in _INDEXES.items():
        for column in columns:
            op.execute(f"drop index source.{entity}_{column}_ix")
    for entity in _HUNG:
        op.execute(
            f"""insert into store.member (entity, record_id, ord, id)
                select '{entity}', r.id, 0, g.id from store.{entity} g
                join source.record r on r.feed || '|' || r.record_key || '|0' = g.id where g.gone_at is null
                on conflict do nothing"""
        )
    op.execute(
        """insert into store.dirty (record_id, feed, run_id)
           select distinct r.id, r.feed, r.run_id from store.unfolded u join source.record r on r.id = u.record_id;
           drop table store.unfolded;
           alter table store.dirty drop column fresh"""
    )
