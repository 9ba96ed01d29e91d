"""The file-drop connector against OpenSSH: D4's zips and D5's workbooks, sound, damaged and hostile."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from connectors.base import Batch, Payload, Proof, Reject, Window
from connectors.decoders import archives, cases_xml, spreadsheets
from connectors.protocols.file_drop import FileDrop
from core.errors import ConfigurationError, ProviderError, TransientError
from sources.declaration import Feed
from tests.connectors.contract import Case, Contract
from tests.connectors.cut import Relay, relay
from tests.connectors.declarations import files_feed, source
from tests.connectors.sshd import Sshd, sshd

pytestmark = pytest.mark.server

CASES = files_feed(
    "d4.cases",
    ["YWLSH"],
    files=r"HB_(?P<scope>\d{14})_(?P<order>\d{3})\.zip",
    own="HB_*",
    complete="ok",
    content="cases",
    cases={"nested": ["SPHJ", "CL", "FJ"], "attachment": "FJ"},
)
BOOK: dict[str, Any] = {
    "fill_down": ["项目代码", "项目名称", "建设单位", "统一社会信用代码"],
    "dates": ["受理日期", "办结日期"],
}


def weather(settle: float = 0) -> Feed:
    return files_feed(
        "d5.weather",
        ["申办流水号", "文号"],
        files=r"气象局_(?P<order>\d{6})\.xlsx",
        own="气象局_*",
        complete="settled",
        settle=settle,
        content="workbook",
        replaces="sheet",
        workbook=BOOK,
    )


HEADER = [
    "序号",
    "项目代码",
    "项目名称",
    "建设单位",
    "统一社会信用代码",
    "事项编码",
    "事项名称",
    "申办流水号",
    "受理日期",
    "办结日期",
    "结果",
    "文号",
]


@pytest.fixture(scope="module")
def sftp(need: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(need, tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def server(sftp: Sshd) -> Sshd:
    """With an empty drop."""
    for folder in sftp.drop.iterdir():
        shutil.rmtree(folder)
    return sftp


class Reader:
    """A feed read run after run, its state handed on as the pipeline does."""

    def __init__(self, server: Sshd, feed: Feed, **endpoint: Any) -> None:
        name = feed.id.partition(".")[2]
        self.feed = feed
        self.connector = FileDrop(
            source(feed.id.partition(".")[0], "file_drop", {name: feed}), server.endpoint(**endpoint)
        )
        self.state: dict[str, Any] | None = None
        self.payloads: list[Payload] = []
        self.proof: Proof | None = None
        self.batches: list[Batch] = []

    def run(self) -> list[dict[str, str | None]]:
        *self.payloads, self.proof = self.connector.fetch(self.feed, Window(), self.state)
        self.state = json.loads(json.dumps(self.proof.state))
        self.batches = [batch for payload in self.payloads for batch in self.connector.decode(self.feed, payload)]
        return [row for batch in self.batches for row in batch.rows.to_pylist()]

    @property
    def codes(self) -> list[str]:
        return [issue.code for issue in self.proof.issues]

    @property
    def rejects(self) -> list[Reject]:
        return [reject for batch in self.batches for reject in batch.rejects]


def document(*cases: str, prefix: str = "", encoding: str = "GB18030", head: str = "") -> bytes:
    mark = f"{prefix}:" if prefix else ""
    space = f"xmlns:{prefix}" if prefix else "xmlns"
    text = f'<?xml version="1.0" encoding="{encoding}"?>{head}<{mark}CASES {space}="urn:dg:hb:case:2">{"".join(cases)}</{mark}CASES>'
    return text.encode("gb18030")


def case(number: str, time: str = "2026-11-01 08:00:00", more: str = "", mark: str = "") -> str:
    return f"<{mark}CASE><{mark}YWLSH>{number}</{mark}YWLSH><{mark}SQRMC>东莞市𠮷祥公司</{mark}SQRMC>{more}<{mark}GXSJ>{time}</{mark}GXSJ></{mark}CASE>"


def package(
    cases: bytes, count: int | None, files: dict[str, bytes] | None = None, manifest: bytes | None = None
) -> bytes:
    entries = {"cases.xml": cases, **(files or {})}
    if manifest is None:
        lines = [
            f'<file name="{name}" {f"rows={chr(34)}{count}{chr(34)} " if name == "cases.xml" and count is not None else ""}md5="{hashlib.md5(body).hexdigest()}"/>'
            for name, body in entries.items()
        ]
        manifest = f"<?xml version='1.0' encoding='UTF-8'?><manifest>{''.join(lines)}</manifest>".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("manifest.xml", manifest)
        for name, body in entries.items():
            made.writestr(name, body)
    return out.getvalue()


def lay(server: Sshd, folder: str, name: str, body: bytes, *, ok: bytes | None = b"", time: int | None = None) -> Path:
    path = server.drop / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    if time:
        os.utime(path, (time, time))
    if ok is not None:
        path.with_name(name + ".ok").write_bytes(ok)
    return path


def simple(*numbers: str) -> bytes:
    return package(document(*(case(number) for number in numbers)), len(numbers))


def cutting(server: Relay) -> Callable[[], Any]:
    """For the length of a block, every connection is cut after 6,000 bytes."""

    @contextmanager
    def broken() -> Iterator[None]:
        server.cuts, server.after = 1000, 6000
        try:
            yield
        finally:
            server.cuts = 0

    return broken


@pytest.fixture
def between(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    monkeypatch.setattr("connectors.transports.sftp._ATTEMPTS", 2)
    with relay(server.port) as made:
        yield made


def contract_case(server: Sshd, between: Relay, feed: Feed, keys: set[tuple[str | None, ...]]) -> Case:
    name = feed.id.partition(".")[2]
    declared = source(feed.id.partition(".")[0], "file_drop", {name: feed})
    return Case(
        make=lambda: FileDrop(declared, server.endpoint(port=between.port)),
        feed=feed,
        keys=keys,
        window=Window(),
        failing=cutting(between),
        secrets=(server.private_key.splitlines()[1],),
    )


class TestCasesContract(Contract):
    @pytest.fixture
    def case(self, server: Sshd, between: Relay) -> Case:
        lay(
            server,
            "20261101",
            "HB_20261101080000_001.zip",
            package(document(*map(case, "abc")), 3, {"a.pdf": os.urandom(20_000)}),
        )
        lay(server, "20261102", "HB_20261102080000_001.zip", simple("d"))
        return contract_case(server, between, CASES, {(key,) for key in "abcd"})


class TestWorkbookContract(Contract):
    @pytest.fixture
    def case(self, server: Sshd, between: Relay) -> Case:
        lay(
            server,
            "20261101",
            "气象局_202610.xlsx",
            workbook({"2026-10": [line(1, "A"), line(2, None, document="文1")]}),
            ok=None,
        )
        lay(server, "20261201", "气象局_202611.xlsx", workbook({"2026-11": [line(1, "B")]}), ok=None)
        return contract_case(server, between, weather(settle=0.2), {("A", None), (None, "文1"), ("B", None)})


# -- D4


def test_a_zip_is_read_with_any_prefix_nested_elements_and_attachments(server: Sshd) -> None:
    more = (
        "<hb:SPHJ><hb:SPHJMC>受理</hb:SPHJMC><hb:SPRXM>李四</hb:SPRXM></hb:SPHJ><hb:SPHJ><hb:SPHJMC>办结</hb:SPHJMC></hb:SPHJ>"
        '<hb:CL><hb:CLMC>报告表</hb:CLMC></hb:CL><hb:FJ href="attachments/附件.pdf"/><hb:FJ href="attachments/none.pdf"/>'
    )
    body = package(
        document(case("E1", more=more, mark="hb:"), case("E2", mark="hb:"), prefix="hb"),
        2,
        {"attachments/附件.pdf": b"%PDF"},
    )
    lay(server, "20261101", "HB_20261101080000_001.zip", body, ok=f"{hashlib.md5(body).hexdigest().upper()}\n".encode())
    reader = Reader(server, CASES)
    first, second = reader.run()
    assert first["YWLSH"] == "E1" and first["SQRMC"] == "东莞市𠮷祥公司" and first["_place"] == "CASE 1"
    assert json.loads(first["SPHJ"]) == [{"SPHJMC": "受理", "SPRXM": "李四"}, {"SPHJMC": "办结"}]
    assert json.loads(first["CL"]) == [{"CLMC": "报告表"}]
    assert json.loads(first["FJ"]) == [{"href": "attachments/附件.pdf"}, {"href": "attachments/none.pdf"}]
    assert second["SPHJ"] is None
    (batch,) = reader.batches
    assert batch.scope == "HB_20261101080000" and [(i.code, i.record) for i in batch.issues] == [
        ("attachment_missing", "E1")
    ]
    facts = reader.payloads[0].facts
    assert (
        facts["scopes"] == ["HB_20261101080000"]
        and facts["rows"] == 2
        and facts["name"] == "20261101/HB_20261101080000_001.zip"
    )
    assert reader.proof.complete and reader.proof.claimed == reader.proof.distinct == 2 and not reader.proof.issues


def test_a_run_without_news_fetches_nothing_and_is_complete(server: Sshd) -> None:
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1"))
    reader = Reader(server, CASES)
    assert len(reader.run()) == 1
    state = reader.state
    assert reader.run() == [] and reader.payloads == []
    assert reader.proof.complete and not reader.proof.issues and reader.state == state
    (server.drop / "20261101" / "HB_20261101080000_001.zip.ok").unlink()  # cleared away after the transfer
    assert reader.run() == [] and not reader.proof.issues
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1"), time=1_800_000_000)  # the same again
    reader.state["taken"]["20261101/HB_20261101080000_001.zip"][0] = [1, 2, 3, 4]
    before = reader.state["taken"]["20261101/HB_20261101080000_001.zip"][1]
    body = (server.drop / "20261101" / "HB_20261101080000_001.zip").read_bytes()
    if hashlib.md5(body).hexdigest() == before:
        assert reader.run() == []


def test_of_a_timestamp_the_highest_sound_sequence_counts_in_whatever_folder(server: Sshd) -> None:
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1", "E2"))
    reader = Reader(server, CASES)
    assert [row["YWLSH"] for row in reader.run()] == ["E1", "E2"]
    lay(server, "20261103", "HB_20261101080000_003.zip", simple("E2")[:-30])
    lay(server, "20261102", "HB_20261101080000_002.zip", simple("E2", "E3"))
    assert [row["YWLSH"] for row in reader.run()] == ["E2", "E3"]
    assert reader.payloads[0].facts["scopes"] == ["HB_20261101080000"]
    assert reader.payloads[0].facts["replaces"] == ["20261101/HB_20261101080000_001.zip"]
    assert reader.codes == ["archive_damaged"]
    assert reader.run() == [] and reader.codes == ["archive_damaged"]  # told again, fetched no more
    lay(server, "20261104", "HB_20261101080000_003.zip", simple("E2"), time=1_800_000_100)
    assert [row["YWLSH"] for row in reader.run()] == ["E2"]
    lay(server, "20261104", "HB_20261101080000_001.zip", simple("E9"))  # lower than what was taken
    assert reader.run() == []


def test_a_first_run_takes_one_file_of_a_timestamp_only(server: Sshd) -> None:
    for number in ("001", "002"):
        lay(server, "20261101", f"HB_20261101080000_{number}.zip", simple(f"E{number}"))
    lay(server, "20261101", "HB_20261101090000_001.zip", simple("F1"))
    reader = Reader(server, CASES)
    assert sorted(row["YWLSH"] for row in reader.run()) == ["E002", "F1"]


def test_without_ok_it_waits_with_an_issue_and_a_wrong_md5_is_refused_until_sent_again(server: Sshd) -> None:
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1"), ok=None)
    lay(server, "20261101", "HB_20261101090000_001.zip", simple("F1"), ok=b"0" * 32)
    reader = Reader(server, CASES)
    assert reader.run() == []
    assert sorted((i.code, i.record) for i in reader.proof.issues) == [
        ("file_damaged", "20261101/HB_20261101090000_001.zip"),
        ("file_not_ready", "20261101/HB_20261101080000_001.zip"),
    ]
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1"))
    lay(server, "20261101", "HB_20261101090000_001.zip", simple("F1"), ok=b"", time=1_800_000_000)
    assert sorted(row["YWLSH"] for row in reader.run()) == ["E1", "F1"] and not reader.proof.issues


def test_names_that_are_nearly_ours_are_told(server: Sshd) -> None:
    lay(server, "20261101", "HB_2026110108_1.zip", simple("E1"))
    lay(server, "20261101", "气象局_202610.xlsx", b"", ok=None)
    (server.drop / "20261101" / "HB_20261101080000_007.zip.ok").write_bytes(b"")
    lay(server, "other", "HB_20261101080000_001.zip", simple("E1"))
    reader = Reader(server, CASES)
    assert reader.run() == []
    assert sorted(reader.codes) == ["file_missing", "file_name_unknown", "file_name_unknown", "listing_empty"]


def bomb() -> bytes:
    """Declares 3 GiB in an entry."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made,
        made.open("cases.xml", "w", force_zip64=True) as entry,
    ):
        for _ in range(8):
            entry.write(b"\0" * (1 << 20))
    body = bytearray(out.getvalue())
    place = body.index(b"PK\x01\x02") + 24
    body[place : place + 4] = struct.pack("<I", 3 << 30)
    return bytes(body)


