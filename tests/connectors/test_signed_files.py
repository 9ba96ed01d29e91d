"""P2 against a gateway in JavaScript: files cut, replaced, damaged, hostile; tables and red lines that do not match."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
import shapely

from connectors import connector
from connectors.window import Window
from sources.declaration import FilesCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.gateway_node import PAASID, TOKEN, file, serve
from tests.connectors.http_cases import FAST, endpoint, feed, source
from tests.connectors.test_archives import pack
from tests.connectors.test_redline_txt import GOOD

OPTIONS = {"feed": "land_approval", "table": "批文.csv", "shapes": "红线", "shapes_by": "批文号"}
FEED = feed("land_approval", ["批文号", "项目代码"], FilesCursor(kind="files"), **OPTIONS)
COLUMNS = ["批文号", "项目名称", "项目代码", "批准机关", "批准日期", "批准面积(公顷)", "用地单位", "更新时间"]
pytestmark = pytest.mark.server


def table(*rows: dict[str, str], columns: list[str] = COLUMNS, end: str = "\r\n") -> bytes:
    lines = [",".join(columns)]
    lines += [",".join('"' + row.get(name, "").replace('"', '""') + '"' for name in columns) for row in rows]
    return (end.join(lines) + end).encode("gb18030")


def row(number: str, code: str = "2304-441900-04-01-135254", name: str = "甲项目") -> dict[str, str]:
    return {
        "批文号": number,
        "项目代码": code,
        "项目名称": name,
        "批准面积(公顷)": "1.0000",
        "更新时间": "2026-01-01 08:00:00",
    }


def zipped(numbers: list[str], **more: bytes) -> bytes:
    entries = {"批文.csv": table(*[row(number) for number in numbers])}
    entries |= {f"红线/{number.replace('/', '_')}.txt": GOOD.encode() for number in numbers}
    return pack(entries | more)


@pytest.fixture(scope="module")
def gateway(need):
    with serve(need("node", "nodejs")) as server:
        yield server


def make(gateway, **options):
    made = feed("land_approval", FEED.key, FEED.cursor, **(OPTIONS | options))
    return connector(source("signed_files", made, http=FAST), endpoint(gateway.url, PAASID, TOKEN))


def files(count: int):
    return [
        file(f"land_{n}.zip", zipped([f"粤府土审（2026）{n}/1号"]), f"2026-01-{n + 1:02d} 08:00:00")
        for n in range(count)
    ]


class TestContract(Contract):
    @pytest.fixture
    def case(self, gateway):
        gateway.set(files=files(3))

        @contextmanager
        def failing():
            broken = files(3)
            broken[1]["cut"] = 999
            gateway.set(files=broken)
            yield
            gateway.set(files=files(3))

        keys = {(f"粤府土审（2026）{n}/1号", "2304-441900-04-01-135254") for n in range(3)}
        return Case(lambda: make(gateway), FEED, keys, Window(), failing, secrets=(TOKEN,))


def once(gateway, *held, state=None, **options):
    gateway.set(files=list(held))
    made = make(gateway, **options)
    reading = read(made, made.source.feeds["land_approval"], Window(), state)
    made.close()
    return reading


def test_a_row_has_its_red_line_as_geojson(gateway):
    reading = once(gateway, *files(1))
    one = reading.rows.to_pylist()[0]
    shape = shapely.from_geojson(one["红线"])
    assert shape.geom_type == "MultiPolygon"
    assert shape.bounds[0] == pytest.approx(113.75, abs=5e-6)
    assert one["批准面积(公顷)"] == "1.0000" and one["_place"] == "批文.csv row 1"
    assert reading.payloads[0].facts["scopes"] == ["land_0.zip"]
    assert reading.issues == []


def test_taken_files_are_not_fetched_again_and_another_md5_replaces(gateway):
    first = once(gateway, *files(2))
    second = once(gateway, *files(2), state=json.loads(json.dumps(first.proof.state)))
    assert second.payloads == [] and second.proof.complete
    changed = file("land_0.zip", zipped(["新批文"]), "2026-03-01 08:00:00")
    third = once(gateway, changed, files(2)[1], state=second.proof.state)
    assert third.keys(["批文号"]) == {("新批文",)}
    assert third.proof.state["taken"]["land_0.zip"] == changed["md5"]


def test_a_transfer_that_breaks_goes_on_by_range_with_a_new_nonce(gateway):
    big = file(
        "big.zip",
        pack({"批文.csv": table(row("1")), "红线/1.txt": GOOD.encode(), "x.bin": bytes(range(256)) * 4000}),
        "2026-01-01 00:00:00",
        cut=2,
    )
    reading = once(gateway, big)
    assert reading.error is None and reading.keys(["批文号"]) == {("1",)}
    gets = [call for call in gateway.log() if call["path"].endswith("big.zip")]
    assert len(gets) == 3 and gets[1]["range"] and gets[2]["range"]
    assert not any(call.get("refused") for call in gateway.log())


def test_a_file_that_is_not_as_listed_is_told_and_asked_for_again(gateway):
    bad, good = files(2)
    reading = once(gateway, bad | {"md5": "0" * 32}, good)
    assert [issue.code for issue in reading.proof.issues] == ["file_damaged"]
    assert not reading.proof.complete and list(reading.proof.state["taken"]) == ["land_1.zip"]
    healed = once(gateway, bad, good, state=reading.proof.state)
    assert healed.proof.complete and len(healed.payloads) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (pack({"批文.csv": table(row("1")), "../../evil": b"x"}), "archive_unsafe"),
        (pack({"批文.csv": table(row("1")), "big": b"\0" * 3_000_000}), "archive_unsafe"),
        (zipped(["1"])[:-30], "archive_damaged"),
        (b"no zip at all", "archive_damaged"),
    ],
    ids=["slip", "bomb", "truncated", "none"],
)
def test_a_hostile_or_broken_zip_stops_no_other(gateway, body, code):
    reading = once(gateway, file("bad.zip", body, "2026-01-01 00:00:00"), files(2)[1], limits={"entry": 1_000_000})
    assert [issue.code for issue in reading.proof.issues] == [code]
    assert reading.rows.num_rows == 1 and not reading.proof.complete
    assert "bad.zip" not in reading.proof.state["taken"]


def test_columns_in_any_order_and_bracket_width(gateway):
    columns = [name.replace("(", "（").replace(")", "）") for name in reversed(COLUMNS)]
    wide = {name.replace("(", "（").replace(")", "）"): value for name, value in row("1", name='"甲",\n乙').items()}
    body = pack({"批文.csv": table(wide, columns=columns, end="\n"), "红线/1.txt": GOOD.encode()}, names="gb18030")
    one = once(gateway, file("a.zip", body, "2026-01-01 00:00:00")).rows.to_pylist()[0]
    assert one["批准面积(公顷)"] == "1.0000" and one["项目名称"] == '"甲",\n乙' and one["红线"]


def test_halves_that_are_missing_are_issues(gateway):
    body = pack(
        {
            "批文.csv": table(row("1"), row("1", "另一项目"), row("2")),
            "红线/1.txt": GOOD.encode(),
            "红线/3.txt": GOOD.encode(),
        }
    )
    reading = once(gateway, file("a.zip", body, "2026-01-01 00:00:00"))
    assert {(issue.code, issue.record) for issue in reading.issues} == {("shape_missing", "2"), ("row_missing", "3")}
    rows = {(one["批文号"], one["项目代码"]): one["红线"] for one in reading.rows.to_pylist()}
    assert len(rows) == 3 and rows["2", "2304-441900-04-01-135254"] is None
    assert rows["1", "另一项目"] == rows["1", "2304-441900-04-01-135254"] is not None


def test_brackets_and_slashes_of_a_number_find_its_file(gateway):
    body = pack(
        {"批文.csv": table(row("粤府（2026）1/2号")), "红线/粤府(2026)1_2号.TXT": GOOD.encode()}, names="gb18030"
    )
    assert once(gateway, file("a.zip", body, "2026-01-01 00:00:00")).rows.column("红线").null_count == 0


def test_bytes_that_do_not_decode_reject_their_row_alone(gateway):
    broken = table(row("1"), row("2", name="坏项目"), row("3")).replace("坏".encode("gb18030"), b"\xff\xff")
    body = pack({"批文.csv": broken} | {f"红线/{n}.txt": GOOD.encode() for n in "123"})
    reading = once(gateway, file("a.zip", body, "2026-01-01 00:00:00"))
    assert reading.keys(["批文号"]) == {("1",), ("3",)}
    (reject,) = reading.rejects
    assert (reject.code, reject.place, reject.record) == ("undecodable", "批文.csv row 2", "2")
    assert "\\xff" in reject.raw
    assert reading.issues == []


def test_a_row_of_another_width_and_a_zip_without_table_are_rejected(gateway):
    short = table(row("1")) + "2,只有两格\r\n".encode("gb18030")
    reading = once(
        gateway, file("a.zip", pack({"批文.csv": short, "红线/1.txt": GOOD.encode()}), "2026-01-01 00:00:00")
    )
    assert [reject.code for reject in reading.rejects] == ["wrong_width"] and reading.rows.num_rows == 1
    reading = once(gateway, file("a.zip", pack({"红线/1.txt": b""}), "2026-01-01 00:00:00"))
    assert [reject.code for reject in reading.rejects] == ["table_missing"]


def test_a_fault_of_the_gateway_in_place_of_a_file_is_asked_again(gateway):
    gateway.set(
        files=files(1), faults=[{"path": "/files/land", "times": 2, "body": {"errcode": "-1", "errmsg": "busy"}}]
    )
    made = make(gateway)
    reading = read(made, FEED, Window())
    made.close()
    assert reading.error is None and reading.proof.complete and reading.rows.num_rows == 1
