"""An entity that ``schemas/entities`` gained, by its YAML alone: tables, golden rows, views, dictionary, API; a new column too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from core.settings import ROOT
from schemas import entities

PERMIT = """
entity: street_permit
zh: 占道许可
doc: A permit to use a street.
key: [permit_no, part]
columns:
  permit_no: {type: text, zh: 许可证号}
  part: {type: int, zh: 分段}
  project_code: {type: text, zh: 项目代码}
  holder_name: {type: text, zh: 持有人, personal: true}
  issued_on: {type: date, zh: 发证日期}
  area: {type: geometry, zh: 范围}
"""

SCRIPT = """
import sys
from pathlib import Path
from schemas import entities
entities.FOLDER = Path(sys.argv[1])
import sqlalchemy as sa
from serving.sql import dictionary, provide, views
from store import fold, hash as hashing, migrate, tables, unify
from store.engine import engine, transaction

made = provide.upgrade()
print("MADE", *made)
print("AGAIN", *provide.upgrade())
assert not migrate.differences(), migrate.differences()
with transaction() as c:
    if "street_permit" in tables.golden and not c.exec_driver_sql("select count(*) from source.record").scalar():
        c.exec_driver_sql("insert into landing.run (source, feed, window_full, trigger) values ('x', 'x.f', true, 'cli')")
        for n, (key, name) in enumerate([("A", "张三"), ("B", "李四"), (None, "王五")]):
            record = c.exec_driver_sql(
                "insert into source.record (feed, record_key, raw, content_hash, recorded_at, run_id, receipt_id, place, mapping_version, code_version) "
                "select 'x.f', %s, '\\\\x', %s, now(), max(id), 1, '1', 1, 'x' from landing.run returning id", (str(n), str(n).encode())).scalar()
            c.exec_driver_sql(
                "insert into source.street_permit (record_id, ord, feed, permit_no, part, project_code, holder_name) "
                "values (%s, 1, 'x.f', %s, 2, 'P1', %s)", (record, key, name))
            c.exec_driver_sql("insert into store.dirty (record_id, feed, run_id) select %s, 'x.f', max(id) from landing.run", (record,))
print("UNIFIED", unify.unify().changes)
hashing.of_store()
with engine().connect() as c:
    c.exec_driver_sql("set role onemap_reader")
    rows = c.exec_driver_sql("select id, permit_no, holder_name from onemap.street_permit order by 1").all()
    print("ROWS", [tuple(r) for r in rows])
    c.exec_driver_sql("reset role")
    print("CHANGES", c.exec_driver_sql("select count(*) from onemap.change where entity = 'street_permit'").scalar())
    print("READ BY", sorted(c.exec_driver_sql(
        "select grantee || ' ' || table_schema from information_schema.role_table_grants where table_name = 'street_permit' and "
        "table_schema in ('onemap', 'asked') and privilege_type = 'SELECT' and grantee like 'onemap_%%'").scalars()))
    print("COLUMNS", c.exec_driver_sql("select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns "
        "where table_schema = 'onemap' and table_name = 'street_permit'").scalar())
assert "## street_permit" in dictionary.text()
from serving.api.app import app
paths = app.openapi()["paths"]
allowed = next(p["schema"]["enum"] for p in paths["/v1/rows/{entity}"]["get"]["parameters"] if p["name"] == "entity")
assert "street_permit" in allowed
"""


def run(folder, *more: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "dags" / "provider")])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(SCRIPT), str(folder), *more],
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_an_entity_and_then_a_column_come_by_yaml_alone(hub, tmp_path):
    folder = tmp_path / "entities"
    shutil.copytree(ROOT / "schemas" / "entities", folder)
    (folder / "street_permit.yaml").write_text(PERMIT, "utf-8")
    told = run(folder)
    assert "onemap.street_permit" in told and "asked.street_permit" in told and "onemap.change" in told
    assert "\nAGAIN\n" in told.replace("AGAIN \n", "AGAIN\n")
    assert "{'street_permit': {'ADD': 2}}" in told  # a row whose key is not whole makes none
    assert "('A|2', 'A', '张*')" in told and "CHANGES 2" in told
    (folder / "street_permit.yaml").write_text(
        PERMIT.replace("  area:", "  width: {type: decimal, zh: 宽度, unit: m}\n  area:"), "utf-8"
    )
    told = run(folder)
    assert "MADE onemap.street_permit asked.street_permit" in told
    assert "changed_at width" in told  # behind the others: what was built upon the view stands
    (folder / "street_permit.yaml").write_text(PERMIT.replace("part: {type: int", "part: {type: text"), "utf-8")
    with pytest.raises(AssertionError, match="part is BIGINT in the database, TEXT by schemas"):
        run(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: [permit_no, part]", "key: [permit_nr]", "did you mean permit_no"),
        ("key: [permit_no, part]", "key: []", "names the golden row"),
        ("key: [permit_no, part]", "key: [area]", "names no row"),
        ("entity: street_permit", "entity: street", "must be the file's name"),
        ("  part:", "  id:", "no name of a column"),
        ("  part:", "  Part No:", "no name of a column"),
        ("zh: 分段}", "zh: 分段, codes: evnt}", "did you mean event"),
        ("type: int", "type: integer", "'int'"),
    ],
)
def test_a_wrong_entity_is_refused_by_file_and_line(tmp_path, old, new, said):
    from core.errors import ConfigurationError

    path = tmp_path / "street_permit.yaml"
    path.write_text(PERMIT.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        entities.read(path)
    assert said in str(caught.value) and "street_permit.yaml:" in str(caught.value)


def test_a_name_of_the_store_is_refused(tmp_path):
    path = tmp_path / "record.yaml"
    path.write_text(PERMIT.replace("street_permit", "record"), "utf-8")
    with pytest.raises(Exception, match="already"):
        entities.read(path)
