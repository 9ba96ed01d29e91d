"""Files of every kind from every store: local folder, FTP, HTTP; what stands for what is declared."""

from __future__ import annotations

import functools
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import pytest
import shapely

from connectors import connector
from connectors.base import Proof
from connectors.decoders import geometry
from connectors.endpoint import Endpoint
from connectors.window import Window
from core.errors import AuthenticationError, ConfigurationError, OneMapError
from tests.connectors.declarations import files_feed, source
from tests.connectors.web import Asked, Reply, web

ROWS = [{"id": f"r{n}", "name": f"项目{n}", "n": str(n)} for n in range(7)]


def feed(content: str, **options: Any) -> Any:
    given = {"files": r".*", "folders": None, "complete": "listed", "replaces": "file"} | options
    return files_feed("x.list", ["id"], content=content, **given)


def read(at: Endpoint, of: Any, state: Any = None) -> tuple[list[dict[str, Any]], list[Any], Proof]:
    """(rows, rejects, proof)."""
    made = connector(source("x", "file_drop", {"list": of}), at)
    found, rejects, proof = [], [], None
    try:
        for one in made.fetch(of, Window(), state):
            if isinstance(one, Proof):
                proof = one
                continue
            for batch in made.decode(of, one):
                found += batch.rows.to_pylist()
                rejects += batch.rejects
                assert batch.scope == (one.facts["scopes"] or [None])[0]
    finally:
        made.close()
    assert proof is not None
    return found, rejects, proof


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in ("id", "name", "n")} for row in rows]


# -- stores


