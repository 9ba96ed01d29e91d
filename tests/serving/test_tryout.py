"""数据试报 by API and page: the verdict of the command and of the sync, for who may, with nothing left behind."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipeline import sync, trial, tryout
from serving import audit, keys, trying
from serving.access import ADMIN, DECIDE, PERSONAL, PROJECTS, Grant
from serving.api.app import app
from serving.pages.app import application
from tests.connectors.web import Reply, web
from tests.hub import hub, migrated  # noqa: F401
from tests.onboard import foreign
from tests.pipeline.test_tryout import ROWS, counts, declare, quarantined
from tests.serving.conftest import rows

OWNER, OTHER = "11441900000100079P", "114419000001000520"  # 水务局, 生态环境局
PERSON = "440106199001011237"
FILE = {"files": "permits\\.csv", "folders": None, "complete": "listed", "content": "table", "replaces": "file"}
_ASIDE = """
from pathlib import Path
from mappings import compiler
from quality import suites
from sources import loader
place = Path({place!r})
loader.FOLDER, loader.MAPPINGS, compiler.FOLDER, suites.FOLDER = (
    place / "sources", place / "mappings", place / "mappings", place / "suites")
"""


@pytest.fixture
def place(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # noqa: F811
    """Declarations of one's own, which the process aside reads too; y1 brings a file, y2 an answer of JSON."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with foreign.own_declarations(tmp_path / "own", monkeypatch) as made:
        (made / "sitecustomize.py").write_text(_ASIDE.format(place=str(made)), "utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(made), os.environ.get("PYTHONPATH", "")]))
        declare(made, "y1", "file_drop", "files", FILE)
        declare(made, "y2", "rest", "full", {"path": "/permits", "paging": {"kind": "none", "total": "total"}})
        for name in ("y1", "y2"):
            path = made / "sources" / f"{name}.yaml"
            path.write_text(path.read_text("utf-8").replace("department: 许可科", "department: 东莞市水务局"), "utf-8")
        foreign.forget()
        audit.append("test", "read", "all", {})  # makes the log's own folder
        yield made
    tempfile.tempdir = None


def client(*scopes: str) -> TestClient:
    return TestClient(app, headers={"X-API-Key": keys.make("test", scopes, by="test")[1]})


def page(*scopes: str, **held: tuple[str, ...]) -> TestClient:
    async def asker(_: object) -> Grant:
        return Grant("li", frozenset({PROJECTS, *scopes}), **held)

    return TestClient(application(asker), headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)


def reasons(told: dict) -> list:
    return [(one["place"], sorted((r["code"], r["field"]) for r in one["reasons"])) for one in told["rejected"]]


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_judged_by_the_api_as_by_the_command_and_the_sync(place, tmp_path, monkeypatch):
    drop = tmp_path / "drop"
    drop.mkdir()
    keyed = [*ROWS, {"no": PERSON, "uscc": "x", "day": "13800138000", "owner": "戊"}]
    lines = ["no,uscc,day,owner", *(",".join(row[c] for c in ("no", "uscc", "day", "owner")) for row in keyed)]
    (drop / "permits.csv").write_text("\n".join(lines) + "\nS9,too,many,fields,here\n", "utf-8")
    foreign.connect(monkeypatch, "y1", extra={"url": f"file://{drop}"})
    owner = client(f"department:{OWNER}")  # a key that may do nothing else
    command = tryout.tryout("y1.permit", drop / "permits.csv", "permits.csv")
    before, files = counts(), left(tmp_path)
    content = (drop / "permits.csv").read_bytes()
    answer = owner.post("/v1/feeds/y1.permit/tryout?name=permits.csv", content=content)
    misnamed = page(DECIDE, ADMIN).post("/tryout/y1.permit", files={"file": ("other.csv", content)})
    assert counts() == before and left(tmp_path) == files
    (outcome,) = sync.source("y1")
    told = answer.json()
    assert answer.status_code == 200, told
    assert told["rows_in"] == told["accepted"] + told["rejected_rows"] == outcome.counts.rows_in
    assert told["rejected_rows"] == outcome.counts.quarantined == command.rejected_rows > 0
    assert reasons(told) == reasons(command.as_dict()) == quarantined()
    assert (told["go"], told["why"], told["sound"]) == (command.go, command.why, False)
    assert all(reason["remedy_zh"] and reason["title_zh"] for one in told["rejected"] for reason in one["reasons"])
    assert misnamed.status_code == 200 and "整批不收" in misnamed.text and "permits\\.csv" in misnamed.text
    for value in (PERSON, "13800138000", "不详"):  # neither numbers of persons nor values of rows
        assert value not in answer.text
    said = rows("select object, detail from store.audit where action = 'tryout' order by seq")
    assert [one["object"] for one in said] == ["y1.permit"] * 2 and said[0]["detail"]["rejected"] == told[
        "rejected_rows"
    ]
    assert set(said[0]["detail"]) == {"sha256", "bytes", "go", "rows", "rejected"}


def test_an_answer_and_records_are_judged_as_the_sync_does_and_garbage_is_refused(place, tmp_path, monkeypatch):
    given = {"data": ROWS, "total": len(ROWS)}
    owner = client(PROJECTS, f"department:{OWNER}")
    path = "/v1/feeds/y2.permit/tryout"
    with web(lambda asked: Reply(given)) as served:
        foreign.connect(monkeypatch, "y2", host=served.url)
        told = owner.post(f"{path}?name=a.json", content=json.dumps(given).encode()).json()
        bare = client(PROJECTS, ADMIN, DECIDE, PERSONAL).post(f"{path}?records=true", json=ROWS)
        garbage = owner.post(f"{path}?name=a.json", content=os.urandom(3000))
        before = counts()
        (outcome,) = sync.source("y2")
    assert (
        reasons(told) == reasons(bare.json()) == quarantined() and told["rejected_rows"] == outcome.counts.quarantined
    )
    assert ("unknown_column", "more") in [(one["code"], one["field"]) for one in told["issues"]]
    assert before["landing.quarantine"] == before["staging"] == 0
    assert garbage.status_code == 200 and not garbage.json()["sound"] and garbage.json()["accepted"] == 0
    assert garbage.json()["rejected"][0]["reasons"][0]["remedy_zh"]
    assert "不详" in bare.text and "不详" not in json.dumps(told, ensure_ascii=False), "who reads raw rows reads values"


@pytest.fixture
def refused(place, monkeypatch) -> Callable[..., None]:
    """Nothing that is refused at the door reaches a decoder."""
    monkeypatch.setattr(trial, "judged", lambda *a, **k: pytest.fail("it was tried"))


def test_who_may_not_is_refused(refused):
    path = "/v1/feeds/y2.permit/tryout"
    for scopes in (
        (PROJECTS,),
        (PROJECTS, ADMIN),  # 浏览
        (PROJECTS, ADMIN, DECIDE, "town:441900119"),
        (PROJECTS, f"enterprise:{OWNER}"),
        ("read:metrics",),
    ):
        answer = client(*scopes).post(path, json=ROWS)
        assert answer.status_code == 403 and answer.json()["messages"].keys() == {"zh", "en"}, scopes
    other = client(PROJECTS, f"department:{OTHER}")
    theirs, none = other.post(path, json=ROWS).json(), other.post("/v1/feeds/y9.none/tryout", json=ROWS).json()
    assert theirs["code"] == none["code"] == "not-found" and "y2.permit" not in theirs["errors"][0]["allowed"]
    assert client(f"department:{OWNER}").post("/v1/feeds/x/tryout").json()["errors"][0]["allowed"] == [
        "y1.permit",
        "y2.permit",
    ]
    assert TestClient(app).post(path, json=ROWS).status_code == 401
    for who, status in ((page(ADMIN), 403), (page(departments=(OTHER,)), 404)):
        assert who.post("/tryout/y2.permit", data={"records": "[]"}).status_code == status
        assert who.get("/tryout/y2.permit").status_code == status
    assert "tryout" not in page(ADMIN).get("/").text
    own = page(departments=(OWNER,))
    assert "tryout/y2.permit" in own.get("/tryout").text and "tryout/d5.fire" not in own.get("/tryout").text
    foreign_site = own.post("/tryout/y2.permit", data={"records": "[]"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign_site.status_code == 403


def test_what_is_empty_or_too_large_is_refused_at_the_door(refused, place, tmp_path, monkeypatch):
    path = place / "sources" / "y2.yaml"
    path.write_text(path.read_text("utf-8").replace("options: {", 'options: {"limits": {"page": 2000}, '), "utf-8")
    foreign.forget()
    owner, own = client(f"department:{OWNER}"), page(departments=(OWNER,))
    before, files = counts(), left(tmp_path)
    large = owner.post("/v1/feeds/y2.permit/tryout", content=b"x" * 2001)
    assert large.status_code == 413 and "2,000" in large.json()["messages"]["zh"]
    assert owner.post("/v1/feeds/y2.permit/tryout").status_code == 400
    for content, status in ((b"x" * 2001, 413), (b"x" * 3_000_000, 413), (b"", 400)):
        assert own.post("/tryout/y2.permit", files={"file": ("a.json", content)}).status_code == status
    assert counts() == before and left(tmp_path) == files


def test_a_file_that_ends_its_decoder_or_never_ends_in_it_ends_no_server(place, tmp_path, monkeypatch):
    body = tmp_path / "tmp" / "x" / "body"
    body.parent.mkdir()
    body.write_bytes(b"[]")
    killed = "import os, signal, time; from pipeline import tryout\ntryout._records = lambda *a: "
    aside = place / "sitecustomize.py"
    plain = aside.read_text("utf-8")
    aside.write_text(plain + killed + "os.kill(os.getpid(), signal.SIGSEGV)\n", "utf-8")
    who = Grant("li", frozenset({PROJECTS, DECIDE}))
    told = trying.verdict(who, trying.feeds(who)["y2.permit"], body, "", records=True)
    assert not told["go"] and told["rejected"][0]["reasons"][0]["code"] == "decoder_ended"
    aside.write_text(plain + killed + "time.sleep(60)\n", "utf-8")
    monkeypatch.setattr(trial, "DEADLINE", 3)
    with pytest.raises(trial.TransientError, match="not decoded within 3 s"):
        trial.judged("y2.permit", body, "", records=True)
    assert counts()["staging"] == 0
    monkeypatch.setattr(trial, "PATIENCE", 0)
    with trial._turn:
        busy = client(f"department:{OWNER}").post("/v1/feeds/y2.permit/tryout", json=ROWS)
    assert busy.status_code == 503 and busy.headers["Retry-After"] == "10"
