"""Rows of a database as an Arrow file: one that is damaged is told, and ends nothing."""

from __future__ import annotations

import io
import random
from contextlib import suppress

import pyarrow as pa
import pytest

from connectors.decoders import arrow_text


def file() -> bytes:
    out = io.BytesIO()
    table = pa.table({"编号": pa.array(["甲" * n for n in range(40)], pa.large_string())})
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def test_offsets_that_lead_out_of_the_file_are_no_rows():
    """Read without being judged, they end the process."""
    body = file()
    place = body.index((3).to_bytes(8, "little") + (9).to_bytes(8, "little"))
    damaged = body[: place + 8] + (1 << 40).to_bytes(8, "little") + body[place + 16 :]
    with pytest.raises(ValueError, match="damaged"):
        list(arrow_text.read(damaged))


def test_whatever_is_damaged_is_a_value_error():
    random_, body = random.Random(7), file()
    for _ in range(400):
        damaged = bytearray(body)
        place = random_.randrange(len(body))
        damaged[place : place + 8] = random_.choice([b"\xff" * 8, b"\0" * 8, b"", random_.randbytes(8)])
        with suppress(ValueError):
            for table in arrow_text.read(bytes(damaged)):
                table.num_rows  # noqa: B018
    assert list(arrow_text.read(body))[0].num_rows == 40