def slip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("manifest.xml", "<manifest/>")
        made.writestr("../../etc/cron.d/x", "x")
    return out.getvalue()


def altered() -> bytes:
    body = package(document(case("E1")), 1, {"attachments/a.pdf": b"%PDF" * 99})
    return body.replace(b"attachments/a.pdf", b"attachments/b.pdf")


LAUGHS = '<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
ENTITY = '<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (bomb(), "archive_unsafe"),
        (slip(), "archive_unsafe"),
        (simple("E1")[:-40], "archive_damaged"),
        (b"no zip at all", "archive_damaged"),
        (altered(), "file_damaged"),
        (package(document(case("E1")), 2), "file_damaged"),
        (
            package(
                document(case("E1")),
                1,
                manifest=b"<manifest><file name='cases.xml' rows='1' md5='" + b"0" * 32 + b"'/></manifest>",
            ),
            "file_damaged",
        ),
        (package(document(case("E1"))[:-9], 1), "xml_cut"),
        (package(document(case("&b;"), head=LAUGHS), 1), "xml_unsafe"),
        (package(document(case("&x;"), head=ENTITY), 1), "xml_unsafe"),
        (package(document(case("E1")), 1, manifest=b"<!DOCTYPE m [<!ENTITY a 'b'>]><manifest/>"), "xml_unsafe"),
    ],
    ids=[
        "bomb",
        "slip",
        "cut",
        "no zip",
        "unlisted",
        "count",
        "md5",
        "cut xml",
        "laughs",
        "external entity",
        "manifest entity",
    ],
)
def test_what_is_damaged_or_hostile_is_skipped_with_an_issue_and_the_others_go_on(
    server: Sshd, body: bytes, code: str
) -> None:
    lay(server, "20261101", "HB_20261101080000_001.zip", body)
    lay(server, "20261101", "HB_20261101090000_001.zip", simple("F1"))
    reader = Reader(server, CASES)
    assert [row["YWLSH"] for row in reader.run()] == ["F1"]
    (issue,) = reader.proof.issues
    assert issue.code == code and issue.record == "20261101/HB_20261101080000_001.zip" and "root:" not in issue.detail


