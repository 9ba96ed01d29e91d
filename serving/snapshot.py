"""快照 Snapshots for files' readers (DuckDB, Spark, GeoPandas, QGIS, Excel): every view as Parquet, shapes as GeoParquet 1.1, with a
manifest of rows and hashes, in any store that fsspec knows; and parts of what changed since the last one.

A snapshot is a folder named by its time. Its manifest is written last: a folder without one is unfinished. All files are of one
instant (one repeatable-read transaction); ``cursor`` in the manifest is the place of the change feed from which to go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock, filesystems, settings
from core.shapes import is_drawable
from core.version import VERSION
from serving.access import Grant, reading
from serving.query import changes, freshness
from serving.sql.views import View, views

MANIFEST = "manifest.json"
BATCH = 20_000
_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "integer": pa.int32(),
    "small": pa.int16(),
    "decimal": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "instant": pa.timestamp("us", tz="Asia/Shanghai"),
    "bool": pa.bool_(),
    "json": pa.string(),
    "texts": pa.list_(pa.string()),
    "geometry": pa.binary(),
}


def place() -> str:
    """Where snapshots are kept: ``ONEMAP_SNAPSHOT_URL``, else the run folder."""
    import os

    return os.environ.get("ONEMAP_SNAPSHOT_URL") or str(settings.home() / "snapshots")


def make(grant: Grant, url: str | None = None, *, since: str | None = None) -> dict[str, Any]:
    """Write what the grant sees; returns the manifest with its ``folder``.

    :param since: cursor of an earlier manifest: then only rows that changed since, and ``deleted`` names those that went.
    :raises serving.query.paging.BadCursorError: ``since`` is no cursor of the change feed.
    """
    file_system, root = filesystems.at(url or place())
    name = f"{clock.now():%Y%m%dT%H%M%S}{'-part' if since else ''}"
    folder = f"{root.rstrip('/')}/{name}"
    file_system.makedirs(folder, exist_ok=True)
    files = []
    with reading(grant, instant=True) as connection:
        connection.exec_driver_sql("set local statement_timeout = '30min'")
        cursor = changes.end(connection)
        changed = _changed(connection, since) if since else None
        for view in views().values():
            if view.name == "change":
                continue
            wanted = None if changed is None else changed["changed"].get(view.name)
            if changed is not None and not wanted:
                continue
            files.append(_written(connection, view, file_system, folder, wanted))
    document = {
        "name": name,
        "kind": "incremental" if since else "full",
        "made_at": clock.now().isoformat(),
        "hub_version": VERSION,
        "personal": grant.personal,
        "since": since,
        "cursor": cursor,
        "freshness": freshness.freshness().as_dict(),
        "files": files,
        "deleted": changed["deleted"] if changed else {},
    }
    with file_system.open(f"{folder}/{MANIFEST}", "wb") as out:
        out.write(json.dumps(document, ensure_ascii=False, indent=1).encode())
    return {**document, "folder": folder}


def _changed(connection: Connection, since: str) -> dict[str, dict[str, list[str]]]:
    """Entity → ids that changed, and that went, since a place of the feed."""
    last: dict[tuple[str, str], str] = {}
    cursor, more = since, True
    while more:
        rows, cursor, more = changes.changes(connection, cursor, limit=5000)
        for row in rows:
            last[row["entity"], row["id"]] = row["op"]
    found: dict[str, dict[str, list[str]]] = {"changed": {}, "deleted": {}}
    for (entity, id_), op in last.items():
        found["deleted" if op == "DEL" else "changed"].setdefault(entity, []).append(id_)
    for clocked in found["changed"].pop("clock", []):  # a clock is its case's
        found["changed"].setdefault("case", []).append(clocked)
    found["deleted"].pop("clock", None)
    return found


def _written(
    connection: Connection, view: View, file_system: Any, folder: str, ids: list[str] | None
) -> dict[str, Any]:
    path = f"{folder}/{view.name}.parquet"
    schema, geometry = _schema(view)
    digest, rows, box = hashlib.sha256(), 0, [float("inf"), float("inf"), float("-inf"), float("-inf")]
    with file_system.open(path, "wb") as out:
        writer = pq.ParquetWriter(_Hashed(out, digest), schema, compression="zstd")
        for batch in _batches(connection, view, ids):
            columns = {c.name: [_plain(c.type, row[n]) for row in batch] for n, c in enumerate(view.columns)}
            if geometry:
                columns[geometry] = _drawable(columns[geometry], box)
            writer.write_table(
                pa.table({c.name: pa.array(columns[c.name], _TYPES[c.type]) for c in view.columns}, schema=schema)
            )
            rows += len(batch)
        if geometry:
            writer.add_key_value_metadata(
                {"geo": json.dumps(_geo(geometry, box if rows and box[0] <= box[2] else None))}
            )
        writer.close()
    return {
        "entity": view.name,
        "file": f"{view.name}.parquet",
        "rows": rows,
        "sha256": digest.hexdigest(),
        "geometry": geometry,
    }


class _Hashed:
    """A file that is hashed as it is written."""

    def __init__(self, out: Any, digest: Any) -> None:
        self._out, self._digest, self.closed = out, digest, False
        self._at = 0

    def write(self, part: Any) -> int:
        data = bytes(part)
        self._digest.update(data)
        self._at += len(data)
        self._out.write(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def _batches(connection: Connection, view: View, ids: list[str] | None) -> Iterator[Sequence[Any]]:
    names = ", ".join(f'v."{c.name}"' for c in view.columns)
    where = "" if ids is None else f"where {view.feed_id} = any(:ids)"
    streamed = connection.execution_options(stream_results=True, yield_per=BATCH)
    result = streamed.execute(
        sa.text(f'select {names} from asked."{view.name}" v {where} order by {", ".join(f"v.{k}" for k in view.key)}'),
        {"ids": ids} if ids is not None else {},
    )
    yield from result.partitions(BATCH)


def _plain(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if kind == "decimal":
        return float(value)
    return bytes(value) if kind == "geometry" else value


def _schema(view: View) -> tuple[pa.Schema, str | None]:
    """Arrow's schema with Chinese names as metadata, and the column of its shape."""
    fields = [
        pa.field(
            c.name, _TYPES[c.type], True, {"zh": c.zh, "description": c.en, **({"codes": c.codes} if c.codes else {})}
        )
        for c in view.columns
    ]
    geometry = next((c.name for c in view.columns if c.type == "geometry"), None)
    return pa.schema(fields), geometry


