"""Every run is written beside its payloads in the archive, so that the store can be made again from there alone."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table landing.run add column listing boolean, add column journaled_at timestamptz;
           comment on column landing.run.listing is
               '是否完整清单 | a complete listing of a feed whose records vanish with it: what it lacks is gone';
           comment on column landing.run.journaled_at is '入册时间 | when the run was written to the journal of the archive';
           create index run_unjournaled_ix on landing.run (id) where journaled_at is null and ended_at is not null;
           create table landing.journal (
               store uuid not null constraint journal_pk primary key,
               decisions text,
               updated_at timestamptz not null default now()
           );
           comment on table landing.journal is '归档日志 | the journal in the archive that this store writes; one row';
           comment on column landing.journal.store is '库标识 | names the store in the archive';
           comment on column landing.journal.decisions is
               '人工决定摘要 | SHA-256 of the decisions of persons as they were last written';
           comment on column landing.journal.updated_at is '更新时间 | updated';
           insert into landing.journal (store) values (gen_random_uuid())"""
    )


def downgrade() -> None:
    op.execute("drop table landing.journal; alter table landing.run drop column listing, drop column journaled_at")
