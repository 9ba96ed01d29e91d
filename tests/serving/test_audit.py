"""Every read on the log, and a log that shows what was done to it."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from serving import audit, seals
from store import archive, journal, migrate
from store.engine import dispose, engine, transaction
from tests.hub import hub, migrated  # noqa: F401, F811
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
    assert tampered(f"delete from store.audit where seq = {last}").broken == last  # told outside by itself
    assert tampered(f"delete from store.audit where seq = {last}", kept).broken == last
    assert audit.verify(kept).broken is None


def test_the_log_is_only_appended_and_its_chain_is_made_by_the_database(hub):  # noqa: F811
    audit.append("test", "read", "x", {})
    for statement in ("update store.audit set actor = 'x'", "delete from store.audit", "truncate store.audit"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), transaction() as c:
            c.exec_driver_sql(statement)
    with transaction() as c:
        c.exec_driver_sql(
            "insert into store.audit (seq, actor, action, object, previous, digest) values (999999, 'forger', 'read', 'x', '\\x01', '\\x02')"
        )
    assert "seal" in audit.verify().why  # chained, but not written by the hub
    assert rows("select max(seq) - count(*) as gap from store.audit")[0]["gap"] == 0


def test_where_the_log_cannot_be_written_nothing_is_told(ask, monkeypatch):
    client = ask("read:projects")

    def broken(*_) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("disk full"))

    monkeypatch.setattr(audit, "append", broken)
    answer = client.get("/v1/projects?limit=1")
    assert answer.status_code == 503 and "items" not in answer.json()


def as_owner(*statements: str) -> audit.Verdict:
    """What verify says after the database's owner did as he liked, triggers off; undone afterwards."""
    with engine().connect() as c:
        c.exec_driver_sql("create table if not exists public.kept_audit as select * from store.audit")
        c.exec_driver_sql("create table if not exists public.kept_seal as select * from store.audit_seal")
        c.exec_driver_sql("set session_replication_role = replica")
        for statement in statements:
            c.exec_driver_sql(statement)
        c.commit()
        verdict = audit.verify()
        c.exec_driver_sql("set session_replication_role = replica")
        c.exec_driver_sql("truncate store.audit, store.audit_seal")
        c.exec_driver_sql("insert into store.audit select * from public.kept_audit")
        c.exec_driver_sql("insert into store.audit_seal select * from public.kept_seal")
        c.exec_driver_sql("drop table public.kept_audit, public.kept_seal")
        c.exec_driver_sql("set session_replication_role = origin")
        c.commit()
    return verdict


REWRITE = """do $$
declare last bytea := decode(repeat('00', 32), 'hex'); e record;
begin
    for e in select * from store.audit order by seq loop
        update store.audit set actor = 'nobody', previous = last,
            digest = sha256(last || store.audit_text(e.seq, e.at, 'nobody', e.action, e.object, e.detail))
            where seq = e.seq returning digest into last;
    end loop;
end $$"""


@pytest.mark.parametrize(
    "statements",
    [
        ("update store.audit set actor = 'nobody' where seq = 2",),
        ("delete from store.audit where seq = 2", "delete from store.audit_seal where seq = 2"),
        ("delete from store.audit where seq > 2", "delete from store.audit_seal where seq > 2"),
        ("truncate store.audit, store.audit_seal",),
        (REWRITE,),
        (REWRITE, "truncate store.audit_seal"),
        (REWRITE, "update store.audit_seal set seal = sha256(seal)"),
        ("update store.audit_seal set key_id = 'mine', seal = sha256('x')",),
        ("delete from store.audit where seq <= 2", "delete from store.audit_seal where seq <= 2"),
    ],
    ids=[
        "changed",
        "removed",
        "cut",
        "emptied",
        "rewritten",
        "rewritten, unsealed",
        "sealed by another",
        "another key",
        "beginning",
    ],
)
def test_the_owner_of_the_database_cannot_forge_the_log(hub, statements):  # noqa: F811
    for n in range(4):
        audit.append("test", "read", f"thing {n}", {"n": n})
    assert audit.verify().broken is None
    assert as_owner(*statements).broken is not None
    assert audit.verify().broken is None


def test_an_entry_that_the_hub_did_not_write_carries_no_seal(hub):  # noqa: F811
    audit.append("test", "read", "x", {})
    insert = """insert into store.audit (seq, actor, action, object, previous, digest)
                values (0, 'forger', 'read', 'x', '', '')"""
    verdict = as_owner("set session_replication_role = origin", insert)
    assert verdict.broken is not None and "seal" in verdict.why


def test_what_is_older_than_its_keeping_goes_to_the_archive_and_the_chain_holds_on(hub):  # noqa: F811
    for n in range(3):
        audit.append("test", "read", f"old {n}", {})
    assert audit.retire(timedelta(0)) == 2  # the next one follows from the last
    assert audit.verify().broken is None and audit.verify().entries == 1
    audit.append("test", "read", "new", {})
    verdict = audit.verify()
    assert (verdict.broken, verdict.entries) == (None, 2)
    told = archive.read_document(f"journal/{journal.own()}/audit/retired")
    lines = b"".join(archive.get(part) for part in told["parts"]).decode().splitlines()
    assert json.loads(lines[-1])["object"] == "old 1" and json.loads(lines[-1])["seq"] == told["seq"]
    with engine().begin() as c:
        assert c.exec_driver_sql("select count(*) from store.audit_seal").scalar() == 2


