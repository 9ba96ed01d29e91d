"""Decoded records → the columns of a :class:`~connectors.base.Batch`, all ``large_string``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from connectors.base import Reject
from connectors.limits import Limits

_AT_ONCE = 500  # records whose names are gathered at once
_RAW = 1 << 18  # characters of a rejected record that quarantine keeps
BEYOND = "has a value longer, or names of columns more, than the limits allow"


def bounded(
    records: Sequence[Mapping[str, str | None]], places: Sequence[str], known: Sequence[str], limits: Limits
) -> tuple[pa.Table, list[Reject]]:
    """:func:`table`, and the records that are beyond the limits (:func:`rare`)."""
    beyond = set(rare(records, limits))
    if not beyond:
        return table(records, places, known), []
    rejects = [
        Reject(places[number], "over_limit", f"{places[number]} {BEYOND}", json.dumps(records[number])[:_RAW])
        for number in sorted(beyond)
    ]
    good = [number for number in range(len(records)) if number not in beyond]
    return table([records[number] for number in good], [places[number] for number in good], known), rejects


def rare(records: Sequence[Mapping[str, str | None]], limits: Limits) -> list[int]:
    """Places of the records that are beyond the limits: a value too long, or names that few others have where there
    are more names than may be.
    """
    few = usual_names(records, limits.names)
    return [
        number
        for number, record in enumerate(records)
        if (few is not None and not record.keys() <= few)
        or max(map(len, filter(None, record.values())), default=0) > limits.field
    ]


def usual_names(records: Sequence[Mapping[str, Any]], most: int) -> set[str] | None:
    """Names of columns that may be: as many as the limit, those of the records with few first; None: all of them."""
    names: set[str] = set()
    for start in range(0, len(records), _AT_ONCE):
        names.update(*records[start : start + _AT_ONCE])
        if len(names) > most:
            break
    else:
        return None
    names = set()
    for record in sorted(records, key=len):
        if len(names | record.keys()) <= most:
            names |= record.keys()
    return names


def table(records: Sequence[Mapping[str, str | None]], places: Sequence[str], known: Sequence[str] = ()) -> pa.Table:
    """Columns by name in the order in which they first appear, and ``_place``; what a record lacks is null.

    ``known``: the contract's columns. A name that differs from one of them in case alone gets the contract's case.
    """
    proper = {name.lower(): name for name in known}
    columns: dict[str, Sequence[str | None]] = {}
    first = list(records[0]) if records else []
    names = [proper.get(name.lower(), name) for name in first]
    if len(set(names)) == len(names) and all(list(record) == first for record in records):  # as most records are
        columns = dict(zip(names, zip(*[record.values() for record in records], strict=True), strict=True))
    else:
        columns = _unlike(records, proper)
    arrays = {name: pa.array(values, pa.large_string()) for name, values in columns.items()}
    return pa.table({**arrays, "_place": pa.array(places, pa.large_string())})


def _unlike(records: Sequence[Mapping[str, str | None]], proper: dict[str, str]) -> dict[str, Sequence[str | None]]:
    """Columns of records that have unlike names, or the same in another order."""
    columns: dict[str, list[str | None]] = {}
    for number, record in enumerate(records):
        for name, value in record.items():
            name = proper.get(name.lower(), name)
            if name not in columns:
                columns[name] = [None] * len(records)
            columns[name][number] = value
    return dict(columns)
