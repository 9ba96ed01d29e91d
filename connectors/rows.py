"""Decoded records → the columns of a :class:`~connectors.base.Batch`, all ``large_string``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa


def table(records: Sequence[Mapping[str, str | None]], places: Sequence[str], known: Sequence[str] = ()) -> pa.Table:
    """Columns by name in the order in which they first appear, and ``_place``; what a record lacks is null.

    ``known``: the contract's columns. A name that differs from one of them in case alone gets the contract's case.
    """
    proper = {name.lower(): name for name in known}
    columns: dict[str, list[str | None]] = {}
    for number, record in enumerate(records):
        for name, value in record.items():
            name = proper.get(name.lower(), name)
            if name not in columns:
                columns[name] = [None] * len(records)
            columns[name][number] = value
    arrays = {name: pa.array(values, pa.large_string()) for name, values in columns.items()}
    return pa.table({**arrays, "_place": pa.array(places, pa.large_string())})
