"""P1 and P2: signatures, envelopes, paging that shifts, files in parts."""

from __future__ import annotations

import csv
import hashlib
import io
import time
import uuid
import zipfile
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator
from pyproj import Transformer
from shapely.geometry import Polygon, shape
from shapely.ops import transform

from standins.forms import stamp
from standins.systems.gateway import signature
from standins.testing import Running
from tests.standins import sample

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "schemas/contracts/p1.openapi.yaml").read_text("utf-8"))
NOW = stamp(sample.CLOCK + timedelta(minutes=1))


def signed(stand: Running, *, ahead: float = 0, nonce: str | None = None, token: str | None = None) -> dict[str, str]:
    connection = stand.connection("p_gateway")
    timestamp = str(int(time.time() + ahead))
    nonce = nonce or uuid.uuid4().hex
    sign = signature(timestamp, token or connection["password"], nonce)
    return {
        "x-tif-paasid": connection["login"],
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": sign.upper() if int(time.time()) % 2 else sign,
    }


def post(stand: Running, path: str, headers: dict[str, str] | None = None, **body: Any) -> requests.Response:
    base = stand.connection("p_gateway")["host"]
    body = {"pageNumber": 1, "pageSize": 500, **body}
    return requests.post(f"{base}/ebus/{path}", json=body, headers=headers or signed(stand), timeout=10)


def page(answer: requests.Response) -> dict[str, Any]:
    outer = answer.json()
    assert str(outer["errcode"]) == "0" and str(outer["data"]["code"]) == "0", outer
    return outer["data"]["data"]


def valid(name: str, answer: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": CONTRACT["components"]}
    Draft202012Validator(schema).validate(answer)


def test_signature_of_the_published_vector() -> None:
    assert signature("1700000000", "demo-token-not-real", "18bcfe56800-a1b2c3") == (
        "45d752bc3cb11538c1aca925d6db037c6ca658066d6cf0215d68cba54715b96f"
    )


def test_a_request_must_be_signed_rightly_lately_and_once(stand: Running) -> None:
    good = signed(stand, nonce="once-" + uuid.uuid4().hex)
    assert post(stand, "enterprise/query", good).status_code == 200
    for headers in (good, signed(stand, ahead=-200), signed(stand, ahead=200), signed(stand, token="wrong")):
        answer = post(stand, "enterprise/query", headers)
        assert (answer.status_code, answer.json()) == (500, {"code": 400001, "msg": "鉴权失败，鉴权信息有误。"})
    del good["x-tif-nonce"]
    assert post(stand, "enterprise/query", good).json() == {"code": 400001, "msg": "鉴权参数不完整，请求不合法。"}
    refused = signed(stand, token="wrong")  # a nonce is used up by an accepted signature only
    right = signed(stand, nonce=refused["x-tif-nonce"])
    assert post(stand, "enterprise/query", refused).status_code == 500
    assert post(stand, "enterprise/query", right).status_code == 200


@pytest.mark.parametrize(
    ("service", "schema", "count"),
    [("project_filing", "ProjectFilingPage", 1202), ("enterprise", "EnterprisePage", 1), ("licence", "LicencePage", 3)],
)
def test_pages_keep_the_contract_and_hold_every_key_once(stand: Running, service: str, schema: str, count: int) -> None:
    keys, number, total = [], 1, 1
    while number <= total:
        answer = post(stand, f"{service}/query", pageNumber=number, updatedTo=NOW)
        assert answer.headers["Date"]
        valid(schema, answer.json())
        data = page(answer)
        total = int(data["totalPage"])
        assert int(data["totalRow"]) == count
        key = {"project_filing": "id", "enterprise": "uscc", "licence": "certificate_id"}[service]
        keys += [row[key] for row in data["list"]]
        number += 1
    assert len(keys) == len(set(keys)) == count


def test_page_sizes_ends_and_windows(stand: Running) -> None:
    assert len(page(post(stand, "project_filing/query", pageSize=900))["list"]) == 500
    last = page(post(stand, "project_filing/query", pageNumber=3))["list"]
    assert page(post(stand, "project_filing/query", pageNumber=9))["list"] == last
    bounds = {"updatedFrom": sample.ago(hours=2000 - 10), "updatedTo": sample.ago(hours=2000 - 12)}
    assert [r["id"] for r in page(post(stand, "project_filing/query", **bounds))["list"]] == ["BA00010", "BA00011"]
    none = page(post(stand, "project_filing/query", updatedFrom="2030-01-01 00:00:00"))
    assert none["list"] == [] and int(none["totalRow"]) == 0


def test_wrong_requests_are_inner_errors(stand: Running) -> None:
    assert post(stand, "unknown/query").json()["data"]["code"] == "E-106"
    for wrong in ({"pageNumber": 0}, {"pageSize": "x"}, {"updatedFrom": "yesterday"}):
        assert post(stand, "enterprise/query", **wrong).json()["data"]["code"] == "E-400"


def test_rows_say_the_same_in_many_forms(stand: Running) -> None:
    rows = [row for n in (1, 2, 3) for row in page(post(stand, "project_filing/query", pageNumber=n))["list"]]
    assert {type(row["totalInvest"]) for row in rows} == {str, float}
    assert {float(row["totalInvest"]) for row in rows} == {12000.5}
    assert {"expiryDate" in row and row["expiryDate"] for row in rows} == {False, "", None}
    assert any("/" in row["updateTime"] for row in rows)
    assert any(row["projectName"].endswith(" ") for row in rows) and any("１" in row["projectName"] for row in rows)


def test_a_late_row_appears_when_it_is_due(stand: Running) -> None:
    window = {"updatedFrom": sample.ago(hours=3, minutes=1), "updatedTo": sample.ago(hours=2)}
    assert int(page(post(stand, "project_filing/query", **window))["totalRow"]) == 0
    stand.move_clock(hours=1, seconds=5)
    try:
        assert [r["id"] for r in page(post(stand, "project_filing/query", **window))["list"]] == ["BA09001"]
    finally:
        stand.move_clock(at=sample.CLOCK)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("quota_429", 429, None),
        ("quota_inner", 200, "E-429"),
        ("not_authorised", 200, "E-106"),
        ("bad_request", 200, "E-400"),
    ],
)
def test_faults_inside_the_envelope(stand: Running, kind: str, status: int, code: str | None) -> None:
    stand.faults.arm("p1", kind, retry_after=7)
    answer = post(stand, "enterprise/query")
    assert answer.status_code == status
    if code:
        assert answer.json()["data"]["code"] == code
    if "quota" in kind:
        assert answer.headers["Retry-After"] == "7"
    assert page(post(stand, "enterprise/query"))["list"]


