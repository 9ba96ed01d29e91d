"""D4 and D5 over SFTP, read by paramiko, lxml and openpyxl."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import openpyxl
import paramiko
import pytest
from lxml import etree

from standins.systems.d5 import COLUMNS
from standins.testing import Running
from tests.standins import sample
from tests.standins.test_soap import CONTRACTS


@contextmanager
def sftp(stand: Running) -> Iterator[paramiko.SFTPClient]:
    told = stand.connection("d_drop")
    transport = paramiko.Transport((told["host"], told["port"]))
    try:
        key = told["extra"]["host_key"].split()[1]
        transport.connect(
            hostkey=paramiko.Ed25519Key(data=base64.b64decode(key)), username=told["login"], password=told["password"]
        )
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


def read(client: paramiko.SFTPClient, path: str) -> bytes:
    with client.open(path) as file:
        return file.read()


def paths(client: paramiko.SFTPClient) -> list[str]:
    return [
        f"/out/{day}/{name}" for day in sorted(client.listdir("/out")) for name in sorted(client.listdir(f"/out/{day}"))
    ]


def test_zips_are_whole_and_what_their_manifest_says(stand: Running) -> None:
    with sftp(stand) as client:
        zips = [path for path in paths(client) if path.endswith(".zip")]
        assert len(zips) == 4 and all(f"{path}.ok" in paths(client) for path in zips)
        cases = 0
        for path in zips:
            body = read(client, path)
            assert read(client, f"{path}.ok") in (b"", hashlib.md5(body).hexdigest().encode())
            with zipfile.ZipFile(io.BytesIO(body), metadata_encoding="gb18030") as archive:
                manifest = etree.fromstring(archive.read("manifest.xml"))
                etree.XMLSchema(etree.parse(CONTRACTS / "d4-manifest.xsd")).assertValid(manifest)
                assert {f.get("name") for f in manifest} == set(archive.namelist()) - {"manifest.xml"}
                for file in manifest:
                    assert hashlib.md5(archive.read(file.get("name"))).hexdigest() == file.get("md5")
                root = etree.fromstring(archive.read("cases.xml"))
                etree.XMLSchema(etree.parse(CONTRACTS / "d4-cases.xsd")).assertValid(root)
                assert len(root) == int(manifest[0].get("rows"))
                cases += len(root)
        assert cases == 12


def test_a_zip_appears_when_it_is_due(stand: Running) -> None:
    stand.move_clock(days=1)
    try:
        with sftp(stand) as client:
            assert any("20261125" in path for path in paths(client))
    finally:
        stand.move_clock(at=sample.CLOCK)
        (stand.ctx.world.folder / "world.json").touch()
        stand.settle()


def test_workbooks_have_their_header_on_row_three_and_merged_projects(stand: Running) -> None:
    with sftp(stand) as client:
        books = [path for path in paths(client) if path.endswith(".xlsx")]
        assert "/out/20261120/气象局_202611.xlsx" in books and any("消防" in path for path in books)
        sheet = openpyxl.load_workbook(io.BytesIO(read(client, "/out/20261120/气象局_202611.xlsx")))["2026-11"]
    assert [cell.value for cell in sheet[3]] == list(COLUMNS)
    merged = {str(area) for area in sheet.merged_cells.ranges}
    assert {"A1:L2", "B4:B5", "E8:E9"} <= merged
    assert [sheet.cell(row, 8).value for row in range(4, 10)] == [f"QX{n:04d}" for n in (0, 1, 4, 5, 2, 3)]
    assert [sheet.cell(row, 2).value for row in range(4, 10)] == [
        sample.CODES[0],
        None,
        sample.CODES[2],
        None,
        sample.CODES[1],
        None,
    ]
    dates = {type(sheet.cell(row, column).value).__name__ for row in range(4, 10) for column in (9, 10)}
    assert dates == {"str", "datetime"}


def test_nothing_can_be_changed_and_nobody_else_comes_in(stand: Running) -> None:
    with sftp(stand) as client:
        path = paths(client)[0]
        for attempt in (
            lambda: client.remove(path),
            lambda: client.rename(path, path + "x"),
            lambda: client.mkdir("/out/x"),
            lambda: client.open("/out/x", "w"),
            lambda: client.open(path, "a"),
            lambda: client.chmod(path, 0o777),
            lambda: client.listdir("/../../etc/ssh"),
        ):
            with pytest.raises(OSError):
                attempt()
    told = stand.connection("d_drop")
    transport = paramiko.Transport((told["host"], told["port"]))
    with pytest.raises(paramiko.AuthenticationException):
        transport.connect(username=told["login"], password="wrong")
    transport.close()


def newest(client: paramiko.SFTPClient) -> str:
    return [path for path in paths(client) if path.endswith(".zip")][-1]


def test_faults_of_zips(stand: Running) -> None:
    with sftp(stand) as client:
        whole = read(client, newest(client))

        def armed(kind: str, **options: int) -> bytes:
            stand.faults.clear("d4")
            stand.faults.arm("d4", kind, times=None, **options)
            stand.settle()
            return read(client, newest(client))

        assert len(armed("truncated")) < len(whole)
        assert any(".." in name for name in zipfile.ZipFile(io.BytesIO(armed("zip_slip"))).namelist())
        assert zipfile.ZipFile(io.BytesIO(armed("zip_bomb", size=9_000_000))).infolist()[0].file_size == 9_000_000
        assert b"<!ENTITY" in zipfile.ZipFile(io.BytesIO(armed("xxe"))).read("cases.xml")
        with pytest.raises(UnicodeDecodeError):
            zipfile.ZipFile(io.BytesIO(armed("gbk_broken"))).read("cases.xml").decode("gb18030")
        bad = zipfile.ZipFile(io.BytesIO(armed("bad_manifest")))
        assert hashlib.md5(bad.read("cases.xml")).hexdigest().encode() not in bad.read("manifest.xml")
        armed("no_ok")
        assert newest(client) + ".ok" not in paths(client)
        stand.faults.clear("d4")
        stand.settle()
        assert read(client, newest(client)) == whole


def test_a_counted_fault_is_over_after_its_reads(stand: Running) -> None:
    stand.faults.arm("d4", "truncated", times=1)
    stand.settle()
    with sftp(stand) as client:
        cut = read(client, newest(client))
        stand.settle()
        assert len(read(client, newest(client))) > len(cut)


def test_faults_of_the_connection(stand: Running) -> None:
    stand.faults.arm("d4", "down")
    with pytest.raises((paramiko.SSHException, EOFError, OSError)), sftp(stand):
        pass
    stand.faults.arm("d4", "host_key")
    stand.settle()
    with pytest.raises(paramiko.SSHException), sftp(stand):
        pass
    stand.faults.clear("d4")
    stand.settle()
    stand.faults.arm("d4", "reset", path=".zip")
    with sftp(stand) as client, pytest.raises((OSError, EOFError, paramiko.SSHException)):
        read(client, newest(client))
    with sftp(stand) as client:
        assert read(client, newest(client))


def test_a_workbook_that_is_still_being_written(stand: Running) -> None:
    stand.faults.arm("d5", "growing", times=2)
    with sftp(stand) as client:
        sizes = [client.stat("/out/20261120/气象局_202611.xlsx").st_size]
        for _ in range(2):
            client.listdir("/out/20261120")
            sizes.append(client.stat("/out/20261120/气象局_202611.xlsx").st_size)
        assert sizes == sorted(set(sizes))
        stand.settle()
        assert client.stat("/out/20261120/气象局_202611.xlsx").st_size == sizes[0]


@pytest.mark.parametrize("kind", ["xxe", "billion_laughs", "zip_slip", "truncated", "gbk_broken"])
def test_faults_of_workbooks(stand: Running, kind: str) -> None:
    stand.faults.arm("d5", kind, times=None, file="气象局")
    stand.settle()
    with sftp(stand) as client:
        body = read(client, "/out/20261120/气象局_202611.xlsx")
    if kind == "truncated":
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(body))
    elif kind == "zip_slip":
        assert any(".." in name for name in zipfile.ZipFile(io.BytesIO(body)).namelist())
    elif kind == "gbk_broken":
        with pytest.raises(UnicodeDecodeError):
            zipfile.ZipFile(io.BytesIO(body)).read("xl/sharedStrings.xml").decode()
    else:
        assert b"<!ENTITY" in zipfile.ZipFile(io.BytesIO(body)).read("xl/sharedStrings.xml")
