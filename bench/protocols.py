"""Every protocol beside its own floor: ``python -m bench.protocols [--rows 20000]``, the environment says which database.

``whole`` compares the whole way into the store (archive, checks, merge) with what moves the same rows into the same server and
does nothing else: a server-side cursor into COPY, GDAL's ogr2ogr. ``decode`` compares what the hub's connector makes of received
bytes with the bare parser over them: lxml's iterparse, calamine. MQTT is compared by messages a second, none lost, with a bare
client that acknowledges and keeps them in memory; the seconds of silence after which the hub ends are taken off.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import io
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import psycopg
import python_calamine
import shapely
import xlsxwriter
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from connectors.base import Connector, Payload, Proof, Window
from connectors.decoders import geometry
from connectors.endpoint import Endpoint
from core import settings
from pipeline import plan, registry, sync
from sources import options
from standins.systems import d5

START = datetime(2026, 3, 1, 8)
NAME, UNIT = "东莞市合立宏智能科技有限公司", "91441900MA57X15J2T"
SOAP_PAGE, FEATURE_PAGE = 200, 1_000  # rows, as the sources' declarations have them


def _at(number: int) -> str:
    return f"{START + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}"


def _case(number: int) -> str:
    steps = "".join(
        f"<SPHJ><SPHJMC>{step}</SPHJMC><SPRXM>董华</SPRXM><SPSJ>{_at(number)}</SPSJ><SPYJ>同意</SPYJ></SPHJ>"
        for step in ("窗口初审", "审核")
    )
    return (
        f"<CASE><YWLSH>30420250{number:08d}</YWLSH><SBLSH_SHORT>4419250{number:08d}</SBLSH_SHORT>"
        f"<PROJECT_CODE>2506-441900-04-02-011512</PROJECT_CODE><SXBM>DG-401</SXBM><SXMC>建设项目用地预审与选址意见书</SXMC>"
        f"<SQRMC>{NAME}</SQRMC><SQRZJHM>{UNIT}</SQRZJHM><SLSJ>{_at(number)}</SLSJ><BJSJ>{_at(number + 60)}</BJSJ><BJJGDM>0</BJJGDM>"
        f"<ZJBH>东304〔2025〕{number:06d}号</ZJBH><FZSJ>2026-03-04</FZSJ>{steps}<GXSJ>{_at(number)}</GXSJ></CASE>"
    )


def _ring(number: int, latitude_first: bool) -> list[tuple[float, float]]:
    east, north = 113.6 + number % 500 / 1000, 22.8 + number // 500 % 300 / 1000
    corners = [
        (east, north),
        (east, north + 0.0005),
        (east + 0.0005, north + 0.0005),
        (east + 0.0005, north),
        (east, north),
    ]
    return [(y, x) if latitude_first else (x, y) for x, y in corners]


# -- bytes as the sources send them ------------------------------------------------------------------------------------


def _soap(numbers: range) -> bytes:
    inner = f'<?xml version="1.0" encoding="GBK"?><APPROVEDATAINFO total="{len(numbers)}" page="1">'
    inner += "".join(map(_case, numbers)) + "</APPROVEDATAINFO>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        '<soapenv:Body><ns2:queryCasesResponse xmlns:ns2="urn:dg:nr:approval:1"><ns2:return>'
        f"{html.escape(inner, quote=False)}</ns2:return></ns2:queryCasesResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()


def _zip(rows: int) -> bytes:
    cases = (
        f'<?xml version="1.0" encoding="GB18030"?><APPROVEDATAINFO>{"".join(map(_case, range(rows)))}</APPROVEDATAINFO>'
    )
    body = cases.encode("gb18030")
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    manifest = f'<?xml version="1.0" encoding="UTF-8"?><manifest><file name="cases.xml" rows="{rows}" md5="{digest}"/></manifest>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as result:
        result.writestr("manifest.xml", manifest)
        result.writestr("cases.xml", body)
    return packed.getvalue()


def _workbook(rows: int) -> bytes:
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held)
    sheet = book.add_worksheet("2026-03")
    sheet.write_row(0, 0, ["消防审批办件情况表（2026-03）"])
    sheet.write_row(d5.HEADER_ROW, 0, d5.COLUMNS)
    for n in range(rows):
        row = [
            n,
            "2410-441900-04-01-010773",
            "包装增资扩产项目",
            NAME,
            UNIT,
            "DG-703",
            "其他建设工程消防验收备案(抽查)",
        ]
        sheet.write_row(
            d5.HEADER_ROW + 1 + n,
            0,
            [*row, f"441925{n:011d}", "2026-03-01", "2026-03-09", "通过", f"东703〔2026〕{n:06d}号"],
        )
    book.close()
    return held.getvalue()


_GML = (
    '<?xml version="1.0" encoding="UTF-8"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" '
    'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:dg="http://dg.gov.cn/nr" numberMatched="{n}" numberReturned="{n}">{members}'
    "</wfs:FeatureCollection>"
)


def _gml(numbers: range) -> bytes:
    def member(number: int) -> str:
        places = " ".join(f"{one:.9f} {other:.9f}" for one, other in _ring(number, True))
        area = geometry.areas(np.array([shapely.Polygon(_ring(number, False))]))[
            0
        ]  # as stated, or each parcel is an issue
        return (
            f'<wfs:member><dg:parcel gml:id="p.{number}"><dg:ZDDM>441900001362GB{number:05d}</dg:ZDDM><dg:QLR>{NAME}</dg:QLR>'
            f"<dg:MJ>{area:.2f}</dg:MJ><dg:PROJECT_CODE>2506-441900-04-01-011888</dg:PROJECT_CODE><dg:GXSJ>{_at(number)}</dg:GXSJ>"
            f'<dg:SHAPE><gml:MultiSurface gml:id="p.{number}.g" srsName="urn:ogc:def:crs:EPSG::4490" srsDimension="2">'
            f'<gml:surfaceMember><gml:Polygon gml:id="p.{number}.g.1"><gml:exterior><gml:LinearRing><gml:posList>{places}'
            "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember></gml:MultiSurface></dg:SHAPE>"
            "</dg:parcel></wfs:member>"
        )

    return _GML.format(n=len(numbers), members="".join(map(member, numbers))).encode()


def _geojson(numbers: range) -> bytes:
    features = []
    for number in numbers:
        row = {"JCBH": f"JC2026{number:08d}", "XZQDM": "441900", "XMC": "东莞市", "TBLX": "TD", "QSX": "2025-11-07"}
        row |= {"HSX": "2026-02-05", "MJ": "841.54", "SFYN": "0", "SFHX": "0"}
        shape = {"type": "Polygon", "coordinates": [_ring(number, False)]}
        features.append({"type": "Feature", "id": row["JCBH"], "geometry": shape, "properties": row})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def _pages(make: Callable[[range], bytes], rows: int, size: int) -> list[bytes]:
    return [make(range(start, min(start + size, rows))) for start in range(0, rows, size)]


def _payload(body: bytes, media_type: str, **facts: Any) -> Payload:
    now = datetime.now()
    return Payload(body, media_type, {}, now, now, facts)


# -- sides -------------------------------------------------------------------------------------------------------------


def _seconds(does: Callable[[], int], rows: int) -> float:
    """:raises AssertionError: it made another number of rows."""
    begun = time.perf_counter()
    found = does()
    spent = time.perf_counter() - begun
    if found != rows:
        raise AssertionError(f"{found} of {rows} rows")
    return spent


def _decoded(feed_id: str, payloads: list[Payload]) -> int:
    """What the hub's connector makes of them: as many rows as come out."""
    source, feed = registry.feed(feed_id)
    connector = registry.decoder(source)
    return sum(batch.rows.num_rows for payload in payloads for batch in connector.decode(feed, payload))