def test_a_case_with_bytes_that_do_not_decode_is_rejected_alone(server: Sshd) -> None:
    cases = document(case("E1"), case("E2", more="<SXMC>坏@字</SXMC>"), case("E3"), case("@4")).replace(b"@", b"\xff")
    lay(server, "20261101", "HB_20261101080000_001.zip", package(cases, 4))
    reader = Reader(server, CASES)
    assert [row["YWLSH"] for row in reader.run()] == ["E1", "E3"]
    two, four = reader.rejects
    assert (
        (two.place, two.code, two.record) == ("CASE 2", "undecodable", "E2") and "\\xff" in two.raw and "坏" in two.raw
    )
    assert (four.place, four.record) == ("CASE 4", None)
    assert reader.proof.claimed == 4


def test_a_document_of_other_encodings(server: Sshd) -> None:
    undeclared = document(case("E1")).partition(b"?>")[2]
    utf8 = document(case("E2")).decode("gb18030").replace("GB18030", "UTF-8").encode()
    gbk = document(case("E3"), encoding="gb2312")
    for hour, body in enumerate((undeclared, utf8, gbk)):
        lay(server, "20261101", f"HB_202611010{hour}0000_001.zip", package(body, 1))
    assert {row["YWLSH"]: row["SQRMC"] for row in Reader(server, CASES).run()} == dict.fromkeys(
        ("E1", "E2", "E3"), "东莞市𠮷祥公司"
    )