@contextmanager
def ftp(folder: Path) -> Iterator[Endpoint]:
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    users = DummyAuthorizer()
    users.add_user("reader", "s3cret", str(folder), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": users})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}, daemon=True).start()
    try:
        port = server.address[1]
        yield Endpoint("x", "generic", "", login="reader", password="s3cret", extra={"url": f"ftp://127.0.0.1:{port}/"})
    finally:
        server.close_all()


@contextmanager
def http(folder: Path) -> Iterator[Endpoint]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Endpoint("x", "http", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def local(folder: Path) -> Iterator[Endpoint]:
    yield Endpoint("x", "generic", "", extra={"url": f"file://{folder}"})


@pytest.mark.parametrize("store", [local, ftp, http])
def test_a_file_is_taken_once_from_each_store_and_again_when_it_changes(tmp_path, store):
    (tmp_path / "20261101").mkdir()
    path = tmp_path / "20261101" / "list.csv"
    path.write_text("id,name,n\n" + "".join(f"{r['id']},{r['name']},{r['n']}\n" for r in ROWS), "utf-8")
    (tmp_path / "notes.txt").write_text("not ours")
    of = feed("table", files=r"list\.csv", own="*.csv", folders=r"\d{8}")
    with store(tmp_path) as at:
        made = connector(source("x", "file_drop", {"list": of}), at)
        assert all(line.ok for line in made.check())
        made.close()
        rows, _, proof = read(at, of)
        assert plain(rows) == ROWS and proof.complete and proof.issues == []
        again, _, proof = read(at, of, proof.state)
        assert again == []
        path.write_text("id,name,n\nr9,九,9\n", "utf-8")
        os.utime(path, (1_900_000_000, 1_900_000_000))
        rows, _, proof = read(at, of, proof.state)
        assert [row["id"] for row in rows] == ["r9"]


@contextmanager
def bare_http(folder: Path) -> Iterator[Endpoint]:
    """A server that knows GET alone, and says neither when a file was changed nor which version it is."""
    asked: list[str] = []

    def answer(request: Asked) -> Reply:
        asked.append(request.method)
        path = folder / request.path.strip("/")
        if path.is_dir():
            links = "".join(f'<a href="{one.name}">{one.name}</a>' for one in path.iterdir())
            return Reply(links.encode(), headers={"Content-Type": "text/html"})
        return Reply(path.read_bytes(), headers={"Content-Type": "text/csv"})

    with web(answer) as served:
        yield Endpoint("x", "http", served.url)
    assert "HEAD" not in asked


def test_a_server_without_head_and_times_is_read_and_a_change_of_equal_size_seen(tmp_path):
    (tmp_path / "list.csv").write_text("id,name,n\nr1,一,1\n", "utf-8")
    of = feed("table", files=r"list\.csv")
    with bare_http(tmp_path) as at:
        rows, _, proof = read(at, of)
        assert [row["id"] for row in rows] == ["r1"]
        again, _, proof = read(at, of, proof.state)
        assert again == []
        (tmp_path / "list.csv").write_text("id,name,n\nr2,一,1\n", "utf-8")
        rows, _, _ = read(at, of, proof.state)
        assert [row["id"] for row in rows] == ["r2"]


@pytest.mark.parametrize("store", [local, ftp, http])
def test_a_root_that_is_not_there_is_the_configurations_fault(tmp_path, store):
    with store(tmp_path) as at:
        wrong = Endpoint(
            at.conn_id,
            at.conn_type,
            at.host,
            login=at.login,
            password=at.password,
            extra={**at.extra, "root": "nowhere"},
        )
        with pytest.raises(ConfigurationError, match="not on the server"):
            read(wrong, feed("table"))


def test_a_login_that_is_refused_is_told_as_that(tmp_path):
    with ftp(tmp_path) as at:
        wrong = Endpoint("x", "generic", "", login="reader", password="wrong", extra=at.extra)
        with pytest.raises(AuthenticationError):
            read(wrong, feed("table"))


# -- contents


def put(folder: Path, name: str, body: bytes | str) -> Endpoint:
    (folder / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    return Endpoint("x", "generic", "", extra={"url": f"file://{folder}"})


def test_delimited_text_by_charset_delimiter_header_and_footer(tmp_path):
    lines = [
        "某局二〇二六年十月审批台账",
        "",
        "id|name|n",
        *(f"{r['id']}|{r['name']}|{r['n']}" for r in ROWS),
        "|合计|21",
        "制表人",
    ]
    at = put(tmp_path, "a.txt", "\r\n".join(lines).encode("gb18030"))
    options = {"delimiter": "|", "quote": None, "header_row": 3}
    of = feed("table", table=options, skip=[{"column": "name", "matches": "合计|小计"}])
    rows, rejects, _ = read(at, of)
    assert plain(rows) == ROWS
    assert [(reject.code, "制表人" in reject.raw) for reject in rejects] == [("row_ragged", True)]
    made = connector(source("x", "file_drop", {"list": of}), at)
    [payload, _] = made.fetch(of, Window(), None)
    assert [(i.code, i.detail[:6]) for b in made.decode(of, payload) for i in b.issues] == [("rows_skipped", "1 rows")]
    with_footer = feed("table", table=options | {"footer": 1})
    at = put(tmp_path, "a.txt", "\r\n".join(lines[:-1]).encode("gb18030"))
    assert plain(read(at, with_footer)[0]) == ROWS


def test_one_line_whose_bytes_do_not_decode_is_that_lines_fault(tmp_path):
    body = "id,name,n\nr0,项目,0\nr1,".encode("gb18030") + b"\x81\x20" + ',1\nr2,"多\n行",2\n'.encode("gb18030")
    rows, rejects, _ = read(put(tmp_path, "a.csv", body), feed("table", table={"charset": "gb18030"}))
    assert [row["id"] for row in rows] == ["r0", "r2"] and rows[1]["name"] == "多\n行"
    assert [reject.code for reject in rejects] == ["undecodable"] and "r1" in rejects[0].raw


@pytest.mark.parametrize(
    "content, body, options",
    [
        ("jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), {}),
        ("json", json.dumps(ROWS), {}),
        ("json", json.dumps({"a": {"b": ROWS}}, ensure_ascii=False), {"json": {"rows": "a.b"}}),
        (
            "xml",
            "<x:all xmlns:x='urn:x'><g>"
            + "".join(f"<x:r><id>{r['id']}</id><name>{r['name']}</name><n>{r['n']}</n></x:r>" for r in ROWS)
            + "</g></x:all>",
            {"xml": {"record": "r"}},
        ),
    ],
)
def test_json_and_xml_whole_and_by_line(tmp_path, content, body, options):
    rows, rejects, _ = read(put(tmp_path, "a.x", body), feed(content, **options))
    assert plain(rows) == ROWS and rejects == []


def test_a_line_that_is_no_json_harms_no_other(tmp_path):
    body = '{"id": "a", "n": 1.10}\nnot json\n[1]\n{"id": "b"}\n'
    rows, rejects, _ = read(put(tmp_path, "a.jsonl", body), feed("jsonl"))
    assert [(row["id"], row["n"], row["_place"]) for row in rows] == [("a", "1.10", "line 1"), ("b", None, "line 4")]
    assert [(reject.place, reject.code) for reject in rejects] == [
        ("line 2", "json_damaged"),
        ("line 3", "not_an_object"),
    ]


def test_parquet_keeps_its_values_as_text(tmp_path):
    table = pa.table(
        {
            "id": ["a", "b"],
            "big": pa.array([12345678901234567, None]),
            "at": pa.array([1_700_000_000_000_000, None], pa.timestamp("us")),
            "list": [["x"], None],
            "yes": [True, None],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    rows, _, _ = read(Endpoint("x", "generic", "", extra={"url": f"file://{tmp_path}"}), feed("parquet"))
    assert rows[0] == {
        "id": "a",
        "big": "12345678901234567",
        "at": "2023-11-14 22:13:20",
        "list": '["x"]',
        "yes": "1",
        "_place": "row 1",
    }
    assert set(rows[1].values()) == {"b", None, "row 2"}


SQUARE = shapely.box(38_450_000, 2_540_000, 38_450_100, 2_540_100)  # EPSG:4526: three degrees, zone 38 in the easting


def vector(path: Path, crs: str | None = "EPSG:4526", shape: Any = SQUARE, **more: Any) -> None:
    fields = [np.array(["地块1", "地块2"], dtype=object), np.array([1, 2])]
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([shape, shape])),
        fields,
        ["id", "n"],
        geometry_type=shape.geom_type,
        crs=crs,
        **more,
    )


@pytest.mark.parametrize("name, driver", [("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile")])
def test_geometries_of_a_vector_file_arrive_in_the_hubs_reference(tmp_path, name, driver):
    made = tmp_path / "made"
    made.mkdir()
    vector(made / name, driver=driver, encoding="GB18030" if name.endswith("shp") else None)
    drop = tmp_path / "drop"
    drop.mkdir()
    with zipfile.ZipFile(drop / "a.zip", "w") as packed:
        for file in made.iterdir():
            packed.write(file, f"inner/{file.name}")
    rows, rejects, _ = read(Endpoint("x", "generic", "", extra={"url": f"file://{drop}"}), feed("vector"))
    assert [(row["id"], row["n"]) for row in rows] == [("地块1", "1"), ("地块2", "2")] and rejects == []
    [shape, _] = geometry.from_hex(row[geometry.COLUMN] for row in rows)
    assert 113.4 < shape.centroid.x < 114.3 and 22.9 < shape.centroid.y < 23.0
    assert geometry.areas(np.array([shape]))[0] == pytest.approx(10_000, rel=0.005)


def test_a_shapefile_without_its_reference_needs_a_declaration(tmp_path):
    vector(tmp_path / "a.shp", crs=None, driver="ESRI Shapefile")
    (tmp_path / "a.prj").unlink(missing_ok=True)
    at = Endpoint("x", "generic", "", extra={"url": f"file://{tmp_path}"})
    drop = tmp_path / "drop"
    drop.mkdir()
    with zipfile.ZipFile(drop / "a.zip", "w") as packed:
        for file in tmp_path.glob("a.*"):
            packed.write(file, file.name)
    at = Endpoint("x", "generic", "", extra={"url": f"file://{drop}"})
    rows, _, proof = read(at, feed("vector"))
    assert rows == [] and [issue.code for issue in proof.issues] == ["crs_missing"]
    rows, _, _ = read(at, feed("vector", vector={"crs": "EPSG:4526"}))
    assert len(rows) == 2


def test_what_a_file_replaces_is_declared_and_a_wrong_kind_refused(tmp_path):
    """`Sheet1` of November's file once took October's rows away: its name alone was the scope."""
    at = put(tmp_path, "a.csv", "id\nr1\n")
    for replaces, scopes in (("file", ["a.csv"]), ("none", [])):
        of = feed("table", replaces=replaces)
        made = connector(source("x", "file_drop", {"list": of}), at)
        [payload, _] = made.fetch(of, Window(), None)
        assert payload.facts["scopes"] == scopes
    with pytest.raises(ConfigurationError, match="replaces is missing"):
        read(at, feed("table", replaces=None))
    with pytest.raises(ConfigurationError, match="sheet is of workbooks"):
        read(at, feed("table", replaces="sheet"))
    with pytest.raises(ConfigurationError, match="table stands beside content: jsonl"):
        read(at, feed("jsonl", table={"footer": 1}))


@pytest.mark.parametrize(
    "content, body",
    [("parquet", b"PAR0"), ("vector", b"nothing"), ("json", b"{}"), ("xml", b"<a><r>"), ("table", b"")],
)
def test_a_file_of_another_kind_is_skipped_and_told_and_stops_no_other(tmp_path, content, body):
    put(tmp_path, "bad.x", body)
    options: dict[str, Any] = {"xml": {"record": "r"}} if content == "xml" else {}
    try:
        rows, _, proof = read(
            Endpoint("x", "generic", "", extra={"url": f"file://{tmp_path}"}), feed(content, **options)
        )
    except OneMapError as error:  # told by name, never a library's own
        pytest.fail(f"{error}")
    assert rows == [] and (content == "table" or proof.issues[0].record == "bad.x")
