"""Every protocol beside its own floor: ``python -m bench.protocols [--rows N]``, the environment says which database.

``whole`` compares the whole way into the store (archive, checks, merge) with what moves the same rows into the same server and
does nothing else: a server-side cursor into COPY, GDAL's ogr2ogr, which gets all pages as one file. ``decode`` compares what the
hub's connector makes of received bytes with the bare parser over them: lxml's iterparse, calamine. MQTT is compared by messages
a second, none lost, with a bare client that acknowledges and keeps them in memory; the seconds of silence after which the hub
ends are taken off.

Both sides are warm, as a worker is that has read the feed before: each has read :data:`FEW` rows, of which nothing is left in the
store. What that first reading took in the hub's new process stands beside, as ``first_s``. Then they take turns; the medians count.
Of the whole way the raw rows, receipts and history are ours alone: no floor keeps them.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import python_calamine
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from bench.bodies import START
from connectors.base import Connector, Payload, Proof, Window
from connectors.endpoint import Endpoint
from core import settings
from pipeline import plan, registry, sync
from sources import options

FEW = 20
ROUNDS = 3
_CRS = "urn:ogc:def:crs:EPSG::4490"


@dataclass(frozen=True, slots=True)
class Sides:
    """A protocol with its rows made: what either side does, each returning how many rows it has seen; ``idle``: seconds
    of the hub's that are waiting, and no work; ``again``: makes the source as it was, where reading it uses it up."""

    way: str
    floor: Callable[[], int]
    hub: Callable[[], int]
    idle: float = 0.0
    again: Callable[[], None] = lambda: None


class Missing(Exception):
    """A program that the floor needs is not installed."""


def _payload(body: bytes, media_type: str, **facts: Any) -> Payload:
    now = datetime.now()
    return Payload(body, media_type, {}, now, now, facts)


@contextmanager
def _bodies(name: str, rows: int) -> Iterator[list[Path]]:
    """Files of what a source sends; a process of its own makes them."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        subprocess.run([sys.executable, "-m", "bench.bodies", name, str(rows), folder], check=True)
        yield sorted(Path(folder).iterdir())


# -- sides -------------------------------------------------------------------------------------------------------------


def _decoded(feed_id: str, payloads: Iterator[Payload]) -> int:
    """What the hub's connector makes of them: as many rows as come out."""
    source, feed = registry.feed(feed_id)
    connector = registry.decoder(source)
    return sum(batch.rows.num_rows for payload in payloads for batch in connector.decode(feed, payload))


def _parsed(bodies: Iterator[bytes]) -> int:
    """The bare parser: every case, with the texts of its elements."""
    found = 0
    for body in bodies:
        for _, case in etree.iterparse(io.BytesIO(body), tag="CASE", huge_tree=True):
            assert [(element.tag, element.text) for element in case.iter()]
            found += 1
            case.clear()
    return found


def _unwrapped(bodies: list[Path]) -> int:
    found = 0
    for body in bodies:
        for _, answer in etree.iterparse(str(body), tag="{urn:dg:nr:approval:1}return", huge_tree=True):
            found += _parsed(iter([answer.text.replace('encoding="GBK"', 'encoding="UTF-8"', 1).encode()]))
    return found


def _unzipped(body: Path) -> int:
    with zipfile.ZipFile(body) as packed:
        return _parsed(iter([packed.read("cases.xml")]))


def _sheet(body: Path) -> int:
    return len(python_calamine.CalamineWorkbook.from_path(body).get_sheet_by_index(0).to_python()) - 3


def _hub(feed_id: str, payloads: Callable[[], Iterator[Payload]] | None = None) -> int:
    """The whole way of a feed's listing, from its own source or from payloads that its connector is given; rows stored."""
    feed = registry.feed(feed_id)[1]
    if payloads is not None:
        decoder = registry.decoder(registry.feed(feed_id)[0])
        given = payloads

        class Given(Connector):
            def check(self) -> list[Any]:
                return []

            def fetch(self, feed: Any, window: Window, state: Any) -> Iterator[Payload | Proof]:
                yield from given()
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
    command = ["ogr2ogr", "-q", "-overwrite", "-f", "PostgreSQL", target, str(file), *how]
    subprocess.run(command, check=True, env=os.environ | {"PG_USE_COPY": "YES"}, capture_output=True)
    with psycopg.connect(_libpq()) as connection:
        return _count(connection, table)


