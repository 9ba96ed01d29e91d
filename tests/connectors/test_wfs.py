"""The WFS connector against answers written by hand: dialects of GML, totals that lie, exceptions, hostile XML."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Payload
from connectors.decoders import alike, geometry
from connectors.decoders.xml import UnsafeXml
from connectors.endpoint import Endpoint
from connectors.protocols.wfs import Wfs, decode
from connectors.window import Window
from core import clock
from core.errors import ConfigurationError, Fault, OneMapError, TransientError
from core.redaction import hide
from sources.declaration import Feed, FullCursor
from sources.options.http_services import WfsFeed
from tests.connectors import contract, hostile
from tests.connectors.declarations import source
from tests.connectors.web import Asked, Reply, web

XML = {"Content-Type": "application/gml+xml; version=3.2"}
SPACES = 'xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:ows="http://www.opengis.net/ows/1.1" xmlns:q="urn:q" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
KEYS = [f"HX{n:03d}" for n in range(57)]
WEST, SOUTH = 113.75, 22.9


def polygon(order: str = "yx") -> str:
    corners = [
        (WEST, SOUTH),
        (WEST, SOUTH + 0.001),
        (WEST + 0.001, SOUTH + 0.001),
        (WEST + 0.001, SOUTH),
        (WEST, SOUTH),
    ]
    numbers = " ".join(f"{y:.6f} {x:.6f}" if order == "yx" else f"{x:.6f} {y:.6f}" for x, y in corners)
    return f"<gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>{numbers}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>"


def surface(srs: str | None, order: str = "yx") -> str:
    named = f' srsName="{srs}"' if srs else ""
    return f"<gml:MultiSurface{named}><gml:surfaceMember>{polygon(order)}</gml:surfaceMember></gml:MultiSurface>"


class Server:
    """One layer. ``matched``: what to put in numberMatched (None: the truth); ``trouble(asked)`` answers first."""

    def __init__(self, keys=KEYS) -> None:
        self.keys, self.cap, self.matched, self.trouble = list(keys), 10, None, None
        self.default, self.envelope, self.shape, self.doctype = (
            "urn:ogc:def:crs:EPSG::4490",
            "",
            surface("urn:ogc:def:crs:EPSG::4490"),
            "",
        )
        self.down = False

    def __call__(self, asked: Asked) -> Reply:
        if self.trouble and (reply := self.trouble(asked)):
            return reply
        if asked.query["request"] == "GetCapabilities":
            text = f"<wfs:WFS_Capabilities {SPACES}><wfs:FeatureTypeList><wfs:FeatureType><wfs:Name>q:redline</wfs:Name><wfs:DefaultCRS>{self.default}</wfs:DefaultCRS></wfs:FeatureType></wfs:FeatureTypeList></wfs:WFS_Capabilities>"
            return Reply(text.encode(), headers=XML)
        assert asked.query["typeNames"] == "q:redline"
        start, count = int(asked.query["startIndex"]), min(int(asked.query["count"]), self.cap)
        if self.down and start > 20:
            return Reply(b"<html>502</html>", 502, {"Content-Type": "text/html"})
        part = self.keys[start : start + count]
        members = "".join(
            f'<wfs:member><q:redline gml:id="r.{key}"><gml:name>n</gml:name><q:HXBH>{key}</q:HXBH><q:XMMC xsi:nil="true"/><q:the_geom>{self.shape}</q:the_geom><q:MJ>11374.4</q:MJ></q:redline></wfs:member>'
            for key in part
        )
        matched = len(self.keys) if self.matched is None else self.matched
        text = f'{self.doctype}<wfs:FeatureCollection {SPACES} numberMatched="{matched}" numberReturned="{len(part)}" timeStamp="x">{self.envelope}{members}{"&j;" if self.doctype else ""}</wfs:FeatureCollection>'
        return Reply(text.encode(), headers=XML)


def connect(url: str, **options) -> tuple[Wfs, Feed]:
    options = {"layer": "dg:redline", "size": 50, "columns": ["HXBH", "PROJECT_CODE", "XMMC", "MJ", "GXSJ"], **options}
    feed = Feed(id="s1.redline", name="s", mapping="s", cursor=FullCursor(kind="full"), key=["HXBH"], options=options)
    declared = source("s1", "wfs", {"redline": feed}, http={"first": 0.01, "attempts": 3})
    return Wfs(declared, Endpoint("s_wfs", "http", url, None, "hub", "s3cret-of-wfs")), feed


def run(server: Server, **options) -> contract.Reading:
    with web(server) as site:
        return contract.read(*connect(site.url, **options), Window(full=True))


def names(reading: contract.Reading) -> list[str]:
    return reading.rows.column("HXBH").to_pylist() if reading.rows.num_rows else []


@pytest.mark.parametrize("matched", [None, "unknown", "0", ""])
@pytest.mark.parametrize("cap", [9, 1000])
def test_layer_is_read_whole_whatever_it_says_of_its_size(matched, cap):
    server = Server()
    server.matched, server.cap = matched, cap
    reading = run(server)
    assert set(names(reading)) == set(KEYS) and reading.proof.complete and reading.proof.distinct == 57
    assert not reading.rejects and not reading.issues


def test_properties_come_without_geometry_and_nils_are_null():
    row = run(Server()).rows.to_pylist()[0]
    shape = geometry.from_hex([row.pop("_geometry")])[0]
    assert row == {"name": "n", "HXBH": "HX000", "XMMC": None, "MJ": "11374.4", "_place": "member 1"}
    assert shape.geom_type == "MultiPolygon" and shape.bounds == pytest.approx(
        (WEST, SOUTH, WEST + 0.001, SOUTH + 0.001)
    )


@pytest.mark.parametrize(
    ("shape", "envelope", "default"),
    [
        (surface("urn:ogc:def:crs:EPSG::4490"), "", "EPSG:4490"),
        (surface("http://www.opengis.net/def/crs/EPSG/0/4490"), "", "EPSG:4490"),
        (surface("EPSG:4490", "xy"), "", "urn:ogc:def:crs:EPSG::4490"),
        (surface("urn:ogc:def:crs:OGC:1.3:CRS84", "xy"), "", "urn:ogc:def:crs:EPSG::4490"),
        (
            surface(None),
            '<wfs:boundedBy><gml:Envelope srsName="urn:ogc:def:crs:EPSG::4490"/></wfs:boundedBy>',
            "EPSG:4490",
        ),
        (
            surface(None, "xy"),
            '<wfs:boundedBy><gml:Envelope srsName="EPSG:4490"/></wfs:boundedBy>',
            "urn:ogc:def:crs:EPSG::4490",
        ),
        (surface(None), "", "urn:ogc:def:crs:EPSG::4490"),
        (surface(None, "xy"), "", "EPSG:4490"),
        (
            surface(None, "xy").replace("<gml:Polygon>", '<gml:Polygon srsName="EPSG:4490">'),
            "",
            "urn:ogc:def:crs:EPSG::4490",
        ),
    ],
)
def test_axis_order_comes_from_geometry_then_envelope_then_default(shape, envelope, default):
    server = Server(KEYS[:3])
    server.shape, server.envelope, server.default = shape, envelope, default
    reading = run(server)
    assert [geometry.from_hex([h])[0].bounds[:2] for h in reading.rows.column("_geometry").to_pylist()] == [
        pytest.approx((WEST, SOUTH))
    ] * 3
    assert not reading.issues


@pytest.mark.parametrize(("srs", "order"), [("urn:ogc:def:crs:EPSG::4490", "xy"), ("EPSG:4490", "yx")])
def test_axes_against_their_srs_name_are_put_right_with_an_issue(srs, order):
    server = Server(KEYS[:2])
    server.shape = surface(srs, order)
    reading = run(server)
    assert geometry.from_hex(reading.rows.column("_geometry").to_pylist())[1].bounds[:2] == pytest.approx((WEST, SOUTH))
    assert [(i.code, i.record) for i in reading.issues] == [("axis_swapped", "HX000"), ("axis_swapped", "HX001")]


def test_geometries_that_cannot_be_trusted_are_rejects_or_issues():
    server = Server(KEYS[:1])
    for shape, code in (
        (surface("urn:ogc:def:crs:EPSG::2363"), "crs_unsupported"),
        (surface("urn:ogc:def:crs:EPSG::4490").replace("22.9", "x"), "geometry_unreadable"),
    ):
        server.shape = shape
        reading = run(server)
        assert [(r.code, r.record, r.place) for r in reading.rejects] == [
            (code, "HX000", "member 1")
        ] and "HX000" in reading.rejects[0].raw
        assert reading.proof.complete
    server.shape = surface("urn:ogc:def:crs:EPSG::4490").replace("22.9", "32.9")
    assert [i.code for i in run(server).issues] == ["geometry_outside"]
    server.shape = ""
    reading = run(server)
    assert reading.rows.column("_geometry").to_pylist() == [None] and not reading.rejects


def test_stated_area_is_compared():
    shape = shapely.box(WEST, SOUTH, WEST + 0.001, SOUTH + 0.001)
    assert abs(geometry.areas([shape])[0] / 11374.4 - 1) < 0.005
    server = Server(KEYS[:1])
    assert not run(server, area="MJ").issues
    server.shape = server.shape.replace("113.751", "113.75102")
    (issue,) = run(server, area="MJ").issues
    assert (issue.code, issue.record, issue.field) == ("area_differs", "HX000", "MJ")


def test_total_that_changes_is_read_again():
    server = Server()

    def trouble(asked: Asked) -> None:
        if asked.query.get("startIndex") == "20" and "HX003" in server.keys:
            server.keys.remove("HX003")

    server.trouble = trouble
    reading = run(server)
    assert set(names(reading)) >= set(KEYS) - {"HX003"} and reading.proof.complete and reading.proof.claimed == 56


REPORT = '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1"><ows:Exception exceptionCode="{}" locator="{}"><ows:ExceptionText>错误</ows:ExceptionText></ows:Exception></ows:ExceptionReport>'


@pytest.mark.parametrize("status", [200, 400, 500])
def test_exceptions_are_typed_whatever_the_status(status):
    left = {"n": 2}

    def trouble(asked: Asked) -> Reply | None:
        if asked.query["request"] == "GetFeature" and left["n"]:
            left["n"] -= 1
            return Reply(REPORT.format("NoApplicableCode", "").encode(), status, XML)
        return None

    server = Server()
    server.trouble = trouble
    assert set(names(run(server))) == set(KEYS)
    server.trouble = lambda asked: Reply(REPORT.format("InvalidParameterValue", "typeNames").encode(), status, XML)
    error = run(server).error
    assert isinstance(error, ConfigurationError) and error.field == "typeNames"
    server.trouble = lambda asked: Reply(REPORT.format("OperationProcessingFailed", "").encode(), status, XML)
    assert isinstance(run(server).error, TransientError)


@pytest.mark.parametrize("code", ["InvalidParameterValue", "OperationNotSupported", "NoApplicableCode"])
def test_server_that_does_not_sort_is_read_without(code):
    server = Server()
    server.trouble = lambda asked: (
        Reply(REPORT.format(code, "sortBy").encode(), 400, XML) if "sortBy" in asked.query else None
    )
    reading = run(server)
    assert set(names(reading)) == set(KEYS) and reading.proof.complete


@pytest.mark.parametrize("doctype", hostile.ALL.values(), ids=hostile.ALL)
def test_hostile_documents_are_refused(doctype):
    server = Server()
    server.doctype = doctype
    reading = run(server)
    assert isinstance(reading.error, UnsafeXml) and reading.error.fault is Fault.PROVIDER and not names(reading)


def test_cut_and_foreign_answers_are_tried_again():
    seen: list[int] = []

    def trouble(asked: Asked) -> Reply | None:
        seen.append(1)
        match len(seen):
            case 2:
                return Reply(b"<wfs:FeatureCollection", headers=XML)
            case 4:
                return Reply(b"x" * 1000, headers=XML, cut=100)
            case 6:
                return Reply(b"<html>&nbsp;login", 200, {"Content-Type": "text/html"})
        return None

    server = Server()
    server.trouble = trouble
    reading = run(server)
    assert set(names(reading)) == set(KEYS) and reading.proof.complete


def test_host_that_is_no_wfs_is_configuration():
    with web(lambda asked: Reply(b"<feed/>", headers=XML)) as site:
        connector, feed = connect(site.url)
        assert isinstance(contract.read(connector, feed, Window(full=True)).error, ConfigurationError)
        assert [line.ok for line in connector.check()] == [False]


class TestContract(contract.Contract):
    @pytest.fixture(params=[None, "unknown"])
    def case(self, request):
        server = Server()
        server.matched = request.param

        @contextmanager
        def failing():
            server.down = True
            yield
            server.down = False

        hide(["s3cret-of-wfs"])
        with web(server) as site:
            _, feed = connect(site.url)
            yield contract.Case(
                lambda: connect(site.url)[0],
                feed,
                {(key,) for key in KEYS},
                failing=failing,
                secrets=("s3cret-of-wfs",),
            )


_SHAPES = st.sampled_from(
    [
        surface("urn:ogc:def:crs:EPSG::4490"),
        surface("EPSG:4490", "xy"),
        surface(None),
        polygon().replace("<gml:Polygon>", '<gml:Polygon srsName="urn:ogc:def:crs:EPSG::4490">'),
        surface("urn:ogc:def:crs:EPSG::4490").replace(" ", "\n ", 3).replace("113.75", "+1.1375e2", 1),
        surface("urn:ogc:def:crs:EPSG::4490").replace("22.9", "zwei", 1),
        surface("urn:ogc:def:crs:EPSG::4490").replace("22.9", "NaN", 1),
        surface("urn:ogc:def:crs:EPSG::4490").replace("22.9", "22.8", 1),
        surface("urn:ogc:def:crs:EPSG::4490").replace("<gml:MultiSurface", '<gml:MultiSurface srsDimension="3"'),
        surface("urn:ogc:def:crs:EPSG::4490").replace("posList>", "coordinates>"),
        surface("EPSG:2382"),
        "<gml:MultiSurface/>",
        "",
    ]
)
_TEXTS = st.sampled_from(
    [
        *(
            "<q:XMMC>甲</q:XMMC>",
            "<q:XMMC/>",
            "<q:XMMC/>\n  ",
            '\n  <q:XMMC fid="1">甲</q:XMMC>',
            '<q:XMMC t="a > b">甲</q:XMMC>',
            '<q:XMMC xsi:nil="true"/>',
            "<q:XMMC> 甲 &lt;乙&gt; &amp;amp; > 丙 </q:XMMC>",
            "",
        ),
        *(
            "<q:XMMC>甲&#x4E59;</q:XMMC>",
            "<q:XMMC>甲\r\n乙</q:XMMC>",
            "<q:XMMC><q:甲>乙</q:甲></q:XMMC>",
            "<q:XMMC>甲&#11;</q:XMMC>",
        ),
        *(
            "<q:XMMC a='1'>甲</q:XMMC>",
            "<q:XMMC>甲</q:XMMC><q:XMMC>乙</q:XMMC>",
            "<q:xmmc>甲</q:xmmc>",
            "<q:XMMC><q:redline/></q:XMMC>",
        ),
        *(
            "<q:XMMC>甲",
            "<!-- 甲 --><q:XMMC>乙</q:XMMC>",
            "<q:XMMC><![CDATA[甲]]></q:XMMC>",
            "<q:GXSJ><gml:timePosition>2026</gml:timePosition></q:GXSJ>",
        ),
    ]
)
_MEMBER = st.tuples(_TEXTS, _SHAPES, st.sampled_from(["", ' status="x"', " status='y'"]), st.integers(1, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(_MEMBER, min_size=1, max_size=5), st.booleans())
def test_features_that_are_written_alike_are_read_as_each_by_itself(members, apart) -> None:
    written, number = [], 0
    for text, shape, own, times in members:
        for _ in range(times):
            number += 1
            written.append(
                f'<q:redline gml:id="r.{number}"{own}><q:HXBH>{number}</q:HXBH>{text}<q:the_geom>{shape}</q:the_geom><q:MJ>{number}</q:MJ></q:redline>'
            )
    page = "".join(f"<wfs:member>{one}</wfs:member>\n" for one in written)
    page = page if apart else f"<gml:featureMembers>{''.join(written)}</gml:featureMembers>"
    body = f"<wfs:FeatureCollection {SPACES}>{page}</wfs:FeatureCollection>".encode()
    now = clock.now()
    payload = Payload(body, "text/xml", {}, now, now, {"default_crs": "urn:ogc:def:crs:EPSG::4490"})
    asked = WfsFeed.model_validate({"layer": "q:redline", "columns": ["HXBH", "XMMC", "MJ"], "area": "MJ"})
    found = []
    for fewest in (1, 1_000):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(alike, "_FEWEST", fewest)
            try:
                batch = decode(payload, asked, ["HXBH"])
                found.append((batch.rows.to_pylist(), batch.rejects, batch.issues))
            except OneMapError as refused:
                found.append(refused.code)
    assert found[0] == found[1]