def _decoding(floor: Callable[[], int], hub: Callable[[], int], rows: int) -> dict[str, Any]:
    """Both sides twice, in turns: the first time imports."""
    spent = [(_seconds(floor, rows), _seconds(hub, rows)) for _ in range(2)]
    return {"way": "decode", "floor_s": min(one for one, _ in spent), "hub_s": min(other for _, other in spent)}


def _parsed(bodies: list[bytes]) -> int:
    """The bare parser: every case, with the texts of its elements."""
    found = 0
    for body in bodies:
        for _, case in etree.iterparse(io.BytesIO(body), tag="CASE", huge_tree=True):
            assert [(element.tag, element.text) for element in case.iter()]
            found += 1
            case.clear()
    return found


def _unwrapped(bodies: list[bytes]) -> int:
    found = 0
    for body in bodies:
        for _, answer in etree.iterparse(io.BytesIO(body), tag="{urn:dg:nr:approval:1}return", huge_tree=True):
            found += _parsed([answer.text.replace('encoding="GBK"', 'encoding="UTF-8"', 1).encode()])
    return found


def _unzipped(body: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return _parsed([packed.read("cases.xml")])


def _sheet(body: bytes) -> int:
    return len(python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()) - 3


def _hub(feed_id: str, payloads: list[Payload] | None = None) -> int:
    """The whole way of a feed's listing, from its own source or from payloads that its connector is given; rows stored."""
    feed = registry.feed(feed_id)[1]
    if payloads is not None:
        decoder = registry.decoder(registry.feed(feed_id)[0])

        class Given(Connector):
            def check(self) -> list[Any]:
                return []

            def fetch(self, feed: Any, window: Window, state: Any) -> Iterator[Payload | Proof]:
                yield from payloads or ()
                yield Proof(True, "every page", None, None)

            def decode(self, feed: Any, payload: Payload) -> Iterator[Any]:
                return decoder.decode(feed, payload)

        true, registry.connector = registry.connector, lambda of: Given(of, Endpoint("bench", "generic", ""))
    try:
        outcome = sync.run(plan.task(feed, Window(full=feed.cursor.kind == "full")), trigger="bench")
    finally:
        if payloads is not None:
            registry.connector = true
    if outcome.outcome != "ok":
        raise AssertionError(f"{feed_id}: {outcome.error}")
    return outcome.counts.new


def _libpq() -> str:
    return settings.database_url().replace("+psycopg", "", 1)


def _ogr(file: Path, table: str) -> int:
    """GDAL into the same server, whose geometries are bytea as ours are; rows written."""
    target = "PG:" + " ".join(
        f"{name}='{value}'" for name, value in psycopg.conninfo.conninfo_to_dict(_libpq()).items()
    )
    how = ["-nln", table, "-nlt", "PROMOTE_TO_MULTI", "-lco", "GEOM_TYPE=bytea", "-lco", "GEOMETRY_NAME=wkb_geometry"]
    command = ["ogr2ogr", "-q", "-f", "PostgreSQL", target, str(file), *how]
    subprocess.run(command, check=True, env=os.environ | {"PG_USE_COPY": "YES"}, capture_output=True)
    with psycopg.connect(_libpq()) as connection:
        return _count(connection, table)


# -- protocols ---------------------------------------------------------------------------------------------------------


def _database(rows: int) -> dict[str, Any]:
    admin = psycopg.connect(_libpq(), autocommit=True)
    admin.execute("create database bench_source")
    held = psycopg.conninfo.make_conninfo(_libpq(), dbname="bench_source")
    names = [
        "LSH",
        "DFSJZJ",
        "XZQHDM",
        "GCDM",
        "SPSXSLBM",
        "BLCS",
        "BLR",
        "BLZT",
        "BLYJ",
        "BLSJ",
        "DWMC",
        "DWTYSHXYDM",
        "SJLY",
        "SJYXBS",
        "SJWXYY",
        "SJSCZT",
        "SBYY",
        "GXSJ",
    ]
    columns = ", ".join(f'"{name}"' for name in names)
    try:
        with psycopg.connect(held) as source:
            source.execute(
                'create table "SPGL_XMSPSXBLXXXXB_V3" ('
                + ", ".join(f'"{n}" {"timestamp" if n in ("BLSJ", "GXSJ") else "text"}' for n in names)
                + ', primary key ("LSH"))'
            )
            source.execute(
                f"""insert into "SPGL_XMSPSXBLXXXXB_V3" select 'LS' || n, null, '441900', null, '44192507' || lpad((n / 6)::text, 9, '0'),
                        '质安科', '董华', (1 + n % 3)::text, '同意', t, '东莞市住房和城乡建设局', '11441900007330000P', '1', '1', null, null, null, t
                    from generate_series(0, {rows - 1}) n cross join lateral (select timestamp '{START}' + n * interval '1 second') t (t)"""
            )
        query = str(psycopg.conninfo.conninfo_to_dict(held)["host"])
        url = f"postgresql+psycopg:///bench_source?host={query}"
        connection = {"conn_type": "generic", "host": "", "login": "postgres", "password": "", "extra": {"url": url}}
        os.environ["AIRFLOW_CONN_D_HOUSING"] = json.dumps(connection)

        def floor() -> int:
            with psycopg.connect(held) as reading, psycopg.connect(_libpq()) as writing:
                writing.execute(f'create table bench_rows ({columns.replace(",", " text,")} text, primary key ("LSH"))')
                with reading.cursor("rows") as cursor, writing.cursor() as into:
                    cursor.itersize = 5_000
                    cursor.execute(f'select {columns} from "SPGL_XMSPSXBLXXXXB_V3"')
                    with into.copy(f"copy bench_rows ({columns}) from stdin") as copy:
                        for row in cursor:
                            copy.write_row(row)
                return _count(writing, "bench_rows")

        return {"way": "whole", "floor_s": _seconds(floor, rows), "hub_s": _seconds(lambda: _hub("d3.log_v3"), rows)}
    finally:
        admin.execute("drop database bench_source with (force)")
        admin.close()


def _soap_service(rows: int) -> dict[str, Any]:
    bodies = _pages(_soap, rows, SOAP_PAGE)
    payloads = [_payload(body, "text/xml;charset=utf-8", page=n) for n, body in enumerate(bodies, 1)]
    return _decoding(lambda: _unwrapped(bodies), lambda: _decoded("d1.cases", payloads), rows)


def _zip_xml(rows: int) -> dict[str, Any]:
    body = _zip(rows)
    payload = _payload(body, "application/zip", scopes=["HB_20260301020000"], name="HB_20260301020000_001.zip")
    return _decoding(lambda: _unzipped(body), lambda: _decoded("d4.cases", [payload]), rows)


def _xlsx(rows: int) -> dict[str, Any]:
    body = _workbook(rows)
    media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    payload = _payload(body, media, scopes=["2026-03"], name="消防_202603.xlsx")
    return _decoding(lambda: _sheet(body), lambda: _decoded("d5.fire", [payload]), rows)


def _features(feed: str, make: Callable[[range], bytes], media: str, ending: str, rows: int) -> dict[str, Any]:
    if shutil.which("ogr2ogr") is None:
        return {"told": "ogr2ogr is not installed (Debian: gdal-bin)"}
    bodies = _pages(make, rows, FEATURE_PAGE)
    payloads = [
        _payload(body, media, page=n, count=FEATURE_PAGE, default_crs="urn:ogc:def:crs:EPSG::4490")
        for n, body in enumerate(bodies, 1)
    ]
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        whole = Path(folder) / f"all.{ending}"  # GDAL gets all of it at once, which is its best case
        whole.write_bytes(make(range(rows)))
        floor = _seconds(lambda: _ogr(whole, f"bench_{ending}"), rows)
    return {"way": "whole", "floor_s": floor, "hub_s": _seconds(lambda: _hub(feed, payloads), rows)}


def _wfs(rows: int) -> dict[str, Any]:
    return _features("s1.parcel", _gml, "text/xml; subtype=gml/3.2; charset=utf-8", "gml", rows)


def _ogc(rows: int) -> dict[str, Any]:
    return _features("s2.change", _geojson, "application/geo+json", "geojson", rows)


@contextmanager
def _broker() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        conf = Path(folder) / "mosquitto.conf"
        conf.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\npersistence false\nuser root\n"
        )
        broker = subprocess.Popen(["mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            broker.terminate()
            broker.wait()


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return row[0] if row else 0


def _client(name: str, port: int, clean: bool) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, manual_ack=True)
    client.max_queued_messages_set(0)
    client.max_inflight_messages_set(1_000)
    client.connect("127.0.0.1", port)
    return client


def _listening(port: int, rows: int) -> int:
    """A bare subscriber that keeps what it acknowledges in memory."""
    retained: list[bytes] = []
    client = _client("bench-floor", port, False)

    def take(client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        retained.append(bytes(message.payload))
        client.ack(message.mid, message.qos)

    client.on_message = take
    end = time.monotonic() + 120
    while len(retained) < rows and time.monotonic() < end:
        client.loop(0.1)
    client.disconnect()
    return len(retained)


def _mqtt(rows: int) -> dict[str, Any]:
    if shutil.which("mosquitto") is None:
        return {"told": "mosquitto is not installed"}
    with _broker() as port:
        connection = {
            "conn_type": "generic",
            "host": "127.0.0.1",
            "port": port,
            "extra": {"tls": False, "client_id": "bench-hub"},
        }
        os.environ["AIRFLOW_CONN_S_MQTT"] = json.dumps(connection)
        _hub("s4_mqtt.reading")  # sessions stand before anything is sent
        floor = _client("bench-floor", port, False)
        floor.subscribe("dg/site/#", qos=1)
        for _ in range(20):
            floor.loop(0.05)
        floor.disconnect()
        sender = _client("bench-sender", port, True)
        sender.loop_start()
        began = int(START.timestamp() * 1000)
        for n in range(rows):
            body = json.dumps({"t": began + n * 1000, "kind": "dust", "v": n % 90})
            last = sender.publish(f"dg/site/2506-441900-04-02-011512/D{n % 50:03d}", body, qos=1)
        last.wait_for_publish(120)
        sender.loop_stop()
        sender.disconnect()
        bare = _seconds(lambda: _listening(port, rows), rows)
        quiet = options.of_feed("mqtt", registry.feed("s4_mqtt.reading")[1]).quiet
        return {"way": "whole", "floor_s": bare, "hub_s": _seconds(lambda: _hub("s4_mqtt.reading"), rows) - quiet}


PROTOCOLS: dict[str, Callable[[int], dict[str, Any]]] = {
    "database": _database,
    "soap": _soap_service,
    "zip_xml": _zip_xml,
    "workbook": _xlsx,
    "gml": _wfs,
    "geojson": _ogc,
    "mqtt": _mqtt,
}


def measure(rows: int) -> dict[str, dict[str, Any]]:
    """Protocol → way, seconds of either side, ``ratio`` (ours over the floor's), rows a second, the peak of its process.

    Each in a process of its own, as a worker reads one feed; the bodies that are made for it are in its memory, too.
    """
    return {name: _apart(name, rows) for name in PROTOCOLS}


def _apart(name: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.protocols", "--rows", str(rows), "--only", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"told": f"its process ended with {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def _one(name: str, rows: int) -> dict[str, Any]:
    first = 10 * list(PROTOCOLS).index(
        name
    )  # rows that are new to the store are checked: that imports and compiles the suites
    _hub("d1.cases", [_payload(_soap(range(first, first + 10)), "text/xml;charset=utf-8", page=1)])
    try:
        one = PROTOCOLS[name](rows)
    except (AssertionError, OSError, subprocess.SubprocessError, psycopg.Error) as why:
        one = {"told": str(why)}
    if "hub_s" in one:
        one |= {
            "rows": rows,
            "ratio": round(one["hub_s"] / one["floor_s"], 2),
            "rows_per_s": round(rows / one["hub_s"]),
        }
        one |= {side: round(one[side], 2) for side in ("floor_s", "hub_s")}
    return one | {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--only", choices=PROTOCOLS)
    asked = parser.parse_args()
    print(json.dumps(_one(asked.only, asked.rows) if asked.only else measure(asked.rows), ensure_ascii=False))