# -- protocols ---------------------------------------------------------------------------------------------------------


@contextmanager
def _database(rows: int) -> Iterator[Sides]:
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
                writing.execute("drop table if exists bench_rows")
                writing.execute(f'create table bench_rows ({columns.replace(",", " text,")} text, primary key ("LSH"))')
                with reading.cursor("rows") as cursor, writing.cursor() as into:
                    cursor.itersize = 5_000
                    cursor.execute(f'select {columns} from "SPGL_XMSPSXBLXXXXB_V3"')
                    with into.copy(f"copy bench_rows ({columns}) from stdin") as copy:
                        for row in cursor:
                            copy.write_row(row)
                return _count(writing, "bench_rows")

        yield Sides("whole", floor, lambda: _hub("d3.log_v3"))
    finally:
        admin.execute("drop database bench_source with (force)")
        admin.close()


@contextmanager
def _soap_service(rows: int) -> Iterator[Sides]:
    with _bodies("soap", rows) as files:

        def payloads() -> Iterator[Payload]:
            for n, file in enumerate(files, 1):
                yield _payload(file.read_bytes(), "text/xml;charset=utf-8", page=n)

        yield Sides("decode", lambda: _unwrapped(files), lambda: _decoded("d1.cases", payloads()))


@contextmanager
def _zip_xml(rows: int) -> Iterator[Sides]:
    facts = {"scopes": ["HB_20260301020000"], "name": "HB_20260301020000_001.zip"}
    with _bodies("zip_xml", rows) as (file,):

        def payloads() -> Iterator[Payload]:
            yield _payload(file.read_bytes(), "application/zip", **facts)

        yield Sides("decode", lambda: _unzipped(file), lambda: _decoded("d4.cases", payloads()))


@contextmanager
def _xlsx(rows: int) -> Iterator[Sides]:
    media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    with _bodies("workbook", rows) as (file,):

        def payloads() -> Iterator[Payload]:
            yield _payload(file.read_bytes(), media, scopes=["2026-03"], name="消防_202603.xlsx")

        yield Sides("decode", lambda: _sheet(file), lambda: _decoded("d5.fire", payloads()))


@contextmanager
def _features(feed: str, name: str, media: str, rows: int) -> Iterator[Sides]:
    if shutil.which("ogr2ogr") is None:
        raise Missing("ogr2ogr is not installed (Debian: gdal-bin)")
    with _bodies(name, rows) as files, _bodies(f"{name}_whole", rows) as (whole,):
        named = whole.rename(whole.with_suffix(f".{name}"))  # GDAL gets all of it at once, which is its best case

        def payloads() -> Iterator[Payload]:
            for n, file in enumerate(files, 1):
                yield _payload(file.read_bytes(), media, page=n, count=1_000, default_crs=_CRS)

        yield Sides("whole", lambda: _ogr(named, f"bench_{name}"), lambda: _hub(feed, payloads))


def _wfs(rows: int) -> AbstractContextManager[Sides]:
    return _features("s1.parcel", "gml", "text/xml; subtype=gml/3.2; charset=utf-8", rows)


def _ogc(rows: int) -> AbstractContextManager[Sides]:
    return _features("s2.change", "geojson", "application/geo+json", rows)


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


@contextmanager
def _mqtt(rows: int) -> Iterator[Sides]:
    if shutil.which("mosquitto") is None:
        raise Missing("mosquitto is not installed")
    with _broker() as port:
        extra = {"tls": False, "client_id": "bench-hub"}
        connection = {"conn_type": "generic", "host": "127.0.0.1", "port": port, "extra": extra}
        os.environ["AIRFLOW_CONN_S_MQTT"] = json.dumps(connection)
        _hub("s4_mqtt.reading")  # sessions stand before anything is sent
        floor = _client("bench-floor", port, False)
        floor.subscribe("dg/site/#", qos=1)
        for _ in range(20):
            floor.loop(0.05)
        floor.disconnect()
        quiet = options.of_feed("mqtt", registry.feed("s4_mqtt.reading")[1]).quiet
        yield Sides(
            "whole",
            lambda: _listening(port, rows),
            lambda: _hub("s4_mqtt.reading"),
            quiet,
            lambda: _send(port, rows),
        )


