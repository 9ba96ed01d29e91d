"""What stands in a file, as rows of text: delimited text, JSON, JSON lines, XML, Parquet, and what GDAL reads.

A reader is a function from a file to batches, in flat memory, deterministic. One row's damage is one row's Reject. Which
reader: ``options.content`` of the feed (:mod:`sources.options.files`).
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import shapely

from connectors.base import Batch, Issue, Reject
from connectors.decoders import archives, arrow_text, charsets, geometry, json_mending, jsonrows, rows, xml
from connectors.limits import Limits, check
from core.errors import ProviderError
from sources.options import listing
from sources.options.files import FeedOptions, JsonOptions, Skip, TableOptions, VectorOptions, XmlOptions

MEDIA_TYPES = {
    "table": "text/csv",
    "jsonl": "application/x-ndjson",
    "json": "application/json",
    "xml": "application/xml",
    "parquet": "application/vnd.apache.parquet",
    "vector": "application/octet-stream",
}
_AT_ONCE = 5000
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PIECE = 1 << 20
_MARK = "\ufffd\\\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})"
_GIVEN_AS_ZIP = (".shp", ".gdb", ".tab", ".gpkg", ".geojson", ".kml", ".dbf")


def read(body: bytes | Path, given: FeedOptions, limits: Limits) -> Iterator[Batch]:
    """The rows of a file.

    :raises ProviderError: it is damaged, unsafe or of another kind than declared.
    """
    with _file(body) as file:
        for path, prefix in _parts(file, given, limits):
            for batch in _read(path, given, limits):
                yield _placed(without(batch, given.skip), prefix)


def _read(path: Path, given: FeedOptions, limits: Limits) -> Iterator[Batch]:
    if given.content == "table":
        yield from _table(path, given.table, limits)
    elif given.content == "jsonl":
        yield from _json_lines(path, limits)
    elif given.content == "json":
        yield _json(path, given.json_, limits)
    elif given.content == "xml" and given.xml is not None:
        yield from _xml(path, given.xml, limits)
    elif given.content == "parquet":
        yield from _parquet(path)
    else:
        yield from _vector(path, given.vector)


@contextmanager
def _file(body: bytes | Path) -> Iterator[Path]:
    if isinstance(body, Path):
        yield body
        return
    with tempfile.TemporaryDirectory(prefix="onemap-file-") as folder:
        path = Path(folder) / "file"
        path.write_bytes(body)
        yield path


def _parts(file: Path, given: FeedOptions, limits: Limits) -> Iterator[tuple[Path, str]]:
    """The file, or the entries of a zip that are read; a shapefile's with all that lies beside it."""
    with file.open("rb") as opened:
        zipped = opened.read(4) == b"PK\x03\x04"
    if given.entry is None and not (given.content == "vector" and zipped):
        yield file, ""
        return
    with archives.open_zip(file, limits) as archive, tempfile.TemporaryDirectory(prefix="onemap-zip-") as folder:
        archive.verify()
        whole = Path(folder)
        wanted = []
        for name in archive.names:
            plain = name.rpartition("/")[2]
            chosen = re.fullmatch(given.entry, plain) if given.entry else plain.lower().endswith(_GIVEN_AS_ZIP)
            if not chosen and given.content != "vector":
                continue
            target = whole / Path(name).name
            with archive.open(name) as stream, target.open("wb") as out:
                while piece := stream.read(_PIECE):
                    out.write(piece)
            if chosen and not (plain.lower().endswith(".dbf") and _has_shape(archive.names, plain)):
                wanted.append(target)
        if not wanted:
            raise _damaged(
                f"the zip holds no entry like {given.entry or ', '.join(_GIVEN_AS_ZIP)}: {', '.join(archive.names)[:500]}",
                "压缩包中没有声明所指的条目",
            )
        for path in sorted(wanted):
            yield path, f"{path.name} " if len(wanted) > 1 else ""


def _has_shape(names: list[str], dbf: str) -> bool:
    return any(name.rpartition("/")[2].lower() == dbf[:-4].lower() + ".shp" for name in names)


