"""What gateways, proxies and tired servers make of an answer, over every protocol that speaks HTTP, as ``sources/`` declares it.

Between connector and stand-in stands a relay that spoils answers. Spoilt once, the reading is asked for again and is whole;
spoilt for good, it is never "complete" with less than there is, never reported as an attack, and never as a fault of ours. Every
day some of the ways to spoil it, by the day's seed; all of them with ``--dirt``.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from connectors import connector
from connectors.base import Window
from connectors.endpoint import Endpoint
from connectors.transports import breaker
from core.errors import Fault
from sources.loader import load
from standins.testing import Running, running
from tests.connectors import contract
from tests.connectors.web import Asked, Reply, web
from tests.dirt.test_dirt import EVERYDAY
from tests.standins import sample

QUICK = {"first": 0.001, "longest": 0.002, "attempts": 3, "total": 10}
CLOCK = sample.CLOCK if isinstance(sample.CLOCK, datetime) else datetime.fromisoformat(str(sample.CLOCK))
DAY = Window(CLOCK.replace(hour=0, minute=0, second=0) - timedelta(days=1), CLOCK.replace(hour=0, minute=0, second=0))
FULL = Window(full=True)
FEEDS = {
    "p1.enterprise": FULL,
    "p2.land_approval": FULL,
    "m1.items": FULL,
    "s2.change": FULL,
    "s3.scene": FULL,
    "s4.reading": DAY,
    "d1.cases": FULL,
    "d2.projects": FULL,
    "s1.redline": FULL,
}
PRELUDES = {
    "m1.items",
    "d1.cases",
    "d2.projects",
    "s1.redline",
}  # of which a token, a WSDL, capabilities are asked first
PAGE = "<!DOCTYPE html><html><head><title>统一身份认证</title><script>var a='<!ENTITY x>'</script></head><body><form action=/login></form><br></body></html>"
FAULT = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault><faultcode>soap:Server'
    "</faultcode><faultstring>连接池已满</faultstring></soap:Fault></soap:Body></soap:Envelope>"
)
OWS = (
    '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1"><ows:Exception exceptionCode="NoApplicableCode">'
    "<ows:ExceptionText>数据库异常</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
)


def instead(body: bytes | str, kind: str = "text/html", status: int = 200, **more: str) -> Callable[[Reply], Reply]:
    """Another answer in its place."""
    content = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in more.items()}}
    return lambda reply: Reply(content, status, headers)


def turned(how: Callable[[bytes], bytes], **more: str) -> Callable[[Reply], Reply]:
    """Its own body, made another."""
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return lambda reply: Reply(how(reply.body), reply.status, reply.headers | headers)


def parts(body: bytes) -> bytes:
    return b"--b\r\nContent-Type: application/octet-stream\r\n\r\n" + body + b"\r\n--b--\r\n"


SPOILT = {
    "a log-in page": instead(PAGE),
    "a log-in page that says it is JSON": instead(PAGE, "application/json"),
    "a log-in page that says it is XML": instead(PAGE, "text/xml; charset=utf-8"),
    "a log-in page in GBK": instead(PAGE.encode("gbk"), "text/html; charset=gbk"),
    "a redirect to a log-in page": instead(b"", status=302, Location="/login"),
    "a redirect to itself": lambda reply: Reply(b"", 302, {"Location": reply.headers["X-Asked"]}),
    "an error in JSON": instead('{"code": 500, "msg": "系统繁忙", "data": null}', "application/json"),
    "an error in XML": instead("<error><code>500</code><msg>系统繁忙</msg></error>", "text/xml; charset=utf-8"),
    "a SOAP fault": instead(FAULT, "text/xml; charset=utf-8"),
    "an OGC exception": instead(OWS, "text/xml; charset=utf-8"),
    "nothing": instead(b"", "application/json"),
    "no content": instead(b"", status=204),
    "null": instead(b"null", "application/json"),
    "an empty list": instead(b"[]", "application/json"),
    "an empty object": instead(b"{}", "application/json"),
    "plain words": instead("系统维护中，请稍后再试", "text/plain; charset=utf-8"),
    "blanks": instead(b" \r\n" * 50, "text/xml"),
    "zero bytes": instead(bytes(500), "application/octet-stream"),
    "a cut body": turned(lambda body: body[: len(body) * 2 // 3]),
    "the body twice": turned(lambda body: body + body),
    "gzip cut": turned(lambda body: gzip.compress(body)[:-12], Content_Encoding="gzip"),
    "gzip that is none": turned(lambda body: body, Content_Encoding="gzip"),
    "a length too small": lambda reply: Reply(
        reply.body,
        reply.status,
        reply.headers | {"Content-Length": str(len(reply.body) * 2 // 3), "Connection": "close"},
    ),
    "a length too great": lambda reply: Reply(
        reply.body, reply.status, reply.headers | {"Content-Length": str(len(reply.body) + 9), "Connection": "close"}
    ),
    "chunks without an end": lambda reply: Reply(
        b"%x\r\n%s\r\n" % (len(reply.body), reply.body),
        reply.status,
        reply.headers | {"Transfer-Encoding": "chunked", "Content-Length": "", "Connection": "close"},
    ),
    "a chunk of no length": lambda reply: Reply(
        b"zz\r\n" + reply.body,
        reply.status,
        reply.headers | {"Transfer-Encoding": "chunked", "Content-Length": "", "Connection": "close"},
    ),
    "another charset": turned(lambda body: body, Content_Type="text/xml; charset=iso-8859-1"),
    "a charset that is none": turned(lambda body: body, Content_Type="application/json; charset=nonsense"),
    "a mark before it": turned(lambda body: b"\xef\xbb\xbf" + body),
    "two marks before it": turned(lambda body: b"\xef\xbb\xbf\xef\xbb\xbf" + body),
    "zero bytes before it": turned(lambda body: bytes(3) + body),
    "in a call": turned(lambda body: b"callback(" + body + b");"),
    "in parts": turned(parts, Content_Type="multipart/mixed; boundary=b"),
    "busy, a minute": instead("busy", "text/plain", 503, Retry_After="0"),
    "busy, a day": instead("busy", "text/plain", 429, Retry_After="86400"),
    "an error page with rows": lambda reply: Reply(reply.body, 500, reply.headers),
    "partial content": lambda reply: Reply(reply.body, 206, reply.headers),
}
FINAL = {"busy, a day"}  # what is said once may be final


class Relay:
    """Passes on; the answers to what is asked for rows are spoilt, ``times`` of them, from the ``skip``th on."""

    def __init__(self, target: str) -> None:
        self.host, self.port = urlsplit(target).hostname, urlsplit(target).port
        self.fault: Callable[[Reply], Reply] | None = None
        self.times = self.skip = 0
        self.prelude = False  # whether it is what is asked before rows that is spoilt

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/login":
            return Reply(PAGE.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
        query = "&".join(f"{name}={value}" for name, value in _raw_query(asked))
        upstream = http.client.HTTPConnection(self.host, self.port, timeout=20)
        path = asked.path + (f"?{query}" if query else "")
        headers = {
            name: value for name, value in asked.headers.items() if name not in ("connection", "accept-encoding")
        }
        upstream.request(asked.method, path, asked.body or None, headers)
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        kept = {
            name.title(): value
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date")
        }
        reply = Reply(body, answer.status, {**kept, "X-Asked": path})
        if self.fault is None or _prelude(asked) is not self.prelude or reply.status >= 300:
            return reply
        if self.skip:
            self.skip -= 1
            return reply
        if self.times == 0:
            return reply
        self.times -= 1
        return self.fault(reply)


def _raw_query(asked: Asked) -> list[tuple[str, str]]:
    return [(quote(name), quote(value)) for name, value in asked.query.items()]


def _prelude(asked: Asked) -> bool:
    """What is asked before rows are: a WSDL, capabilities, a token."""
    low = {name.lower(): value for name, value in asked.query.items()}
    return asked.path.endswith("token") or "wsdl" in low or "xsd" in low or low.get("request") == "GetCapabilities"


@pytest.fixture(scope="module")
def stand(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    world = sample.make(tmp_path_factory.mktemp("world"))
    with running(
        world, postgres_server.format(database="postgres"), at=CLOCK, home=tmp_path_factory.mktemp("h")
    ) as one:
        yield one


@pytest.mark.parametrize("id", FEEDS)
@pytest.mark.timeout(1800)
def test_a_spoilt_answer_is_asked_for_again_or_told_and_never_believed(
    id: str, stand: Running, amount: int, day: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    print(f"{id}: --dirt-seed={day}")
    ways = SPOILT if amount > EVERYDAY else dict(random.Random(f"{id} {day}").sample(list(SPOILT.items()), 4))
    name, _, feed = id.partition(".")
    declared = load(name)
    declared = declared.model_copy(update={"options": {**declared.options, "http": QUICK}, "quota": None})
    given = stand.connection(declared.connection)
    relay, wrong = Relay(given["host"]), []
    with web(relay) as site:
        through = given | {"host": given["host"].replace(f":{relay.port}", f":{site.port}")}

        def reading() -> contract.Reading:
            breaker.MEMORY._states.clear()
            made = connector(declared, Endpoint(**through))
            try:
                return contract.read(made, declared.feeds[feed], FEEDS[id])
            finally:
                made.close()

        key = declared.feeds[feed].key
        before = [(True, 0, 1), (True, 0, -1)] if id in PRELUDES else []
        whole = reading()
        assert whole.error is None and whole.proof.complete and whole.rows.num_rows
        places = [(False, skip, times) for skip in (0, 1) for times in (1, -1)] + before
        for (what, fault), (relay.prelude, skip, times) in itertools.product(ways.items(), places):
            relay.fault, relay.times, relay.skip = fault, times, skip
            where = (what, "before rows" if relay.prelude else f"skip {skip}", f"times {times}")
            try:
                found = reading()
            except Exception as error:
                wrong.append((*where, f"raised {error!r}"))
                continue
            if says := _wrong(found, whole, key, once=times == 1 and what not in FINAL):
                wrong.append((*where, says))
    assert not wrong, "\n".join(map(str, wrong))


def _wrong(found: contract.Reading, whole: contract.Reading, key: list[str], *, once: bool) -> str | None:
    same = found.rows.num_rows and found.keys(key) == whole.keys(key) and found.rows.num_rows == whole.rows.num_rows
    complete = found.error is None and found.proof is not None and found.proof.complete
    if complete and not same and not found.rejects:
        return f"complete, with {found.rows.num_rows} of {whole.rows.num_rows} rows"
    if error := found.error:
        if error.fault is Fault.OURS or "unsafe" in error.code:
            return f"blamed: {error.fault} {error.code} {error.message}"
        if not error.remedy or not any("\u4e00" <= one <= "\u9fff" for one in error.zh):
            return f"not told: {error.code} {error.message}"
    if once and not (complete and same):
        return f"not asked for again: {error and error.code} {error and error.message}"
    return None
