"""D1 and D2 by zeep, a client that knows nothing of the stand-ins."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from requests.auth import HTTPBasicAuth
from zeep.plugins import HistoryPlugin
from zeep.wsse.username import UsernameToken

from standins.forms import stamp, when
from standins.testing import Running
from tests.standins import sample

CONTRACTS = Path(__file__).parents[2] / "schemas" / "contracts"
ALL = (sample.ago(days=3000), stamp(sample.CLOCK + timedelta(days=1)))


@pytest.fixture
def land(stand: Running) -> zeep.proxy.ServiceProxy:
    return approvals(stand)


def approvals(stand: Running, *, password: str | None = None, created: datetime | None = None) -> Any:
    told = stand.connection("d_land")
    token = UsernameToken(told["login"], password or told["password"], use_digest=True, created=created)
    client = zeep.Client(told["host"] + told["extra"]["wsdl"], wsse=token)
    return client.create_service("{urn:dg:nr:approval:1}ApprovalQuerySoap", told["host"] + "/services/ApprovalQuery")


def answer(text: str) -> etree._Element:
    assert text.startswith('<?xml version="1.0" encoding="GBK"?>')
    root = etree.fromstring(text.partition("?>")[2])
    etree.XMLSchema(etree.parse(CONTRACTS / "d1-answer.xsd")).assertValid(root)
    return root


def test_pages_of_cases_keep_the_contract(land: Any) -> None:
    keys, page, total = [], 1, 1
    while len(keys) < total:
        root = answer(land.queryCases(*ALL, page, 100))
        total = int(root.get("total"))
        assert root.get("page") == str(page)
        keys += [case.findtext("YWLSH") for case in root]
        assert not root.findall("CASE/CL")
        page += 1
    assert len(keys) == len(set(keys)) == total == 460
    past = answer(land.queryCases(*ALL, 99, 100))
    assert len(past) == 0 and past.get("total") == "460"


def test_windows_are_half_open_and_the_latest_version_counts(land: Any) -> None:
    root = answer(land.queryCases(sample.ago(hours=2900), sample.ago(hours=2898), 1, 200))
    assert [c.findtext("YWLSH") for c in root] == ["ZRZY00100", "ZRZY00101"]
    root = answer(land.getCaseDetail("ZRZY00003"))
    assert root[0].findtext("SXMC") == "更正" and root[0].findtext("CL/CLMC") == "申请表"
    assert root[0].findtext("SPHJ/SPYJ") == "同意 <&>"
    assert answer(land.getCaseDetail("nothing")).get("total") == "0"


def test_a_wrong_password_an_old_token_and_a_used_nonce_are_refused(stand: Running, land: Any) -> None:
    for wrong in (
        approvals(stand, password="wrong"),
        approvals(stand, created=datetime.now(UTC) - timedelta(seconds=400)),
    ):
        with pytest.raises(zeep.exceptions.Fault) as caught:
            wrong.queryCases(*ALL, 1, 10)
        assert caught.value.code.endswith(":Client.Auth")
    told = stand.connection("d_land")
    history = HistoryPlugin()
    client = zeep.Client(
        told["host"] + told["extra"]["wsdl"],
        wsse=UsernameToken(told["login"], told["password"], use_digest=True),
        plugins=[history],
    )
    service = client.create_service("{urn:dg:nr:approval:1}ApprovalQuerySoap", told["host"] + "/services/ApprovalQuery")
    service.queryCases(*ALL, 1, 10)
    again = requests.post(
        told["host"] + "/services/ApprovalQuery", data=etree.tostring(history.last_sent["envelope"]), timeout=10
    )
    assert again.status_code == 500 and "Client.Auth" in again.text


def test_parameters_are_checked(land: Any) -> None:
    for wrong in ((*ALL, 0, 10), (*ALL, 1, 201), ("soon", ALL[1], 1, 10)):
        with pytest.raises(zeep.exceptions.Fault) as caught:
            land.queryCases(*wrong)
        assert caught.value.code.endswith(":Client.Param")


def test_the_wsdl_is_open_and_its_address_leads_nowhere(stand: Running) -> None:
    told = stand.connection("d_land")
    wsdl = requests.get(told["host"] + told["extra"]["wsdl"], timeout=10)
    assert wsdl.status_code == 200 and "10.194.7.21" in wsdl.text and "?xsd=1" in wsdl.text
    assert requests.get(told["host"] + "/services/ApprovalQuery?xsd=1", timeout=10).content.strip().startswith(b"<?xml")
    stand.faults.arm("d1", "moved_wsdl")
    assert requests.get(told["host"] + told["extra"]["wsdl"], timeout=10).status_code == 404


def test_faults_of_the_service(stand: Running, land: Any) -> None:
    for kind, code in (("busy", "Server.Busy"), ("timeout", "Server.Timeout")):
        stand.faults.arm("d1", kind)
        with pytest.raises(zeep.exceptions.Fault) as caught:
            land.queryCases(*ALL, 1, 10)
        assert caught.value.code.endswith(code)
    stand.faults.arm("d1", "timeout_above", times=None, size=50)
    with pytest.raises(zeep.exceptions.Fault):
        land.queryCases(*ALL, 1, 51)
    assert len(answer(land.queryCases(*ALL, 1, 50))) == 50
    stand.faults.arm("d1", "total_changes")
    assert answer(land.queryCases(*ALL, 1, 10)).get("total") == "461"
    stand.faults.arm("d1", "clock_off", times=None, seconds=400)
    with pytest.raises(zeep.exceptions.Fault):
        land.queryCases(*ALL, 1, 10)


def raw(stand: Running, **call: Any) -> requests.Response:
    told = stand.connection("d_land")
    history = HistoryPlugin()
    client = zeep.Client(
        told["host"] + told["extra"]["wsdl"],
        wsse=UsernameToken(told["login"], told["password"], use_digest=True),
        plugins=[history],
    )
    envelope = client.create_message(
        client.create_service("{urn:dg:nr:approval:1}ApprovalQuerySoap", "http://x"), "queryCases", **call
    )
    return requests.post(told["host"] + "/services/ApprovalQuery", data=etree.tostring(envelope), timeout=10)


def test_gbk_envelopes_and_bytes_that_do_not_decode(stand: Running) -> None:
    call = {"beginTime": ALL[0], "endTime": ALL[1], "pageNo": 1, "pageSize": 10}
    stand.faults.arm("d1", "gbk_envelope")
    sound = raw(stand, **call)
    assert "gbk" in sound.headers["content-type"] and "建设用地" in sound.content.decode("gbk")
    stand.faults.arm("d1", "broken_gbk", times=None, ywlsh="ZRZY00005")
    broken = raw(stand, **call)
    with pytest.raises(UnicodeDecodeError):
        broken.content.decode("gb18030")
    raw(stand, **{**call, "pageSize": 2}).content.decode("gb18030")  # ZRZY00005 is not on it


@pytest.mark.parametrize(("kind", "sign"), [("xxe", "file:///etc/passwd"), ("billion_laughs", "ENTITY i")])
def test_dangerous_answers(stand: Running, land: Any, kind: str, sign: str) -> None:
    stand.faults.arm("d1", kind)
    assert sign in land.queryCases(*ALL, 1, 5)


class Offline(zeep.Transport):
    """Loads the SOAP-encoding schema, which the WSDL imports without a location, from a copy."""

    def load(self, url: str) -> bytes:
        if url.rstrip("/") == "http://schemas.xmlsoap.org/soap/encoding":
            return (CONTRACTS / "soap-encoding.xsd").read_bytes()
        return super().load(url)


def test_d2_by_zeep(stand: Running) -> None:
    told = stand.connection("d_reform")
    session = requests.Session()
    session.auth = HTTPBasicAuth(told["login"], told["password"])
    client = zeep.Client(told["host"] + told["extra"]["wsdl"], transport=Offline(session=session))
    service = client.create_service(
        "{http://service.fgj.dg.gov.cn}ProjectQuerySoapBinding", told["host"] + "/services/ProjectQuery"
    )
    got = service.getProjects("2020-01-01", "2030-01-01", 0, 100)
    assert got is not None


RPC = """<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:ser="http://service.fgj.dg.gov.cn"><soapenv:Body><ser:getProjects soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
<beginDate>{}</beginDate><endDate>{}</endDate><start>{}</start><count>{}</count></ser:getProjects></soapenv:Body></soapenv:Envelope>"""


def call(stand: Running, begin: str, end: str, start: int = 0, count: int = 100, **auth: Any) -> requests.Response:
    told = stand.connection("d_reform")
    return requests.post(
        told["host"] + "/services/ProjectQuery",
        data=RPC.format(begin, end, start, count).encode(),
        auth=auth.get("auth", (told["login"], told["password"])),
        timeout=10,
    )


def rows(response: requests.Response) -> list[dict[str, str | None]]:
    root = etree.fromstring(response.content)
    parts = {f"#{e.get('id')}": e for e in root.iter("multiRef")}
    array = root.find(".//getProjectsReturn")
    found = []
    for item in array if array is not None else ():
        item = parts.get(item.get("href"), item)
        if item.get("{http://www.w3.org/2001/XMLSchema-instance}nil") != "true":
            found.append({field.tag: field.text for field in item})
    return found


def test_d2_lists_by_day_with_refs_nils_and_missing_types(stand: Running) -> None:
    begin, end = sample.ago(days=900)[:10], stamp(sample.CLOCK)[:10]
    found, texts = [], []
    for start in (0, 100, 200, 300):
        response = call(stand, begin, end, start)
        texts.append(response.text)
        found += rows(response)
    assert len({row["projectCode"] for row in found}) == len(found) == 250
    assert "multiRef" in texts[0] and "multiRef" not in texts[1] and 'xsi:nil="true"' in texts[1]
    assert any(
        ' xsi:type="ns2:ProjectInfo"' not in t and "<getProjectsReturn>" in t or "<projectName>" in t for t in texts
    )
    assert rows(call(stand, begin, end, 300)) == []
    day = when(sample.ago(days=300)[:10])
    one = rows(call(stand, f"{day:%Y-%m-%d}", f"{day + timedelta(days=1):%Y-%m-%d}"))
    assert [row["filingDate"] for row in one] == [f"{day:%Y-%m-%d}"]
    assert rows(call(stand, f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}")) == []


def test_d2_faults(stand: Running) -> None:
    begin, end = sample.ago(days=900)[:10], stamp(sample.CLOCK)[:10]
    assert call(stand, begin, end, auth=("x", "y")).status_code == 401
    for wrong in (("", end, 0, 10), (begin, end, 0, 101), (begin, "2026-01-01 00:00:00", 0, 10)):
        response = call(stand, *wrong)
        assert response.status_code == 500
        assert etree.fromstring(response.content).findtext(".//faultstring").startswith("参数")
    stand.faults.arm("d2", "busy")
    fault = etree.fromstring(call(stand, begin, end).content)
    assert fault.findtext(".//faultcode").endswith(":Server.userException")
    assert not fault.findtext(".//faultstring").startswith("参数")
    stand.faults.arm("d2", "short_page")
    assert len(rows(call(stand, begin, end))) == 50
    stand.faults.arm("d2", "billion_laughs")
    assert "<!ENTITY" in call(stand, begin, end).text
    told = stand.connection("d_reform")
    stand.faults.arm("d2", "moved_wsdl")
    url, auth = told["host"] + told["extra"]["wsdl"], (told["login"], told["password"])
    assert requests.get(url, auth=auth, timeout=10).status_code == 404
    assert "fgj-app01" in requests.get(url, auth=auth, timeout=10).text


def test_a_slow_answer_is_still_an_answer(stand: Running) -> None:
    stand.faults.arm("d2", "slow", seconds=0.3)
    before = time.monotonic()
    assert rows(call(stand, "2020-01-01", "2030-01-01"))
    assert time.monotonic() - before >= 0.3