def test_large_documents_are_read_in_flat_memory(tmp_path: Path) -> None:
    import resource

    number = 8_000
    body = document(*(case(f"E{n}", more=f"<SXMC>{'环境影响评价审批' * 420}</SXMC>") for n in range(number)))
    file = tmp_path / "z.zip"
    file.write_bytes(package(body, number))
    size = len(body)
    del body
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    options = cases_xml.CasesOptions.model_validate(CASES.options["cases"])
    assert cases_xml.inspect(file, options, archives.Limits()).rows == number
    rows = sum(batch.rows.num_rows for batch in cases_xml.decode(file, "s", options, ["YWLSH"], [], archives.Limits()))
    assert rows == number and size > 50 << 20
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ) * 1024 < size  # a tree of it takes many times that


def test_a_transfer_that_is_cut_goes_on(server: Sshd) -> None:
    body = package(document(case("E1")), 1, {"attachments/a.pdf": os.urandom(6 << 20)})
    lay(server, "20261101", "HB_20261101080000_001.zip", body)
    with relay(server.port) as between:
        between.cuts, between.after = 2, 3 << 20
        reader = Reader(server, CASES, port=between.port)
        assert [row["YWLSH"] for row in reader.run()] == ["E1"]
        assert between.connections >= 2
    assert reader.payloads[0].body.read_bytes() == body
    reader.connector.close()
    assert not reader.payloads[0].body.exists()