def _drawable(shapes: list[bytes | None], box: list[float]) -> list[bytes | None]:
    """The shapes that a reader of GeoParquet can take, the others empty; ``box`` grows by their bounds."""
    import shapely

    read = shapely.from_wkb(shapes, on_invalid="ignore")
    known = is_drawable(read)
    if known.any():
        west, south, east, north = shapely.total_bounds(read[known])
        box[:] = [min(box[0], west), min(box[1], south), max(box[2], east), max(box[3], north)]
    return [shape if drawn else None for shape, drawn in zip(shapes, known, strict=True)]


def _geo(column: str, box: list[float] | None) -> dict[str, Any]:
    """GeoParquet 1.1: WKB, CGCS2000 (EPSG:4490) with longitude first."""
    import pyproj

    about: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": json.loads(pyproj.CRS.from_epsg(4490).to_json()),
    }
    if box:
        about["bbox"] = box
    return {"version": "1.1.0", "primary_column": column, "columns": {column: about}}


def listed(url: str | None = None) -> list[dict[str, Any]]:
    """Finished snapshots, the latest first: name, kind, made_at, cursor, rows."""
    file_system, root = filesystems.at(url or place())
    found = []
    for path in file_system.glob(f"{root.rstrip('/')}/*/{MANIFEST}"):
        document = json.loads(file_system.cat(path))
        found.append(
            {
                **{n: document[n] for n in ("name", "kind", "made_at", "cursor")},
                "rows": sum(f["rows"] for f in document["files"]),
            }
        )
    return sorted(found, key=lambda s: s["name"], reverse=True)


def nightly(keep_days: int = 14) -> dict[str, Any]:
    """A full snapshot on Sundays or when there is none, else what changed since the last; older ones than ``keep_days`` go."""
    grant = Grant("snapshot")
    known = listed()
    whole = not any(s["kind"] == "full" for s in known) or clock.today().isoweekday() == 7
    taken = make(grant, since=None if whole else known[0]["cursor"])
    file_system, root = filesystems.at(place())
    last_full = next(
        (s["name"] for s in [{"name": taken["name"], "kind": taken["kind"]}, *known] if s["kind"] == "full"), ""
    )
    for old in known:
        age = (clock.now() - datetime.fromisoformat(old["made_at"])).days
        if age > keep_days and old["name"] < last_full:
            file_system.rm(f"{root.rstrip('/')}/{old['name']}", recursive=True)
    return {"name": taken["name"], "kind": taken["kind"], "rows": sum(f["rows"] for f in taken["files"])}