def test_a_log_from_before_there_were_seals_goes_on(hub):  # noqa: F811
    with engine().begin() as c:
        c.exec_driver_sql(
            """insert into store.audit (seq, actor, action, object, previous, digest) values (0, 'old', 'read', 'x', '', '')"""
        )
    audit.append("test", "read", "x", {})
    assert audit.verify().broken is None


def test_free_text_and_search_terms_stand_masked_on_the_log(store):
    audit.append(
        "test", "read", "/p?x=13800138000", {"query": {"q": "张三 440102198001010017", "电话": ["0769-22223333"]}}
    )
    told = str(rows("select object, detail from store.audit order by seq desc limit 1"))
    assert "13800138000" not in told and "440102198001010017" not in told


@pytest.fixture
def as_application(new_database, postgres_server, monkeypatch):
    """A database of an ordinary user, migrated by it, its log handed over by the administrator."""
    name = f"app_{uuid.uuid4().hex[:8]}"
    url = sa.make_url(new_database())
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as c:
        c.exec_driver_sql(f"create role {name} login createrole")
        c.exec_driver_sql(f"alter database {url.database} owner to {name}")
    ours = url.set(username=name).render_as_string(hide_password=False)
    monkeypatch.setenv("ONEMAP_DATABASE_URL", ours)
    migrate.upgrade()
    monkeypatch.setenv("ONEMAP_DATABASE_URL", url.render_as_string(hide_password=False))
    audit.separate(name)
    monkeypatch.setenv("ONEMAP_DATABASE_URL", ours)
    yield name
    dispose()
    with admin.connect() as c:
        c.exec_driver_sql(f"drop database {url.database} with (force)")
        c.exec_driver_sql(f"create database {url.database}")
        c.exec_driver_sql(f"revoke all on database {url.database} from {name}")
        for role in ("onemap_api", "onemap_reader", "onemap_scoped"):
            c.exec_driver_sql(f"revoke {role} from {name} cascade")
        c.exec_driver_sql(f"drop role {name}")
    admin.dispose()


def test_the_application_cannot_change_what_it_logged(as_application, tmp_path, monkeypatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    for n in range(3):
        audit.append("test", "read", f"thing {n}", {})
    assert audit.verify().broken is None
    for statement in (
        "update store.audit set actor = 'x'",
        "delete from store.audit",
        "truncate store.audit",
        "alter table store.audit disable trigger all",
        "drop trigger audit_kept on store.audit",
        "drop table store.audit cascade",
        "drop function store.audit_chain() cascade",
        "drop schema store cascade",
        "alter schema store rename to gone",
        "create or replace function store.audit_kept() returns trigger language plpgsql as $$ begin return old; end $$",
        "set session_replication_role = replica",
        "set role onemap_audit",
        "select set_config('onemap.audit_retire', '99', false); delete from store.audit",
    ):
        with pytest.raises(sa.exc.DBAPIError), transaction() as c:
            c.exec_driver_sql(statement)
    assert audit.verify().broken is None and audit.retire(timedelta(0)) == 2 and audit.verify().broken is None
    with transaction() as c:  # what migrations do goes on
        c.exec_driver_sql(
            "create table store.probe (x int); grant usage on schema store to onemap_api; drop table store.probe"
        )


def test_the_archive_alone_shows_that_the_end_was_cut(hub):  # noqa: F811
    for n in range(3):
        audit.append("test", "read", f"thing {n}", {})
    seals._archived.clear()
    audit.append("test", "read", "last", {})
    for path in (hub / "audit").rglob("*"):  # the files of the machine are gone too
        if path.is_file():
            path.unlink()
    assert audit.verify().broken is None
    verdict = as_owner("delete from store.audit where seq = 4", "delete from store.audit_seal where seq = 4")
    assert (verdict.broken, verdict.why) == (4, "cut off before the anchor")


def test_entries_of_many_threads_are_one_chain_and_one_that_is_refused_is_refused_alone(hub, monkeypatch):  # noqa: F811
    first = audit.head().partition(":")[0]
    written = audit._write
    batches: list[int] = []

    def watched(entries):
        batches.append(len(entries))
        written(entries)

    monkeypatch.setattr(audit, "_write", watched)
    monkeypatch.setattr(audit, "depersonalised", lambda detail: detail)
    audit._writing.acquire()  # somebody writes while all of them come
    with ThreadPoolExecutor(12) as threads:
        # what no jsonb holds; a NUL in a text is taken out by the driver, its escape in a document is not
        done = [
            threads.submit(audit.append, "a", "read", f"/{n}", {"n": "\0" if n == 5 else str(n)}) for n in range(12)
        ]
        while len(audit._waiting) < 12:
            time.sleep(0.01)
        audit._writing.release()
        refused = [n for n, one in enumerate(done) if one.exception()]
    assert refused == [5]
    assert batches == [12] + [1] * 12
    verdict = audit.verify()
    assert verdict.broken is None and int(verdict.head.partition(":")[0]) == int(first) + 11
    audit.append("a", "read", "/after", {})
    assert audit.verify().broken is None