def without(batch: Batch, skip: list[Skip]) -> Batch:
    """Without the rows that are none by the declared tests; their number is reported."""
    table = batch.rows
    for one in skip:
        if one.column in table.column_names and table.num_rows:
            matches = pc.match_substring_regex(pc.utf8_trim_whitespace(table[one.column]), f"^(?:{one.matches})$")
            drop = pc.fill_null(matches, False)
            if count := pc.sum(drop).as_py():
                batch.issues.append(
                    Issue("rows_skipped", f"{count} rows whose {one.column} is like {one.matches}", field=one.column)
                )
                table = table.filter(pc.invert(drop))
    batch.rows = table
    return batch


def _placed(batch: Batch, prefix: str) -> Batch:
    """Places with the name of the zip's entry."""
    table = batch.rows
    if prefix and table.num_rows:
        place = table.column_names.index("_place")
        named = pc.binary_join_element_wise(
            pa.scalar(prefix, pa.large_string()), table["_place"], pa.scalar("", pa.large_string())
        )
        table = table.set_column(place, "_place", named)
    batch.rows = table
    return batch


# -- delimited text


def _table(path: Path, given: TableOptions, limits: Limits) -> Iterator[Batch]:
    with tempfile.TemporaryDirectory(prefix="onemap-table-") as folder:
        plain = Path(folder) / "utf8"
        _transcode(path, plain, given.charset)
        names, lines, issues = _header(plain, given, limits)
        rejects: list[Reject] = []

        def ragged(row: pyarrow.csv.InvalidRow) -> str:
            place = f"line {row.number}" if row.number is not None else "a line"
            rejects.append(
                Reject(
                    place,
                    "row_ragged",
                    f"{place} has {row.actual_columns} fields, the header has {row.expected_columns}",
                    row.text,
                )
            )
            return "skip"

        count = 0
        held: pa.Table | None = None
        try:
            reader = pyarrow.csv.open_csv(
                plain,
                pyarrow.csv.ReadOptions(column_names=names, skip_rows=lines, block_size=4 << 20, use_threads=False),
                pyarrow.csv.ParseOptions(
                    delimiter=given.delimiter,
                    quote_char=given.quote or False,
                    newlines_in_values=given.quote is not None,
                    invalid_row_handler=ragged,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                yield Batch(rows.table([], [], names), rejects, issues)
                return
            raise _damaged(f"no delimited text: {error}", "不是声明的分隔文本") from error
        while True:
            try:
                piece: pa.RecordBatch | None = reader.read_next_batch()
            except StopIteration:
                piece = None
            except pa.ArrowInvalid as error:
                raise _damaged(f"no delimited text: {error}", "不是声明的分隔文本") from error
            if piece is not None:
                new = pa.Table.from_batches([piece])
                held = new if held is None else pa.concat_tables([held, new])
            if held is None:
                yield Batch(rows.table([], [], names), rejects, issues)
                return
            ready = held.slice(0, max(0, held.num_rows - given.footer))
            held = held.slice(ready.num_rows)
            if ready.num_rows or piece is None:
                places = [f"row {n}" for n in range(count + 1, count + ready.num_rows + 1)]
                count += ready.num_rows
                check(limits, "rows", count, "the table")
                placed = ready.append_column("_place", pa.array(places, pa.large_string()))
                yield _without_damage(placed, list(rejects), issues)
                rejects.clear()
                issues = []
            if piece is None:
                return


def _transcode(path: Path, target: Path, charset: str | None) -> None:
    """The text in UTF-8, a mark for each byte that does not decode."""
    with path.open("rb") as file:
        sample = file.read(1 << 22)
        name = charset or charsets.judge(sample, whole=path.stat().st_size == len(sample)).name
        decoder = codecs.getincrementaldecoder(name)("onemap_mark")
        file.seek(0)
        with target.open("w", encoding="utf-8", newline="", errors="replace") as out:
            first = True
            while piece := file.read(_PIECE):
                text = decoder.decode(piece)
                out.write(text.removeprefix("\ufeff") if first else text)
                first = False
            out.write(decoder.decode(b"", final=True))


def _header(path: Path, given: TableOptions, limits: Limits) -> tuple[list[str], int, list[Issue]]:
    """(names, lines before the first row, issues). A name that stands twice is reported, and numbered."""
    if given.header_row is None:
        return given.columns, 0, []
    with path.open(encoding="utf-8", newline="") as file:
        for _ in range(given.header_row - 1):
            file.readline(limits.field)
        reader = csv.reader(
            file,
            delimiter=given.delimiter,
            quotechar=given.quote,
            quoting=csv.QUOTE_MINIMAL if given.quote else csv.QUOTE_NONE,
        )
        found = [name.strip() for name in next(reader, [])]
        lines = given.header_row - 1 + reader.line_num
    if not any(found):
        raise _damaged(f"line {given.header_row} names no column", f"第 {given.header_row} 行没有列名")
    check(limits, "names", len(found), "the header")
    if given.columns and len(given.columns) != len(found):
        raise _damaged(f"the header has {len(found)} columns, the declaration {len(given.columns)}", "列数与声明不符")
    names: list[str] = []
    issues = []
    for number, name in enumerate(given.columns or found, 1):
        plain = name or f"column {number}"
        if plain in names:
            issues.append(
                Issue("column_twice", f"the header names {plain} twice; column {number} is read apart", field=plain)
            )
            plain = f"{plain} ({number})"
        names.append(plain)
    return names, lines, issues


def _without_damage(table: pa.Table, rejects: list[Reject], issues: list[Issue]) -> Batch:
    """Rows whose bytes did not decode are rejected, the others stand. Empty text is null."""
    damaged = None
    columns = {}
    for name in table.column_names:
        values = table[name]
        if name != "_place":
            bad = pc.match_substring_regex(values, _MARK)
            damaged = bad if damaged is None else pc.or_(damaged, bad)
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.large_string()), values)
        columns[name] = values
    result = pa.table(columns)
    if damaged is not None and pc.any(damaged).as_py():
        for row in result.filter(damaged).to_pylist():
            place = row.pop("_place")
            raw = json.dumps({name: value for name, value in row.items() if value}, ensure_ascii=False)
            rejects.append(
                Reject(place, "undecodable", f"{place} has bytes that are no text; they stand as \\xNN", raw)
            )
        result = result.filter(pc.invert(damaged))
    return Batch(result, rejects, issues)


