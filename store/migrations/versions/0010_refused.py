"""One record's fault is one record's: texts of any length that are looked up by equality stand in hash indexes (a B-tree
refuses what is longer than 2,704 bytes), and a record that unify cannot take is set aside."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """drop index store.case_normal_licence_no_ix;
           create index case_normal_licence_no_ix on store."case" using hash (store.normal_number(licence_no));
           drop index landing.quarantine_open_key_ix;
           create index quarantine_open_key_ix on landing.quarantine using hash (record_key) where (state = 'open');
           alter table source.record add refused_at timestamptz;
           comment on column source.record.refused_at is
               '搁置时间 | since when unify cannot take this version: its rows are out, quarantine says why'"""
    )


def downgrade() -> None:
    op.execute(
        """drop index store.case_normal_licence_no_ix;
           create index case_normal_licence_no_ix on store."case" (store.normal_number(licence_no));
           drop index landing.quarantine_open_key_ix;
           create index quarantine_open_key_ix on landing.quarantine (feed, record_key) where (state = 'open');
           alter table source.record drop refused_at"""
    )
