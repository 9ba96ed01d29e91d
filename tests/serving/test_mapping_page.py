"""A mapping's page: what has drifted and a person's word on it, a difference before a replay."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from serving.access import ADMIN, DECIDE, PROJECTS, Grant
from serving.alerts import detect
from serving.pages.app import application
from store import hash as store_hash
from store.engine import transaction


@pytest.fixture
def pages(store):
    def of(*scopes):
        async def asker(_):
            return Grant("li", frozenset({PROJECTS, ADMIN, *scopes}))

        return TestClient(application(asker), headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)

    return of


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the declarations, in which the page writes."""
    from core import settings
    from mappings import compiler
    from pipeline.onboard import accept
    from schemas import raw

    for name in ("mappings", "schemas"):
        shutil.copytree(settings.ROOT / name, tmp_path / name)
    monkeypatch.setattr(accept.accept, "__kwdefaults__", {"root": tmp_path})
    monkeypatch.setattr(raw, "FEEDS", tmp_path / "schemas" / "feeds.yaml")
    monkeypatch.setattr(compiler, "FOLDER", tmp_path / "mappings")
    yield tmp_path
    monkeypatch.undo()
    accept._forget()


def test_a_drift_is_decided_and_its_incident_ends(pages, checkout):
    with transaction() as c:
        c.execute(
            sa.text(
                """insert into landing.issue (feed, code, severity, duty, field, detail, fingerprint, count, first_seen_at, last_seen_at)
                   values ('m2.sl', 'unknown_column', 'warning', 'operations', 'XZD', '新字段', sha256('x'), 3, now(), now())"""
            )
        )
    assert any(t.key == "drift:m2.sl" and "XZD" in t.what for t in detect.detect())
    api = pages(DECIDE)
    text = api.get("/ops/mapping/m2.sl").text
    assert "XZD" in text and "不采用" in text
    form = {"code": "unknown_column", "field": "XZD", "verdict": "declined", "note": "对方内部字段"}
    assert pages().post("/ops/mapping/m2.sl/drift", data=form).status_code == 403
    assert api.post("/ops/mapping/m2.sl/drift", data={**form, "field": "NONE"}).status_code == 404
    assert api.post("/ops/mapping/m2.sl/drift", data=form).status_code == 303
    assert "对方内部字段（XZD 不使用，已写入 mappings/m2/sl.yaml" in api.get("/ops/mapping/m2.sl").text
    assert ", XZD]" in (checkout / "mappings/m2/sl.yaml").read_text("utf-8")
    assert not any(t.key == "drift:m2.sl" and "XZD" in t.what for t in detect.detect())


@pytest.mark.parametrize(
    ("feed", "target", "line"),
    [
        ("m2.sl", "case.refuse_reason", "{first_of: ["),  # has a source: the new column goes before it
        ("d2.projects", "project.scope", "scope: 新列"),  # has none
        ("d4.cases", "case.result_text", "result_text: "),
        ("p2.land_approval", "land_approval.land_user", "{first_of: [新列, 用地单位]}"),
    ],
)
def test_a_new_column_is_taken_into_the_declarations(checkout, feed, target, line):
    from mappings import compiler
    from pipeline.onboard import accept
    from sources import loader

    path = checkout / "mappings" / f"{loader.feed(feed).mapping}.yaml"
    was = compiler.read(path)
    text = path.read_text("utf-8")
    done = accept.accept(feed, "新列", target)
    now = compiler.read(path)
    assert done.command is None and now.version == was.version + 1 and "新列" in now.declaration.columns
    assert line in path.read_text("utf-8") and len(path.read_text("utf-8").splitlines()) <= len(text.splitlines()) + 1
    accept.accept(feed, "再一列", None)
    assert compiler.read(path).version == now.version and not list(checkout.rglob("*.part"))


def test_what_cannot_be_taken_in_changes_nothing_and_a_read_only_checkout_gets_files_and_a_command(
    checkout, monkeypatch, store
):
    from core.errors import ConfigurationError
    from pipeline.onboard import accept

    path = checkout / "mappings/m2/sl.yaml"
    text = path.read_text("utf-8")
    for target in ("case.none", "case.channel", "none.x"):
        with pytest.raises(ConfigurationError):
            accept.accept("m2.sl", "XZD", target)
    monkeypatch.setattr(accept.os, "access", lambda *_: False)
    done = accept.accept("m2.sl", "XZD", None)
    assert path.read_text("utf-8") == text and done.command.startswith("cp -r ")
    subprocess.run(done.command, shell=True, check=True)
    assert "XZD" in path.read_text("utf-8") and "XZD" in (checkout / "schemas/feeds.yaml").read_text("utf-8")


def test_columns_that_wait_to_be_put_into_a_read_only_checkout_keep_each_other(checkout, monkeypatch, store):
    from pipeline.onboard import accept

    monkeypatch.setattr(accept.os, "access", lambda *_: False)
    for feed, column in (("m2.sl", "ERSTE"), ("m2.sl", "ZWEITE"), ("m2.sb", "DRITTE")):
        done = accept.accept(feed, column, None)
    subprocess.run(done.command, shell=True, check=True)
    assert all(name in (checkout / "schemas/feeds.yaml").read_text("utf-8") for name in ("ERSTE", "ZWEITE", "DRITTE"))
    text = (checkout / "mappings/m2/sl.yaml").read_text("utf-8")
    assert "ERSTE, ZWEITE]" in text and "DRITTE" in (checkout / "mappings/m2/sb.yaml").read_text("utf-8")
    (checkout / "mappings/m2/sl.yaml").write_text(text.replace(", ERSTE", ""), "utf-8")  # edited since: it counts
    subprocess.run(accept.accept("m2.sl", "VIERTE", None).command, shell=True, check=True)
    text = (checkout / "mappings/m2/sl.yaml").read_text("utf-8")
    assert "ZWEITE, VIERTE]" in text and "ERSTE" not in text


def test_a_replay_needs_the_difference_that_was_seen(pages, monkeypatch):
    from serving.pages import mapping

    api = pages(DECIDE)
    before = store_hash.of_sources()
    told = api.post("/ops/mapping/d3.permit/diff")
    assert told.status_code in (200, 503)
    if told.status_code == 200:
        assert "将新增 0、变化 0、消失 0" in told.text
    assert api.post("/ops/mapping/d3.permit/replay", data={"version": 1, "changes": 999, "note": "x"}).status_code in (
        409,
        503,
    )
    assert store_hash.of_sources() == before
    assert pages().post("/ops/mapping/d3.permit/diff").status_code == 403
    monkeypatch.setattr(mapping, "MOST", 0)
    assert api.post("/ops/mapping/d3.permit/diff").status_code == 409
    assert api.post("/ops/mapping/nothing/diff").status_code == 404