def test_faults_of_paging(stand: Running) -> None:
    stand.faults.arm("p1", "outer_error")
    assert post(stand, "enterprise/query").json()["errcode"] == "-1"
    stand.faults.arm("p1", "empty_list")
    empty = page(post(stand, "enterprise/query"))
    assert empty["list"] == [] and int(empty["totalRow"]) > 0
    first = page(post(stand, "project_filing/query"))["list"]
    stand.faults.arm("p1", "repeat_page")
    assert page(post(stand, "project_filing/query", pageNumber=2))["list"] == first
    assert page(post(stand, "project_filing/query", pageNumber=2))["list"] != first
    stand.faults.arm("p1", "total_changes", by=5)
    assert int(page(post(stand, "enterprise/query"))["totalRow"]) == 6


def test_a_row_updated_while_paging_shifts_an_untouched_one_away(stand: Running) -> None:
    bounds = {"updatedTo": NOW, "pageSize": 500}
    keys = [
        r["id"] for n in (1, 2, 3) for r in page(post(stand, "project_filing/query", pageNumber=n, **bounds))["list"]
    ]
    bounds["updatedTo"] = stamp(sample.CLOCK)
    stand.faults.arm("p1", "shift")
    first = page(post(stand, "project_filing/query", **bounds))
    second = page(post(stand, "project_filing/query", pageNumber=2, **bounds))
    third = page(post(stand, "project_filing/query", pageNumber=3, **bounds))
    assert int(second["totalRow"]) == int(first["totalRow"]) - 1
    read = {r["id"] for data in (first, second, third) for r in data["list"]}
    missed = set(keys) - read
    assert len(missed) == 1 and missed != {first["list"][0]["id"]}
    again = {r["id"] for r in page(post(stand, "project_filing/query", **bounds))["list"]}
    assert missed <= again


def test_a_late_row_joins_while_paging(stand: Running) -> None:
    stand.faults.arm("p1", "late_row")
    before = int(page(post(stand, "licence/query"))["totalRow"])
    assert int(page(post(stand, "licence/query"))["totalRow"]) == before + 1


def test_faults_of_the_wire(stand: Running) -> None:
    stand.faults.arm("p1", "reset")
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _ = post(stand, "project_filing/query").content
    stand.faults.arm("p1", "down", times=2)
    for _ in range(2):
        with pytest.raises(requests.exceptions.ConnectionError):
            post(stand, "enterprise/query")
    stand.faults.arm("p1", "html_502")
    answer = post(stand, "enterprise/query")
    assert answer.status_code == 502 and "<html>" in answer.text
    stand.faults.arm("p1", "http_500")
    assert post(stand, "enterprise/query").json()["code"] == 500
    stand.faults.arm("p1", "redirect_away")
    base = stand.connection("p_gateway")["host"]
    moved = requests.post(
        f"{base}/ebus/enterprise/query", headers=signed(stand), json={}, allow_redirects=False, timeout=10
    )
    assert moved.status_code == 307 and "//localhost:" in moved.headers["Location"]
    stand.faults.arm("p1", "redirect_same")
    assert page(post(stand, "enterprise/query"))["list"]


def test_a_redirect_away_would_be_seen(stand: Running) -> None:
    stand.faults.arm("p1", "redirect_away")
    post(stand, "enterprise/query")  # a client that follows, with its signature
    assert stand.faults.count("elsewhere") == 1