def test_a_server_that_is_down_is_transient_and_a_wrong_root_is_ours(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.transports.sftp._ATTEMPTS", 1)
    with pytest.raises(TransientError) as error:
        Reader(server, CASES, port=1).run()
    assert error.value.feed == "d4.cases"
    with pytest.raises(ConfigurationError, match="nowhere"):
        Reader(server, CASES, root="/nowhere").run()


def test_check_says_what_stands_there(server: Sshd) -> None:
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("E1"))
    connection, cases = Reader(server, CASES).connector.check()
    assert connection.ok and cases.ok and "HB_20261101080000_001.zip" in cases.detail
    (line,) = Reader(server, CASES, host_key=server.host_keys["ecdsa"]).connector.check()
    assert not line.ok and "host_key" in line.remedy


def test_state_stays_small_and_forgets_what_is_long_gone(server: Sshd) -> None:
    lay(server, "20200101", "HB_20200101080000_001.zip", simple("E1"))
    lay(server, "20261101", "HB_20261101080000_001.zip", simple("F1"))
    reader = Reader(server, CASES)
    reader.run()
    assert len(reader.state["taken"]) == 2 and len(json.dumps(reader.state)) < 700
    shutil.rmtree(server.drop / "20200101")
    reader.run()
    assert list(reader.state["taken"]) == ["20261101/HB_20261101080000_001.zip"] and list(reader.state["scopes"]) == [
        "HB_20261101080000"
    ]


# -- D5


def workbook(
    sheets: dict[str, list[list[Any]]],
    merges: dict[str, list[str]] | None = None,
    header: list[str] = HEADER,
    header_row: int = 3,
) -> bytes:
    out = io.BytesIO()
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        sheet["A1"] = "气象局审批事项办理情况表"
        sheet.merge_cells(
            start_row=1, end_row=header_row - 1 if header_row > 1 else 1, start_column=1, end_column=len(header)
        )
        for column, title in enumerate(header, 1):
            sheet.cell(header_row, column, title)
        for row, line in enumerate(lines, header_row + 1):
            for column, value in enumerate(line, 1):
                if value is not None:
                    sheet.cell(row, column, value)
        for merge in (merges or {}).get(name, []):
            sheet.merge_cells(merge)
    book.save(out)
    return out.getvalue()


def line(number: int, slip: Any, day: Any = 46327, document: Any = None, project: bool = True) -> list[Any]:
    head = ["2312-441900-04-01-123450", "松山湖项目", "东莞市甲公司", "91441900MA0000015D"] if project else [None] * 4
    return [number, *head, "QX-01", "防雷装置设计审核", slip, day, "2026/11/05", "通过", document]


