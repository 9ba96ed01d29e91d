"""A mapping's page: what has drifted and a person's word on it, a difference before a replay."""

from __future__ import annotations

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


def test_a_drift_is_decided_and_its_incident_ends(pages):
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
    assert "对方内部字段" in api.get("/ops/mapping/m2.sl").text
    assert not any(t.key == "drift:m2.sl" and "XZD" in t.what for t in detect.detect())


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
