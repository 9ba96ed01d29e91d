"""The database that the migrations make is the one that the metadata declares, comments and all."""

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from store import arrivals, migrate, tables
from store.engine import engine


def test_migrated_database_equals_the_metadata(hub):
    assert migrate.differences() == []


def test_upgrading_twice_changes_nothing(hub):
    migrate.upgrade()
    assert migrate.differences() == []


def test_every_table_and_column_is_commented_in_chinese_and_english(hub):
    with engine().connect() as connection:
        rows = connection.execute(
            sa.text(
                """select c.relname, a.attname, col_description(c.oid, a.attnum), obj_description(c.oid)
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   where n.nspname in ('landing', 'source', 'store') and c.relkind = 'r'
                     and c.relname <> 'schema_version'"""
            )
        ).all()
    assert len(rows) > 400
    for table, column, comment, about in rows:
        for text in (comment, about):
            zh, _, en = (text or "").partition(" | ")
            assert any("\u4e00" <= letter <= "\u9fff" for letter in zh) and en, f"{table}.{column}: {text!r}"


def test_a_box_can_be_searched_by_an_index(hub):
    with engine().begin() as connection:
        connection.execute(sa.text("set local enable_seqscan = off"))
        plan = connection.execute(
            sa.text("explain select * from store.parcel where geom_box && box '((113,22),(114,23))'")
        ).scalars()
        assert "parcel_geom_box_ix" in "".join(plan)


def test_every_entity_has_a_source_and_a_golden_table():
    assert set(tables.source_entity) == set(tables.golden) == set(tables.entities())


def test_every_revision_goes_one_back_and_forward_again(hub):
    """A new version that has to be taken back takes its tables with it, and may come again."""
    script = ScriptDirectory.from_config(migrate.config())
    for revision in [one.revision for one in script.walk_revisions()][:-1]:
        migrate.downgrade("-1")
        with engine().connect() as connection:
            now = connection.exec_driver_sql("select version_num from store.schema_version").scalar()
        assert now == script.get_revision(revision).down_revision
    migrate.upgrade()
    assert migrate.differences() == []


def test_arrivals_that_were_counted_stay_counted_forward_and_back(hub):
    def counted():
        with engine().connect() as connection:
            return connection.exec_driver_sql(
                "select feed, kind, part, at, came, rows from landing.arrival order by feed, kind, part, at, came"
            ).all()

    with engine().begin() as connection:
        for day in (3, 4, 4):
            arrivals.add(
                connection,
                """select 'x.a', kind, part, day + n * interval '1 hour', date '2026-03-05', n
                   from (values ('feed', ''), ('item', 'DG-1')) s (kind, part), generate_series(1, 3) n, make_timestamp(2026, 3, :day, 0, 0, 0) day""",
                day=day,
            )
    before = counted()
    assert [row.rows for row in before if row.kind == "feed"] == [1, 2, 3, 2, 4, 6]
    migrate.downgrade("0039")
    assert counted() == before
    migrate.upgrade()
    assert counted() == before


def test_records_that_wait_for_unify_wait_for_it_one_version_back_too(hub):
    with engine().begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql(
            """insert into source.record (id, feed, record_key, raw, content_hash, receipt_id, run_id, mapping_version, code_version)
               overriding system value
               select n, case when n = 13 then 'x.b' else 'x.a' end, n::text, '', '', 1, 1, 1, '' from generate_series(11, 15) n"""
        )
        connection.exec_driver_sql(
            """insert into store.dirty (record_id, upto, feed, run_id, fresh)
               values (11, 14, 'x.a', 1, true), (13, null, 'x.b', 1, false)"""
        )
    migrate.downgrade("0040")
    with engine().connect() as connection:
        waiting = connection.exec_driver_sql("select record_id, feed, fresh from store.dirty order by 1").all()
    assert waiting == [(11, "x.a", True), (12, "x.a", True), (13, "x.b", False), (14, "x.a", True)]
    migrate.upgrade()
