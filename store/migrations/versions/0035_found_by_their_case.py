"""What unify leaves to be folded says which cases may be folded beside others.

Events, materials and special procedures are found by their case: nothing asked for them by its number.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_TABLES = ("case_event", "material", "special_procedure")


def upgrade() -> None:
    for table in _TABLES:
        op.execute(f"drop index store.{table}_case_no_ix")
    op.execute(
        """alter table store.unfolded add column part integer;
           comment on column store.unfolded.part is
               '分区 | records of unlike numbers may be folded side by side; null: with all others'"""
    )


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"create index {table}_case_no_ix on store.{table} (case_no)")
    op.execute("alter table store.unfolded drop column part")