def test_a_workbook_is_read_with_merged_cells_serials_and_codes_as_numbers(server: Sshd) -> None:
    lines = [
        line(1, 20261101000123456, 46327),
        line(2, "SB2", 46327.5, project=False),
        line(3, None, "2026年11月3日", "莞气审〔2026〕7号", project=False),
        [None] * 12,
        line(4, "SB4", 46330)[:11] + [None],
    ]
    merges = {"2026-11": ["B4:B6", "C4:C6", "D4:D6", "E4:E6", "K4:K6"]}
    book = workbook({"2026-11": lines, "说明": []}, merges)
    book = part(
        book, SHEET, b"2.026110100012346e+16", b"20261101000123456"
    )  # what wrote the test's file keeps 16 digits
    lay(server, "20261201", "气象局_202611.xlsx", book, ok=None)
    reader = Reader(server, weather(settle=0.2))
    rows = reader.run()
    assert [row["项目代码"] for row in rows] == ["2312-441900-04-01-123450"] * 4
    assert [row["统一社会信用代码"] for row in rows] == ["91441900MA0000015D"] * 4
    assert [row["申办流水号"] for row in rows] == ["20261101000123456", "SB2", None, "SB4"]
    assert [row["受理日期"] for row in rows] == ["2026-11-01", "2026-11-01 12:00:00", "2026年11月3日", "2026-11-04"]
    assert rows[0]["办结日期"] == "2026/11/05" and rows[2]["文号"] == "莞气审〔2026〕7号"
    assert [row["结果"] for row in rows] == [
        "通过",
        None,
        None,
        "通过",
    ]  # merged, but none of the columns that count for each row
    assert [row["_place"] for row in rows] == ["2026-11!4", "2026-11!5", "2026-11!6", "2026-11!8"]
    assert rows[0]["序号"] == "1" and {batch.scope for batch in reader.batches} == {"2026-11"}
    assert reader.codes == ["sheet_unknown"] and reader.proof.complete


def test_cells_of_another_writer(tmp_path: Path) -> None:
    """Real dates, codes as floats, leading zeros by format, booleans, rich text: as Excel and xlsxwriter write them."""
    file = tmp_path / "b.xlsx"
    book = xlsxwriter.Workbook(str(file))
    sheet = book.add_worksheet("2026-11")
    sheet.merge_range("A1:L2", "表")
    for column, title in enumerate(HEADER):
        sheet.write(2, column, title if column != 7 else "申办\n流水号")
    import datetime

    sheet.write_datetime(3, 8, datetime.datetime(2026, 11, 1), book.add_format({"num_format": "yyyy/m/d"}))
    sheet.write_datetime(
        3, 9, datetime.datetime(2026, 11, 1, 9, 30, 15), book.add_format({"num_format": "yyyy/m/d hh:mm"})
    )
    sheet.write_number(3, 5, 42, book.add_format({"num_format": "000000"}))
    sheet.write_number(3, 7, 1234567890.0)
    sheet.write_number(3, 11, 1.2345678901234567e19)
    sheet.write_rich_string(3, 6, "防雷", book.add_format({"bold": True}), "审核")
    sheet.write_boolean(3, 10, True)
    sheet.write_formula(3, 0, "=1+1", None, 2)
    book.close()
    options = spreadsheets.WorkbookOptions.model_validate(BOOK)
    (batch,) = spreadsheets.decode(file, ["2026-11"], options, ["申办流水号", "文号"], HEADER, archives.Limits())
    (row,) = batch.rows.to_pylist()
    assert row["受理日期"] == "2026-11-01" and row["办结日期"] == "2026-11-01 09:30:15"
    assert (row["序号"], row["事项编码"], row["申办流水号"], row["事项名称"], row["结果"]) == (
        "2",
        "000042",
        "1234567890",
        "防雷审核",
        "1",
    )
    assert row["文号"] == "1.234567890123457E+19" and [issue.code for issue in batch.issues] == ["digits_lost"]


