"""Every read on the log, and a log that shows what was done to it."""

from __future__ import annotations

import hashlib
import json

import pytest
import sqlalchemy as sa

from serving import audit
from store.engine import transaction
from tests.serving.conftest import rows


def test_every_read_stands_on_the_log_with_who_what_and_how_many(ask):
    client = ask("read:projects")
    client.get("/v1/projects", params={"q": "联系人13800138000", "limit": 3})
    client.get("/v1/projects/none")
    client.get("/v1/balance")
    last = rows("select actor, action, object, detail from store.audit order by seq desc limit 3")[::-1]
    assert [(r["action"], r["object"], r["detail"]["status"]) for r in last] == [
        ("read", "/v1/projects", 200),
        ("read", "/v1/projects/none", 404),
        ("read", "/v1/balance", 403),
    ]
    assert last[0]["actor"].endswith(" test") and last[0]["detail"]["rows"] == 0
    assert "13800138000" not in str(last[0]["detail"]) and "138****8000" in last[0]["detail"]["query"]["q"]
    assert audit.verify().broken is None


def test_an_auditor_recomputes_the_chain_alone(ask):
    ask("read:projects").get("/v1/items?limit=1")
    previous = bytes(32)
    for row in rows(
        """select seq::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, actor, action, object, detail::text, previous, digest
           from store.audit order by store.audit.seq"""
    ):
        parts = [row[name].encode() for name in ("seq", "at", "actor", "action", "object", "detail")]
        text = b"".join(b"%d:%s," % (len(part), part) for part in parts)
        assert row["previous"] == previous
        previous = hashlib.sha256(previous + text).digest()
        assert row["digest"] == previous


def tampered(statement: str, kept: str | None = None) -> audit.Verdict:
    """What verify says after a statement that gets past the triggers; undone afterwards."""
    from store.engine import dispose, engine

    with engine().connect() as c:
        before = c.exec_driver_sql("select * from store.audit order by seq").mappings().all()
        c.rollback()
        c.exec_driver_sql("set session_replication_role = replica")
        c.exec_driver_sql(statement)
        c.commit()
        verdict = audit.verify(kept)
        c.exec_driver_sql("truncate store.audit")
        for row in before:
            c.execute(
                sa.text(
                    "insert into store.audit values (:seq, :at, :actor, :action, :object, cast(:detail as jsonb), :previous, :digest)"
                ),
                {**row, "detail": json.dumps(row["detail"], ensure_ascii=False)},
            )
        c.commit()
    dispose()
    return verdict


@pytest.mark.parametrize(
    "statement",
    [
        "update store.audit set actor = 'nobody' where seq = 2",
        "update store.audit set detail = '{}' where seq = 2",
        "update store.audit set at = at + interval '1 second' where seq = 2",
        "delete from store.audit where seq = 2",
        "delete from store.audit where seq = 1",
        "update store.audit set seq = -seq where seq = 2",
        "update store.audit a set digest = sha256(a.previous || store.audit_text(a.seq, a.at, 'nobody', a.action, a.object, a.detail)), actor = 'nobody' where seq = 2",
    ],
)
def test_what_was_altered_or_taken_out_shows(store, statement):
    for n in range(4):
        audit.append("test", "read", f"thing {n}", {"n": n})
    assert audit.verify().broken is None
    assert tampered(statement).broken is not None
    assert audit.verify().broken is None


def test_a_tail_that_was_cut_off_shows_against_what_was_kept(store):
    audit.append("test", "read", "last", {})
    kept = audit.head()
    last = int(kept.partition(":")[0])
    assert tampered(f"delete from store.audit where seq = {last}").broken is None  # the chain alone cannot know
    assert tampered(f"delete from store.audit where seq = {last}", kept).broken == last
    assert audit.verify(kept).broken is None


def test_the_log_is_only_appended_and_its_chain_is_made_by_the_database(store):
    audit.append("test", "read", "x", {})
    for statement in ("update store.audit set actor = 'x'", "delete from store.audit", "truncate store.audit"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), transaction() as c:
            c.exec_driver_sql(statement)
    with transaction() as c:
        c.exec_driver_sql(
            "insert into store.audit (seq, actor, action, object, previous, digest) values (999999, 'forger', 'read', 'x', '\\x01', '\\x02')"
        )
    assert audit.verify().broken is None
    assert rows("select max(seq) - count(*) as gap from store.audit")[0]["gap"] == 0


def test_where_the_log_cannot_be_written_nothing_is_told(ask, monkeypatch):
    client = ask("read:projects")

    def broken(*_) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("disk full"))

    monkeypatch.setattr(audit, "append", broken)
    answer = client.get("/v1/projects?limit=1")
    assert answer.status_code == 503 and "items" not in answer.json()