def _send(port: int, rows: int) -> None:
    """Messages of as many readings to whoever has a session."""
    sender = _client("bench-sender", port, True)
    sender.loop_start()
    began = int(START.timestamp() * 1000)
    for n in range(rows):
        body = json.dumps({"t": began + n * 1000, "kind": "dust", "v": n % 90})
        last = sender.publish(f"dg/site/2506-441900-04-02-011512/D{n % 50:03d}", body, qos=1)
        if n % 500 == 0 or n == rows - 1:  # no more than that of them in memory
            last.wait_for_publish(120)
    sender.loop_stop()
    sender.disconnect()


#: Name → its sides of so many rows, and how many the bench takes: enough that rows are measured, and no start.
PROTOCOLS: dict[str, tuple[Callable[[int], AbstractContextManager[Sides]], int]] = {
    "database": (_database, 100_000),
    "soap": (_soap_service, 50_000),
    "zip_xml": (_zip_xml, 50_000),
    "workbook": (_xlsx, 50_000),
    "gml": (_wfs, 50_000),
    "geojson": (_ogc, 50_000),
    "mqtt": (_mqtt, 20_000),
}


def measure(rows: int | None) -> dict[str, dict[str, Any]]:
    """Protocol → way, seconds of either side, ``ratio`` (ours over the floor's), rows a second, ``first_s``, and the peak of its
    process after the first reading. Each in a process of its own, as a worker reads one feed."""
    return {name: _apart(name, rows or usual) for name, (_, usual) in PROTOCOLS.items()}


def _apart(name: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.protocols", "--rows", str(rows), "--only", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"told": f"its process ended with {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def _one(name: str, rows: int) -> dict[str, Any]:
    make, _ = PROTOCOLS[name]
    floors: list[float] = []
    hubs: list[float] = []
    peak = 0
    try:
        with make(FEW) as few:
            few.again()
            _seconds(few.floor, FEW)
            first = _seconds(few.hub, FEW) - few.idle
        with make(rows) as sides:
            for _ in range(ROUNDS):
                _emptied()  # what stands must not make a first listing an easy one
                sides.again()
                hubs.append(_seconds(sides.hub, rows) - sides.idle)
                peak = peak or round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
                floors.append(_seconds(sides.floor, rows))
    except (Missing, AssertionError, OSError, subprocess.SubprocessError, psycopg.Error) as why:
        return {"told": str(why)}
    floor, hub = statistics.median(floors), statistics.median(hubs)
    return {
        "way": sides.way,
        "rows": rows,
        "floor_s": round(floor, 3),
        "hub_s": round(hub, 3),
        "ratio": round(hub / floor, 2),
        "rows_per_s": round(rows / hub),
        "first_s": round(first, 2),
        "peak_mib": peak,
    }


def _seconds(does: Callable[[], int], rows: int) -> float:
    """:raises AssertionError: it saw another number of rows."""
    gc.collect()  # what the other side left is not this one's
    begun = time.perf_counter()
    found = does()
    spent = time.perf_counter() - begun
    if found != rows:
        raise AssertionError(f"{found} of {rows} rows")
    return spent


def _emptied() -> None:
    """The store without a row."""
    with psycopg.connect(_libpq()) as connection:
        listed = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'source'"
        names = [row[0] for row in connection.execute(listed)]
        connection.execute(f"truncate store.dirty, {', '.join(names)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="of each protocol; default: as many as the bench takes")
    parser.add_argument("--only", choices=PROTOCOLS)
    asked = parser.parse_args()
    found = _one(asked.only, asked.rows or PROTOCOLS[asked.only][1]) if asked.only else measure(asked.rows)
    print(json.dumps(found, ensure_ascii=False))