def test_a_certificate_that_does_not_verify(stand: Running) -> None:
    url = stand.by_tls("s_features")["host"] + "/collections"
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=10)
    assert requests.get(url, timeout=10, verify=str(stand.certificate)).status_code == 200


def test_a_clock_that_is_off_shows_in_date_and_in_the_check(stand: Running) -> None:
    stand.faults.arm("p1", "clock_off", times=None, seconds=300)
    answer = post(stand, "enterprise/query")
    assert answer.status_code == 500
    off = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
    assert 295 < off < 305
    assert post(stand, "enterprise/query", signed(stand, ahead=off)).status_code == 200


def files(stand: Running, **bounds: Any) -> list[dict[str, Any]]:
    answer = post(stand, "files/list", feed="land_approval", **bounds)
    valid("FilePage", answer.json())
    return page(answer)["list"]


def fetch(stand: Running, row: dict[str, Any], **headers: str) -> requests.Response:
    origin = stand.connection("p_gateway")["host"].rpartition("/")[0]
    url = row["url"] if row["url"].startswith("http") else origin + row["url"]
    assert url.startswith(origin)
    return requests.get(url, headers={**signed(stand), **headers}, timeout=10)


def test_files_are_listed_and_hold_approvals_with_their_red_lines(stand: Running, world: Path) -> None:
    listed = files(stand)
    assert len(listed) == 4 and len(files(stand, **{"from": listed[2]["createTime"]})) == 2
    assert any(row["url"].startswith("http") for row in listed) or any(row["url"].startswith("/") for row in listed)
    geometries = [sample.square(113.75 + n / 100, 23.02, hole=n % 2 == 0) for n in range(8)]
    project = Transformer.from_crs("EPSG:4490", "EPSG:4526", always_xy=True)
    rows = 0
    for row in listed:
        body = fetch(stand, row).content
        assert hashlib.md5(body).hexdigest() == row["md5"] and len(body) == int(row["size"])
        with zipfile.ZipFile(io.BytesIO(body), metadata_encoding="gb18030") as archive:
            table = list(csv.DictReader(io.StringIO(archive.read("批文.csv").decode("gb18030"))))
            assert {"批文号", "项目代码", "更新时间"} <= set(table[0])
            rows += len(table)
            lines = {name for name in archive.namelist() if name.startswith("红线/")}
            assert len(lines) == len(table)
            for name in lines:
                number = int(name.partition("〕")[2].partition("号")[0])
                rings: dict[str, list[tuple[float, float]]] = {}
                for line in (
                    archive.read(name).decode("utf-8" if b"\r" not in archive.read(name) else "gb18030").splitlines()
                ):
                    parts = line.split(",")
                    if len(parts) == 4 and parts[0].lstrip("J").isdigit():
                        rings.setdefault(parts[1], []).append((float(parts[3]), float(parts[2])))
                shell, *holes = rings.values()
                area = Polygon(shell, holes).area
                wanted = shape(geometries[number])
                assert area == pytest.approx(transform(project.transform, wanted).area, rel=1e-4)
                assert all(38_400_000 < x < 38_600_000 for x, _ in shell)
    assert rows == 8


def test_a_file_comes_in_parts(stand: Running) -> None:
    row = files(stand)[0]
    whole = fetch(stand, row)
    assert whole.status_code == 200 and whole.headers["ETag"] == f'"{row["md5"]}"'
    part = fetch(stand, row, Range="bytes=100-")
    assert part.status_code == 206 and part.content == whole.content[100:]
    assert part.headers["Content-Range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    assert fetch(stand, row, Range=f"bytes={len(whole.content)}-").status_code == 416
    stand.faults.arm("p2", "no_range")
    assert fetch(stand, row, Range="bytes=100-").status_code == 200
    origin = stand.connection("p_gateway")["host"].rpartition("/")[0]
    assert requests.get(origin + "/gateway/files/" + row["name"], timeout=10).status_code == 500  # unsigned


def test_faults_of_files(stand: Running) -> None:
    row = files(stand)[0]
    stand.faults.arm("p2", "truncated")
    assert len(fetch(stand, row).content) < int(row["size"])
    stand.faults.arm("p2", "zip_slip")
    assert any(".." in n for n in zipfile.ZipFile(io.BytesIO(fetch(stand, row).content)).namelist())
    stand.faults.arm("p2", "zip_bomb", size=50_000_000)
    bomb = fetch(stand, row).content
    assert len(bomb) < 200_000 and zipfile.ZipFile(io.BytesIO(bomb)).infolist()[0].file_size == 50_000_000
    stand.faults.arm("p2", "gbk_broken")
    table = zipfile.ZipFile(io.BytesIO(fetch(stand, row).content)).read("批文.csv")
    with pytest.raises(UnicodeDecodeError):
        table.decode("gb18030")
    stand.faults.arm("p2", "reset", path="/gateway/files/")
    assert files(stand)
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _ = fetch(stand, row).content
