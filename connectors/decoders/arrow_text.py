"""Rows of a database as Arrow files of text: what was read, in columns, compressed, in pieces of bounded size.

A value is the server's own text where the driver gives it; else one canonical form: ``yyyy-MM-dd HH:mm:ss[.ffffff]``
in local time, decimals without an exponent, booleans 1 and 0, bytes that are no text as ``\\x`` and hex.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from core.clock import SHANGHAI

MEDIA_TYPE = "application/vnd.apache.arrow.file"
_WHOLE_SECOND = 19  # characters of a date and time without fraction and offset: a text with either is longer
_ZSTD = pa.ipc.IpcWriteOptions(
    compression="zstd", use_threads=False
)  # a chunk's columns are too small to be shared out


def column(values: Sequence[Any]) -> pa.Array:
    """Values of one column as ``large_string``; None stays null."""
    try:
        return pa.array(values, pa.large_string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeError):
        return pa.array([as_text(value) for value in values], pa.large_string())


def from_csv(body: bytes, names: Sequence[str], booleans: Sequence[str] = ()) -> pa.RecordBatch:
    """Whole rows as PostgreSQL's COPY writes them in CSV, UTF-8; what is empty and not quoted is null. ``booleans``: columns
    whose ``t`` and ``f`` become 1 and 0.

    :raises ValueError: they are no such rows.
    """
    text_type = pa.large_string()
    table = pyarrow.csv.read_csv(
        pa.BufferReader(b"\n" + body),  # a file's first bytes may be taken for a mark of their order
        pyarrow.csv.ReadOptions(use_threads=False, block_size=len(body) + 2, column_names=names, skip_rows=1),
        pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, text_type),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for name in booleans:
        flags = pc.if_else(pc.equal(table[name], "t"), pa.scalar("1", text_type), pa.scalar("0", text_type))
        table = table.set_column(table.column_names.index(name), name, flags)
    (batch,) = table.combine_chunks().to_batches()
    return batch


def text(value: Any) -> str:
    """One value in its canonical form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        local = value.astimezone(SHANGHAI).replace(tzinfo=None) if value.tzinfo else value
        return local.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        whole = isinstance(value, float) and value.is_integer()
        return format(exact.to_integral_value() if whole else exact, "f") if exact.is_finite() else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return "\\x" + raw.hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def as_text(value: Any) -> str | None:
    """The same, of a value that may be none."""
    return None if value is None else text(value)


def canonical_times(times: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A database's own text of dates and times → the canonical form; zero dates (0000-00-00) are none.

    A zero fraction goes, another gets its six digits; the session's offset (+08) goes.
    """
    plain = times
    if (pc.max(pc.binary_length(times)).as_py() or 0) > _WHOLE_SECOND:
        plain = pc.replace_substring_regex(plain, r"(\.0+)?(\+08(:00)?)?$", "")
        plain = pc.if_else(pc.match_substring_regex(plain, r"\.\d{1,6}$"), pc.utf8_rpad(plain, 26, "0"), plain)
    zero = pc.fill_null(pc.starts_with(plain, "0000-00-00"), False)
    return pc.if_else(zero, pa.scalar(None, pa.large_string()), plain)


def local_times(times: pa.ChunkedArray | pa.Array, zone: str) -> pa.ChunkedArray | pa.Array:
    """Canonical times of a zone → the city's; dates, and what is no time, stay as they are."""
    given = pl.Series(times.to_pylist() if isinstance(times, pa.Array) else times, dtype=pl.String)
    whole = given.str.contains(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?$")
    read = given.set(~whole.fill_null(False), None).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"
    )
    there = read.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    local = there.dt.convert_time_zone(str(SHANGHAI)).dt.replace_time_zone(None)
    fraction = local.dt.microsecond().fill_null(0) > 0
    text = local.dt.strftime("%Y-%m-%d %H:%M:%S").zip_with(~fraction, local.dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))
    return text.zip_with(local.is_not_null(), given).to_arrow().cast(pa.large_string())


class Spool:
    """Rows on their way to files: a new file begins at ``rows`` rows or ``size`` bytes of text, whichever is first."""

    def __init__(self, folder: Path, names: Sequence[str], metadata: dict[str, str], *, rows: int, size: int) -> None:
        self.files: list[tuple[Path, int]] = []
        self.rows = 0
        self._folder = folder
        self._schema = pa.schema([pa.field(name, pa.large_string()) for name in names], metadata)
        self._limits = rows, size
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._path = folder
        self._held = self._bytes = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """A chunk of rows, values in the order of the names."""
        if rows:
            self.write(pa.record_batch([column(values) for values in zip(*rows, strict=True)], schema=self._schema))

    def write(self, batch: pa.RecordBatch) -> None:
        """The same in columns of text."""
        while batch.num_rows:
            part = batch.slice(0, self._limits[0] - self._held)
            batch = batch.slice(part.num_rows)
            if self._writer is None:
                self._path = self._folder / f"{len(self.files):06d}.arrow"
                self._writer = pa.ipc.new_file(self._path, self._schema, options=_ZSTD)
            self._writer.write_batch(part)
            self.rows += part.num_rows
            self._held += part.num_rows
            self._bytes += part.nbytes
            if self._held >= self._limits[0] or self._bytes >= self._limits[1]:
                self.end()

    def end(self) -> None:
        """Close the file at hand."""
        if self._writer is not None:
            self._writer.close()
            self.files.append((self._path, self._held))
            self._writer, self._held, self._bytes = None, 0, 0


def read(body: bytes | Path) -> Iterator[pa.Table]:
    """The chunks of one file, in flat memory; the schema's metadata stands on each.

    :raises ValueError: the file is damaged.
    """
    source = pa.BufferReader(body) if isinstance(body, bytes) else pa.memory_map(str(body))
    with source:
        try:
            with pa.ipc.open_file(source) as file:
                for number in range(file.num_record_batches):
                    batch = file.get_batch(number)
                    batch.validate(full=True)  # offsets that lead out of it would end the process
                    yield pa.Table.from_batches([batch], file.schema)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # this machine's
                raise
            raise ValueError(f"the Arrow file is damaged: {error}") from error
