"""What SQL users see: the views as declared, masked, and each role its own rows, whatever it asks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from core.errors import ConfigurationError
from serving import roles
from serving.sql import dictionary
from serving.sql.views import SQL_TYPES, note, views
from store import migrate
from store.engine import engine
from tests.serving.conftest import rows

TOWN = "onemap_test_town"
LAND = "114419000001000445"  # 自然资源局


@pytest.fixture(scope="module")
def as_role(store) -> Iterator:
    """``as_role(name)(sql)`` → rows as a session of that role sees them."""

    def sessions(role: str):
        def run(statement: str, *values) -> list[tuple]:
            with engine().connect() as connection:
                raw: psycopg.Connection = connection.connection.driver_connection
                with raw.cursor() as cursor:
                    cursor.execute(f"set role {role}")
                    try:
                        cursor.execute(statement, values or None)
                        return cursor.fetchall() if cursor.description else []
                    finally:
                        raw.rollback()
                        cursor.execute("reset role")

        return run

    yield sessions
    for role in roles.listed():
        roles.drop(role["role"])


def test_there_is_one_head_of_the_migrations():
    assert len(ScriptDirectory.from_config(migrate.config()).get_heads()) == 1


def test_the_migrations_make_the_views_that_are_declared(store):
    with engine().connect() as connection:
        found = connection.execute(
            sa.text(
                """select c.relname, a.attname, format_type(a.atttypid, null), col_description(c.oid, a.attnum), n.nspname
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
                   where n.nspname in ('onemap', 'asked') and c.relkind = 'v' and c.relname not like '%\\_geometry' order by c.relname, a.attnum"""
            )
        ).all()
    for schema in ("onemap", "asked"):
        made = {(v, c, kind, comment) for v, c, kind, comment, where in found if where == schema}
        declared = {
            (v.name, c.name, SQL_TYPES[c.type], f"{c.zh} | {' '.join(note(c).split())}")
            for v in views().values()
            for c in v.columns
        }
        assert made == declared, made ^ declared


def test_the_definitions_stand_in_the_migrations(store):
    """The frozen DDL is that of the declaration: a change of a view needs a revision."""
    from serving.sql.views import ddl

    frozen = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((migrate.Path(migrate.__file__).parent / "migrations" / "versions").glob("*_views.sql"))
    )
    missing = [
        statement.split("\n")[0]
        for statement in ddl().split(";\n")
        if statement.strip() and statement.strip() not in frozen
    ]
    assert missing == []


def test_the_data_dictionary_is_in_step():
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.text(), "python -m serving.sql.dictionary"


def test_a_reader_reads_every_row_masked_and_no_table(as_role):
    reader = as_role("onemap_reader")
    assert (
        reader("select count(*) from onemap.project")[0][0]
        == rows("select count(*) from store.project where gone_at is null")[0]["count"]
    )
    clear = rows(
        """select id, contact_phone, applicant_id, contact_name from store."case" where contact_phone is not null limit 50"""
    )
    shown = {
        row[0]: row[1:]
        for row in reader("""select id, contact_phone, applicant_id, contact_name from onemap."case" """)
    }
    for row in clear:
        phone, number, name = shown[row["id"]]
        assert phone == f"{row['contact_phone'][:3]}****{row['contact_phone'][-4:]}"
        assert row["contact_name"] is None or name == row["contact_name"][0] + "*" * (len(row["contact_name"]) - 1)
        assert row["applicant_id"] is None or number == row["applicant_id"][:4] + "*" * 10 + row["applicant_id"][-4:]
    assert clear
    for table in (
        "store.project",
        'store."case"',
        "source.record",
        "supervision.finding",
        "serving.api_key",
        "store.audit",
        "asked.project",
        "serving.name",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader(f"select * from {table} limit 1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader("delete from onemap.redline")


def test_a_role_of_a_town_sees_its_town_by_every_view_and_trick(as_role, two_towns):
    ours, theirs = two_towns
    roles.make(TOWN, [f"town:{ours}"], by="test", login=False)
    town = as_role(TOWN)
    projects = {row["id"] for row in rows("select id from store.project where town_code = :t", t=ours)}
    assert {row[0] for row in town("select id from onemap.project")} == projects
    for name, view in views().items():
        if "project_code" in view.by_name and name not in ("project",):
            seen = {
                row[0]
                for row in town(f'select distinct project_code from onemap."{name}" where project_code is not null')
            }
            assert seen <= projects, name
    foreign = rows("select id from store.project where town_code = :t", t=theirs)[0]["id"]
    assert town("select * from onemap.project where id = %s", foreign) == []
    # its own settings, another role and a function that peeps change nothing
    assert {
        row[0]
        for row in town("""select set_config('onemap.grant', '{"free": true}', true); select id from onemap.project""")
        or town("select id from onemap.project")
    } <= projects | {'{"free": true}'}
    for other in ("onemap_api", "onemap_reader"):
        with engine().connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw = connection.connection.driver_connection
            raw.execute(f"set session authorization {TOWN}")
            try:
                raw.execute(f"set role {other}")
            finally:
                raw.rollback()
                raw.execute("reset session authorization")
    notices: list[str] = []
    with engine().connect() as connection:
        raw = connection.connection.driver_connection
        raw.add_notice_handler(lambda n: notices.append(n.message_primary))
        raw.execute("set client_min_messages = notice")
        raw.execute(f"set role {TOWN}")
        raw.execute(
            "create function pg_temp.peep(t text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice 'saw %', t; return true; end $$"
        )
        raw.execute("select project_code from onemap.project where pg_temp.peep(project_code)").fetchall()
        raw.rollback()
        raw.execute("reset role")
    assert {n.removeprefix("saw ") for n in notices} == projects


def test_a_role_of_a_department_sees_what_it_handles_or_leads(as_role):
    roles.make("onemap_test_land", [f"department:{LAND}"], by="test", login=False)
    land = as_role("onemap_test_land")
    led = {row["item_code"] for row in rows("select item_code from store.item where department_code = :d", d=LAND)}
    cases = land("""select department_code, item_code from onemap."case" """)
    assert cases
    assert all(code in (LAND, LAND[8:17]) or item in led for code, item in cases)
    hidden = rows("select count(*) from supervision.finding where department_code <> :d", d=LAND)[0]["count"]
    assert hidden > 0
    assert {row[0] for row in land("select department_code from onemap.finding")} <= {LAND}


def test_two_grants_narrow_and_a_role_without_one_sees_nothing(as_role, two_towns):
    roles.make("onemap_test_a", [f"town:{two_towns[0]}"], by="test", login=False)
    roles.make("onemap_test_b", [f"department:{LAND}"], by="test", login=False)
    with engine().begin() as connection:
        connection.exec_driver_sql("grant onemap_test_a to onemap_test_b")
    both = as_role("onemap_test_b")
    assert {row[0] for row in both("select town_code from onemap.project")} <= {two_towns[0]}
    assert as_role("onemap_scoped")("select * from onemap.project") == []


def test_a_role_that_sees_everything_already_is_not_restricted_in_vain(store):
    with engine().begin() as connection:
        connection.exec_driver_sql(
            "do $$ begin if not exists (select from pg_roles where rolname = 'onemap_test_all') then create role onemap_test_all; end if; end $$"
        )
        connection.exec_driver_sql("grant onemap_reader to onemap_test_all")
    with pytest.raises(ConfigurationError):
        roles.make("onemap_test_all", ["town:441900119"], by="test")
    with engine().begin() as connection:
        connection.exec_driver_sql("drop role onemap_test_all")


def test_down_and_up_again_leaves_the_same_tables(hub):
    from alembic import command

    with engine().connect() as connection:
        made = migrate.config()
        made.attributes["connection"] = connection
        command.downgrade(made, "0004")
        connection.commit()
    migrate.upgrade()
    assert migrate.differences() == []


@pytest.mark.server
def test_geometry_views_where_postgis_is(postgis_url, monkeypatch):
    monkeypatch.setenv("ONEMAP_DATABASE_URL", postgis_url)
    from store.engine import dispose, transaction

    try:
        migrate.upgrade()
        import shapely

        with transaction() as connection:
            connection.execute(
                sa.text(
                    """insert into store.redline (id, redline_code, project_code, geom, content_hash)
                       values ('H1', 'H1', 'P1', :wkb, ''), ('H2', 'H2', 'P1', null, '')"""
                ),
                {"wkb": shapely.to_wkb(shapely.box(113.8, 22.8, 113.81, 22.81))},
            )
            connection.exec_driver_sql(
                "insert into store.project (id, project_code, content_hash, longitude, latitude) values ('P1', 'P1', '', 1, 2), ('P2', 'P2', '', 113.9, 22.9)"
            )
            found = connection.exec_driver_sql(
                "select id, st_srid(geometry), st_x(st_centroid(geometry))::numeric(8,3)::text from onemap.redline_geometry order by id"
            ).all()
            projects = connection.exec_driver_sql(
                "select id, st_geometrytype(geometry) from onemap.project_geometry order by id"
            ).all()
        assert [tuple(row) for row in found] == [("H1", 4490, "113.805"), ("H2", None, None)]
        assert [tuple(row) for row in projects] == [("P1", "ST_Polygon"), ("P2", "ST_Point")]
    finally:
        dispose()
        assert os.environ["ONEMAP_DATABASE_URL"] == postgis_url