def test_a_workbook_is_taken_once_it_is_the_same_in_two_listings(server: Sshd) -> None:
    path = lay(
        server, "20261201", "气象局_202611.xlsx", workbook({"2026-11": [line(1, "A")]}), ok=None, time=1_790_000_000
    )
    reader = Reader(server, weather())
    assert reader.run() == [] and reader.codes == ["file_not_ready"]
    os.utime(path, (1_790_000_060, 1_790_000_060))
    assert reader.run() == [] and reader.codes == ["file_not_ready"]
    assert [row["申办流水号"] for row in reader.run()] == ["A"] and not reader.proof.issues
    assert reader.run() == [] and not reader.proof.issues and reader.state["seen"] == {} or list(reader.state["seen"])


def test_the_newest_file_replaces_its_months_and_an_older_one_that_comes_late_does_not(server: Sshd) -> None:
    october, november = [line(1, "O1")], [line(1, "N1"), line(2, "N2")]
    lay(server, "20261101", "气象局_202610.xlsx", workbook({"2026-10": october}), ok=None)
    reader = Reader(server, weather(settle=0.2))
    assert len(reader.run()) == 1
    lay(server, "20261201", "气象局_202611.xlsx", workbook({"2026-10": [line(1, "O2")], "2026-11": november}), ok=None)
    lay(
        server,
        "20261120",
        "气象局_202610.xlsx",
        workbook({"2026-10": [line(1, "LATE")], "2026-09": [line(1, "S1")]}),
        ok=None,
    )
    assert sorted(row["申办流水号"] for row in reader.run()) == ["N1", "N2", "O2", "S1"]
    assert [payload.facts["scopes"] for payload in reader.payloads] == [["2026-10", "2026-11"], ["2026-09"]]
    assert reader.payloads[0].facts["replaces"] == ["20261101/气象局_202610.xlsx"]
    lay(server, "20261115", "气象局_202610.xlsx", workbook({"2026-10": [line(1, "OLD")]}), ok=None)
    assert reader.run() == [] and reader.proof.complete
    lay(
        server, "20261201", "气象局_202611.xlsx", workbook({"2026-11": []}), ok=None, time=1_800_000_000
    )  # sent again in its place
    assert (
        reader.run() == []
        and reader.payloads[0].facts["scopes"] == ["2026-11"]
        and reader.payloads[0].facts["rows"] == 0
    )


