"""Wrong declarations, one fault each: every one is refused where it is loaded, with file and line, and costs no other source."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigurationError
from sources import loader

HEAD = dict(
    source="q1",
    name="试",
    system="部门审批系统",
    owner={"department": "甲"},
    connection="c",
    protocol="rest",
    schedule="20 * * * *",
    promise="P1D",
)
REST = dict(path="/x", paging={"kind": "none"})
FILE = dict(files="a", folders=None, complete="listed", content="table", replaces="file")


def feed(**o):
    f = dict(name="x", mapping="m2/sb", key=["a"], cursor={"kind": "full"}, options=copy.deepcopy(REST))
    f.update(o)
    return f


def src(feeds=None, **o):
    return {**HEAD, **o, "feeds": feeds or {"f": feed()}}


def rest(**o):
    return src({"f": feed(options={**copy.deepcopy(REST), **o})})


def fil(**o):
    return src({"f": feed(cursor={"kind": "files"}, options={**FILE, **o})}, protocol="file_drop")


def db(o, s=None, **f):
    return src({"f": feed(options=o, **f)}, protocol="database", options=s or {})


def soap(s=None, **o):
    options = {"answer": "rows", "operation": "o", "paging": {"kind": "none"}, **o}
    return src({"f": feed(options=options)}, protocol="soap", options=s or {})


WRONG = {
    "cron field count": src(schedule="* * * *"),
    "cron month 13": src(schedule="0 0 1 13 *"),
    "cron feb 30 never": src(schedule="0 0 30 2 *"),
    "cron with seconds": src(schedule="0 0 0 * * *"),
    "cron alias": src(schedule="@daily"),
    "interval under the floor": src(schedule="every 4s"),
    "interval over a day": src(schedule="every 25h"),
    "interval without unit": src(schedule="every 15"),
    "interval in words": src(schedule="every 15 seconds"),
    "interval of nothing": src(schedule="every 0s"),
    "interval negative": src(schedule="every -15s"),
    "interval fraction": src(schedule="every 7.5s"),
    "interval capital": src(schedule="Every 15s"),
    "interval full-width": src(schedule="every １５s"),
    "interval line end": src(schedule="every 15s\n"),
    "reconcile by interval": src(reconcile="every 1h"),
    "id blank": src({"a b": feed()}),
    "id chinese": src({"许可": feed()}),
    "id upper": src({"Permit": feed()}),
    "id empty": src({"": feed()}),
    "connection blank": src(connection="my conn"),
    "connection is url": src(connection="http://u:p@h"),
    "promise number": src(promise=3600),
    "promise neg": src(promise="-P1D"),
    "promise zero": src(promise="PT0S"),
    "promise year 9999": src(promise="P9999Y"),
    "timeout huge": src(timeout="P400D"),
    "parallel 0": src(parallel=0),
    "parallel text": src(parallel="two"),
    "quota word": src(quota="lots"),
    "quota zero": src(quota="0/hour"),
    "secret in params": rest(params={"token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0"}),
    "password param": rest(params={"password": "hunter2"}),
    "appkey in query path": rest(path="/x?appkey=9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
    "apikey param": rest(params={"apikey": "abc123"}),
    "token param short": rest(params={"token": "s3cr3t9"}),
    "sig header": rest(headers={"X-Api-Key": "12345"}),
    "auth header": rest(headers={"Authorization": "Basic aHViOnB3aHViOnB3"}),
    "cookie header": rest(headers={"Cookie": "JSESSIONID=ABCDEF0123456789"}),
    "path is address": rest(path="http://h/x"),
    "path scheme rel": rest(path="//other.host/x"),
    "path dotdot": rest(path="/a/../../etc"),
    "path blank": rest(path=" "),
    "method": rest(method="FETCH"),
    "body GET": rest(body={"a": 1}),
    "rows path bad": rest(rows="a..b"),
    "rows number": rest(rows=3),
    "paging unknown": rest(paging={"kind": "pages"}),
    "paging missing": src({"f": feed(options={"path": "/x"})}),
    "size 0": rest(paging={"kind": "page", "size": 0}),
    "page start 2": rest(paging={"kind": "page", "start": 2}),
    "number_as=size_as": rest(paging={"kind": "page", "number_as": "p", "size_as": "p", "size": 10}),
    "offset_as=size_as": rest(paging={"kind": "offset", "offset_as": "limit", "size": 10}),
    "since=number_as": rest(since="page", paging={"kind": "page"}),
    "const shadows page": rest(params={"page": 1}, paging={"kind": "page"}),
    "const shadows size": rest(params={"limit": 10}, paging={"kind": "page", "size": 50}),
    "const shadows since": rest(params={"from": "x"}, since="from"),
    "cursor const": rest(params={"cursor": "x"}, paging={"kind": "cursor"}),
    "placeholder unknown": rest(params={"a": "{sinc}"}),
    "time fmt": rest(since="from", time="yyyy-MM-dd"),
    "success empty": rest(success={"code": []}),
    "success bad expr": rest(success={"a[": [0]}),
    "keyed+header": rest(keyed_as="a", header=["a"]),
    "keyed xml": rest(format="xml", keyed_as="a"),
    "header twice": rest(header=["a", "A"]),
    "lift dup": rest(lift=["a", "a"]),
    "etag page": rest(etag=True, paging={"kind": "page"}),
    "first text": rest(first="yesterday"),
    "first future": rest(first="2999-01-01"),
    "limits neg": rest(limits={"rows": -1}),
    "limits name": rest(limits={"row": 5}),
    "day+since": rest(day="d", since="s"),
    "day w/o days cursor": rest(day="d"),
    "window w/o bounds": src({"f": feed(cursor={"kind": "window", "column": "a"})}),
    "absence window": src({"f": feed(absence=True, cursor={"kind": "window", "column": "a"})}),
    "stream rest": src({"f": feed(cursor={"kind": "stream"})}),
    "files rest": src({"f": feed(cursor={"kind": "files"})}),
    "full for files": src({"f": feed(options=FILE)}, protocol="file_drop"),
    "window for files": src({"f": feed(cursor={"kind": "window", "column": "a"}, options=FILE)}, protocol="file_drop"),
    "days for db": db({"table": "T"}, cursor={"kind": "days"}),
    "mqtt full": src({"f": feed(options={"topic": "a/b"})}, protocol="mqtt"),
    "wfs window": src({"f": feed(cursor={"kind": "window", "column": "a"}, options={"layer": "a"})}, protocol="wfs"),
    "key empty": src({"f": feed(key=[])}),
    "key twice": src({"f": feed(key=["a", "A"])}),
    "key blank": src({"f": feed(key=[" "])}),
    "key string": src({"f": feed(key="a")}),
    "max_rejected 20": src({"f": feed(max_rejected=20)}),
    "floor neg": src({"f": feed(floor=-1)}),
    "drift word": src({"f": feed(drift="ignore")}),
    "two feeds one mapping": src({"f": feed(), "g": feed()}),
    "cursor lag neg": src({"f": feed(cursor={"kind": "window", "column": "a", "lag": "-PT1H"})}),
    "mapping dotdot": src({"f": feed(mapping="../x")}),
    "files not regex": fil(files="("),
    "files no name": fil(files=""),
    "folders bad": fil(folders="["),
    "complete": fil(complete="done"),
    "settle 999": fil(settle=999),
    "content": fil(content="csv"),
    "replaces absent": fil(replaces=None),
    "sheet for table": fil(replaces="sheet"),
    "charset": fil(table={"charset": "gbkk"}),
    "delimiter 2": fil(table={"delimiter": "||"}),
    "delimiter=quote": fil(table={"delimiter": '"'}),
    "header 0": fil(table={"header_row": 0}),
    "no header no cols": fil(table={"header_row": None}),
    "footer neg": fil(table={"footer": -1}),
    "workbook beside": fil(workbook={"header_row": 2}),
    "xml w/o record": fil(content="xml"),
    "crs": fil(content="vector", vector={"crs": "EPSG:99999999"}),
    "crs name": fil(content="vector", vector={"crs": "CGCS2000ish"}),
    "window swapped": fil(content="vector", vector={"window": [22, 113, 23, 114]}),
    "entry bad": fil(entry="*.csv"),
    "skip empty col": fil(skip=[{"column": "", "matches": "a"}]),
    "skip bad": fil(skip=[{"column": "a", "matches": "("}]),
    "glob as regex": fil(files="*.csv"),
    "db no table": db({}),
    "db table sql": db({"table": "(select 1) t"}),
    "db zone": db({"table": "T"}, {"zone": "Beijing"}),
    "db enc": db({"table": "T"}, {"encoding": "gb99"}),
    "db rows 0": db({"table": "T", "rows": 0}),
    "db ack key": db({"table": "T", "acknowledge": {"column": "a", "by": []}}),
    "db url in option": db({"table": "T"}, {"url": "mysql://u:p@h/d"}),
    "soap answer": src({"f": feed(options={"answer": "row"})}, protocol="soap"),
    "soap link": soap(paging={"kind": "link"}),
    "soap security": soap({"security": "wsse"}),
    "soap fault": soap({"faults": {"(": "empty"}}),
    "soap pw literal": soap(parameters={"pass": "abc123"}),
    "soap session no login": soap(parameters={"t": "{session}"}),
    "wfs size": src({"f": feed(options={"layer": "a", "size": 0})}, protocol="wfs"),
    "ogc bbox": src({"f": feed(options={"collection": "a", "bbox": "1,2,3"})}, protocol="ogc_features"),
    "mqtt topic": src({"f": feed(cursor={"kind": "stream"}, options={"topic": "a/#/b"})}, protocol="mqtt"),
    "stac cols": src({"f": feed(options={"collections": []})}, protocol="stac"),
    "oauth w/o": src(options={"auth": {"kind": "oauth2"}}),
    "api key no name": src(options={"auth": {"kind": "api_key"}}),
    "sig no send": src(options={"auth": {"kind": "signature", "text": "{password}"}}),
    "sig unknown": src(options={"auth": {"kind": "signature", "text": "{secret}", "headers": {"S": "{signature}"}}}),
    "http attempts": src(options={"http": {"attempts": 0}}),
    "http read neg": src(options={"http": {"read": -1}}),
    "http first>longest": src(options={"http": {"first": 60, "longest": 1}}),
    "oauth token url": src(options={"auth": {"kind": "oauth", "token": "https://other/token"}}),
    "protocol typo": src(protocol="restful"),
    "system": src(system="其他系统"),
    "no feeds": {**HEAD, "feeds": {}},
    "reconcile cron": src(reconcile="0 25 * * *"),
    "owner text": src(owner="甲"),
    "unknown top": src(enabled=True),
    "rhythm longest": src({"f": feed(rhythm={"longest": -3})}),
    "contract word": src({"f": feed(contract="pinned")}),
}


@pytest.mark.parametrize("fault", WRONG)
def test_each_is_refused_with_file_and_line(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "q1.yaml"
    path.write_text(yaml.safe_dump(WRONG[fault], allow_unicode=True, sort_keys=False), "utf-8")
    with pytest.raises(ConfigurationError, match=r"q1\.yaml:\d+: ") as refused:
        loader.read(path)
    assert refused.value.remedy and refused.value.zh


@pytest.mark.parametrize(
    "given",
    [rest(since="from"), rest(params={"pageToken": "x"}), db({"table": "A B"}), src(), src(schedule="every 15s")],
)
def test_what_is_right_is_let_through(tmp_path: Path, given: dict[str, Any]) -> None:
    path = tmp_path / "q1.yaml"
    path.write_text(yaml.safe_dump(given, allow_unicode=True, sort_keys=False), "utf-8")
    assert loader.read(path).source == "q1"