# -- JSON


def _json(path: Path, given: JsonOptions, limits: Limits) -> Batch:
    """One document; records that are no JSON are rejected alone."""
    check(limits, "page", path.stat().st_size, "the document")
    body, where = path.read_bytes(), given.rows
    steps = listing.steps(where) or ["rows"]
    if where == "@":
        body = b'{"rows":' + jsonrows.clean(body) + b"}"
    try:
        page, issues = jsonrows.sound(body, steps[-1], limits)
        held = page
        for step in steps:
            held = bytes(_object.decode(held)[step]).strip()
        held = jsonrows.listed(held, given, lambda: json.loads(page))
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise _damaged(f"no list of records at {where}: {error}", f"{where} 处没有记录列表") from error
    result, rejects = jsonrows.read(held, limits=limits)
    return Batch(result, rejects, issues)


def _json_lines(path: Path, limits: Limits) -> Iterator[Batch]:
    number = 0
    lines: list[bytes] = []
    places: list[str] = []
    rejects: list[Reject] = []

    def batch() -> Batch:
        table, bad = jsonrows.read(b"[" + b",".join(lines) + b"]", limits=limits)
        table = table.set_column(
            table.column_names.index("_place"), "_place", pa.array(_good_places(places, bad), pa.large_string())
        )
        return Batch(table, [*rejects, *(_replaced(one, places) for one in bad)])

    with path.open("rb") as file:
        for line in file:
            number += 1
            plain = line.removeprefix(codecs.BOM_UTF8).strip()
            if not plain:
                continue
            check(limits, "rows", number, "the file")
            plain = jsonrows.clean(plain)
            if not json_mending.is_sound(plain):
                rejects.append(
                    Reject(
                        f"line {number}",
                        "json_damaged",
                        f"line {number} is no JSON",
                        plain[: jsonrows.RAW].decode("utf-8", "replace"),
                    )
                )
                continue
            lines.append(plain)
            places.append(f"line {number}")
            if len(lines) == _AT_ONCE:
                yield batch()
                lines, places, rejects = [], [], []
    yield batch()


def _good_places(places: list[str], bad: list[Reject]) -> list[str]:
    gone = {int(reject.place.rpartition(" ")[2]) for reject in bad}
    return [place for number, place in enumerate(places, 1) if number not in gone]


def _replaced(reject: Reject, places: list[str]) -> Reject:
    place = places[int(reject.place.rpartition(" ")[2]) - 1]
    return Reject(place, reject.code, reject.message, reject.raw, reject.record)