def part(book: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A workbook with one part altered."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as source_zip, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for info in source_zip.infolist():
            body = source_zip.read(info)
            if info.filename == name:
                assert old in body
                body = body.replace(old, new, 1)
            made.writestr(info.filename, body)
    return out.getvalue()


def shared() -> bytes:
    """A workbook whose texts stand in a part of their own, as most programs write it."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("2026-11")
        sheet.write_row(2, 0, HEADER)
        sheet.write_row(3, 0, line(1, "A"))
    return out.getvalue()


SOUND = workbook({"2026-11": [line(1, "A")]})
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (SOUND[:-200], "archive_damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "archive_damaged"),
        (bomb(), "archive_unsafe"),
        (
            part(SOUND, SHEET, b"<worksheet", b'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet'),
            "xml_unsafe",
        ),
        (part(SOUND, "xl/workbook.xml", b"<workbook", b'<!DOCTYPE w [<!ENTITY a "b">]><workbook'), "xml_unsafe"),
        (part(SOUND, "xl/workbook.xml", b"</sheets>", b""), "xml_malformed"),
        (part(shared(), "xl/sharedStrings.xml", b"<t>", b"<t>\xb9\xff"), "file_damaged"),
        (part(shared(), SHEET, b't="s"><v>1<', b't="s"><v>999<'), "file_damaged"),
        (simple("E1"), "file_damaged"),
        (workbook({"十一月": [line(1, "A")]}), "file_damaged"),
        (workbook({"2026-11": [line(1, "A")]}, header=["甲"] * 12), "file_damaged"),
        (workbook({"2026-11": [line(1, "A")]}, header=[*HEADER[:-1], "结果"]), "file_damaged"),
    ],
    ids=[
        "cut",
        "old xls",
        "bomb",
        "external entity",
        "entity",
        "malformed",
        "undecodable",
        "no string",
        "no workbook",
        "no month",
        "no header",
        "twice",
    ],
)
def test_a_workbook_that_does_not_hold_is_skipped_with_an_issue(server: Sshd, body: bytes, code: str) -> None:
    lay(server, "20261201", "气象局_202611.xlsx", body, ok=None)
    reader = Reader(server, weather(settle=0.2))
    assert reader.run() == []
    assert code in reader.codes
    assert reader.run() == [] and code in reader.codes
    lay(server, "20261201", "气象局_202611.xlsx", SOUND, ok=None, time=1_800_000_000)
    assert len(reader.run()) == 1 and not reader.proof.issues


def test_a_header_elsewhere_absent_columns_and_further_ones(tmp_path: Path) -> None:
    header = ["备注", "文号", "项目代码"]
    body = workbook({"2026-11": [["x", "莞气1号", "P"]]}, header=header, header_row=2)
    options = spreadsheets.WorkbookOptions.model_validate(BOOK)
    found = spreadsheets.inspect(body, options, ["申办流水号", "文号"], HEADER, archives.Limits())
    assert found.scopes == {"2026-11": 1} and {issue.field for issue in found.issues} >= {"申办流水号", "结果"}
    (batch,) = spreadsheets.decode(body, ["2026-11"], options, ["申办流水号", "文号"], HEADER, archives.Limits())
    assert batch.rows.to_pylist() == [{"备注": "x", "文号": "莞气1号", "项目代码": "P", "_place": "2026-11!3"}]


def test_wrong_options_name_the_option(server: Sshd) -> None:
    with pytest.raises(ConfigurationError, match="options.complete"):
        Reader(server, files_feed("d4.cases", ["YWLSH"], files="x", complete="soon", content="cases")).run()


def test_a_workbook_of_many_rows_is_read_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    book = xlsxwriter.Workbook(str(file), {"constant_memory": True})
    sheet = book.add_worksheet("2026-11")
    for column, title in enumerate(HEADER):
        sheet.write(2, column, title)
    for row in range(3, 12_003):
        sheet.write(row, 7, f"SB{row}")
    book.close()
    options = spreadsheets.WorkbookOptions.model_validate(BOOK)
    sizes = [
        b.rows.num_rows
        for b in spreadsheets.decode(file, ["2026-11"], options, ["申办流水号"], HEADER, archives.Limits())
    ]
    assert sum(sizes) == 12_000 and max(sizes) == 5000
    with pytest.raises(ProviderError):
        spreadsheets.inspect(file, options, ["申办流水号"], HEADER, archives.Limits(entry=1000))


def two_row_header(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    for cell, text in {
        "A1": "2026年10月施工许可台账",
        "A2": "镇街",
        "B2": "施工许可证",
        "D2": "建设规模",
        "B3": "证号",
        "C3": "附件",
        "D3": "总投资",
    }.items():
        sheet[cell] = text
    for row in (["莞城", "S1", None, 10], [None, "S2", None, 20], [None, "小计", None, 30], ["东城", "S3", "F", 40]):
        sheet.append(row)
    for merge in ("A1:D1", "A2:A3", "B2:C2", "A4:A5"):
        sheet.merge_cells(merge)
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


def test_names_over_several_rows_are_joined_and_cells_merged_down_that_nobody_declared_are_told(tmp_path: Path) -> None:
    path = two_row_header(tmp_path)
    given = {"sheets": "Sheet1", "header_row": 2, "header_rows": 2}
    for key in (["施工许可证_证号"], ["?"]):  # decided, and at a first look
        options = spreadsheets.WorkbookOptions(**given)
        found = spreadsheets.inspect(path, options, key, [], archives.Limits())
        assert [(issue.code, issue.field) for issue in found.issues] == [("merged_unfilled", "镇街")]
        (batch,) = spreadsheets.decode(path, None, options, key, [], archives.Limits())
        rows = batch.rows.to_pylist()
        assert list(rows[0]) == ["镇街", "施工许可证_证号", "施工许可证_附件", "建设规模_总投资", "_place"]
        assert [row["镇街"] for row in rows] == ["莞城", None, "东城"]
        assert [reject.code for reject in batch.rejects] == ["total_row"]
    filled = spreadsheets.WorkbookOptions(**given, fill_down=["镇街"])
    assert spreadsheets.inspect(path, filled, key, [], archives.Limits()).issues == []
    (batch,) = spreadsheets.decode(path, None, filled, key, [], archives.Limits())
    assert batch.rows["镇街"].to_pylist() == ["莞城", "莞城", "东城"]
