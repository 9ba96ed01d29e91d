"""A version's valid_to is its last day, that day included: the comments say so, and what the codes mean is made anew by the
next unify."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("source.item", "store.item", "onemap.item", "asked.item"):
        op.execute(
            f"""comment on column {table}.valid_to is
                '失效日 | last day in force, that day included; where versions overlap the later holds; null = none'"""
        )
    op.execute(
        """insert into store.dirty (record_id, feed, run_id)
           select distinct r.id, r.feed, r.run_id from source.item i join source.record r on r.id = i.record_id"""
    )


def downgrade() -> None:
    for table in ("source.item", "store.item", "onemap.item", "asked.item"):
        op.execute(f"comment on column {table}.valid_to is '失效日 | last day in force is the day before; null = none'")