# -- XML


def _xml(path: Path, given: XmlOptions, limits: Limits) -> Iterator[Batch]:
    records, places, rejects = [], [], []
    for one in xml.records(lambda: path.open("rb"), given.record, encoding=given.charset, limits=limits):
        place = f"{given.record} {one.number}"
        if one.broken or one.damaged:
            code = "xml_damaged" if one.broken else "undecodable"
            rejects.append(
                Reject(place, code, one.broken or f"{place} has bytes that are no text", xml.shown(one.element))
            )
        else:
            records.append(xml.record(one.element, given.nested))
            places.append(place)
        if len(records) == _AT_ONCE:
            table, beyond = rows.bounded(records, places, (), limits)
            yield Batch(table, [*rejects, *beyond])
            records, places, rejects = [], [], []
    table, beyond = rows.bounded(records, places, (), limits)
    yield Batch(table, [*rejects, *beyond])


# -- Parquet


def _parquet(path: Path) -> Iterator[Batch]:
    count = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for piece in file.iter_batches(_AT_ONCE):
                yield Batch(_as_text(pa.Table.from_batches([piece]), count))
                count += piece.num_rows
            if not count:
                yield Batch(_as_text(file.schema_arrow.empty_table(), 0))
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(f"no Parquet: {error}", "不是 Parquet 文件，或已损坏") from error


def _as_text(table: pa.Table, before: int) -> pa.Table:
    """Every column in its canonical text, and the place."""
    columns = {name: _texts(table[name]) for name in table.column_names}
    columns["_place"] = pa.array(
        [f"row {n}" for n in range(before + 1, before + table.num_rows + 1)], pa.large_string()
    )
    return pa.table(columns)


def _texts(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        return values.cast(pa.large_string())
    if pa.types.is_boolean(kind):
        return values.cast(pa.int8()).cast(pa.large_string())
    return arrow_text.column(values.to_pylist())


# -- what GDAL reads


def _vector(path: Path, given: VectorOptions) -> Iterator[Batch]:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    count = 0
    try:
        layers = [str(name) for name, _ in pyogrio.list_layers(path)]
        if given.layer is None and len(layers) > 1:
            raise _damaged(
                f"it has the layers {', '.join(layers)}: declare vector.layer",
                f"含多个图层 {'、'.join(layers)}，请在声明中指明 vector.layer",
            )
        with pyogrio.open_arrow(
            path, layer=given.layer or layers[0], encoding=given.charset, batch_size=_AT_ONCE, use_pyarrow=True
        ) as (meta, reader):
            shape = meta.get("geometry_name") or "wkb_geometry"
            for piece in reader:
                table = pa.Table.from_batches([piece])
                yield _features(table, shape, meta.get("crs"), given, count)
                count += table.num_rows
        if not count:
            yield Batch(rows.table([], []))
    except (DataSourceError, DataLayerError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise _damaged(
            f"GDAL reads nothing: {' '.join(str(error).split())[:300]}", "不是声明的空间数据文件，或已损坏"
        ) from error


def _features(table: pa.Table, shape: str, stated: str | None, given: VectorOptions, before: int) -> Batch:
    names = [name for name in table.column_names if name not in (shape, "OGC_FID")]
    result = _as_text(table.select(names), before)
    if shape not in table.column_names:
        return Batch(result)
    places = result["_place"].to_pylist()
    shapes = shapely.from_wkb(table[shape].to_numpy(zero_copy_only=False), on_invalid="ignore")
    broken = shapely.is_missing(shapes) & ~np.asarray(pc.is_null(table[shape]))
    placed, issues = geometry.placed(shapes, stated, given.crs, given.window, places)
    rejects = [
        Reject(places[number], "geometry_unreadable", f"{places[number]} has a geometry that cannot be read")
        for number in np.flatnonzero(broken)
    ]
    result = result.append_column(geometry.COLUMN, pa.array(geometry.to_hex(placed), pa.large_string()))
    return Batch(result.filter(pa.array(~broken)), rejects, issues)


def _damaged(what: str, zh: str) -> ProviderError:
    return ProviderError(
        what,
        remedy="ask the source to send the file again, or correct options of the feed's declaration",
        zh=f"文件与声明不符：{zh}。请数源部门重新发送，或更正数源声明；此前跳过该文件。",
        code="file_damaged",
    )
