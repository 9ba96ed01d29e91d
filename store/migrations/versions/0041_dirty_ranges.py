"""A batch of an initial load is marked for unify by one row, and not by one a record: from its first record's id up to its last."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table store.dirty add column upto bigint;
           comment on column store.dirty.upto is '止于记录 | every record of the feed from record_id up to this one; null: that one alone'"""
    )


def downgrade() -> None:
    op.execute(
        """insert into store.dirty (record_id, feed, run_id, at, fresh)
           select r.id, d.feed, d.run_id, d.at, d.fresh
           from store.dirty d join source.record r on r.feed = d.feed and r.id between d.record_id and d.upto;
           delete from store.dirty where upto is not null;
           alter table store.dirty drop column upto"""
    )
