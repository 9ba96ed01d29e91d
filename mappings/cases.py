"""Tests of mappings as files: ``mappings/<source>/tests/<feed>.yaml``: raw rows in, rows and issues out.

::

    feed: m2.sl
    cases:
      - name: 受理
        raw: [{SBLSH_SHORT: "4419", VERSION: "1", SLSJ: 2026/3/1, SLZTDM: "1"}]
        keys: ["4419|1"]                      # optional: the records' keys
        rows:                                 # of each entity; columns that are not named are not compared
          case: [{accept_state: "1", accepted_at: "2026-03-01 00:00:00"}]
        rejects: []                           # code and field of each; left out: none
        issues: [unknown_code SLZTDM]         # left out: none

A value is compared as text: a time as ``yyyy-MM-dd HH:mm:ss``, a number without trailing zeros, null as null.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from core import declared
from mappings import compiler
from mappings.compiler import Mapping

Scalar = str | int | float | bool | datetime | date | None


class Case(BaseModel):
    """One test. See the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    raw: list[dict[str, Scalar]] = Field(min_length=1)
    keys: list[str] | None = None
    rows: dict[str, list[dict[str, Scalar]]] = Field(default_factory=dict)
    rejects: list[str] = Field(default_factory=list, description="`code field` of each")
    issues: list[str] = Field(default_factory=list, description="`code field` of each")


class Cases(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: str
    cases: list[Case] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How a case ended: ``wrong`` is empty where it holds."""

    feed: str
    name: str
    where: str
    wrong: list[str]


def files(folder: Path | None = None) -> list[Path]:
    """Every file of tests, sorted."""
    return sorted((folder or compiler.FOLDER).glob("*/tests/*.yaml"))


def of_feed(feed: str) -> Path | None:
    """The file of a feed's tests, where it has one."""
    source, _, name = feed.partition(".")
    path = compiler.FOLDER / source / "tests" / f"{name}.yaml"
    return path if path.exists() else None


def run(path: Path) -> Iterator[Result]:
    """Run a file. :raises ConfigurationError: the file or its mapping is wrong."""
    document = declared.read(path)
    given = declared.build(document, Cases)
    feed = f"{path.parent.parent.name}.{path.stem}"
    if given.feed != feed:
        raise document.error(("feed",), f"must be {feed}, as the file's name has it")
    mapping = compiler.load(feed)
    for number, case in enumerate(given.cases):
        yield Result(feed, case.name, document.where(("cases", number)), list(_wrong(mapping, case)))


def _wrong(mapping: Mapping, case: Case) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in case.raw for name in row))
    table = pa.table(
        {
            name: pa.array([None if row.get(name) is None else str(row[name]) for row in case.raw], pa.large_string())
            for name in names
        }
    )
    mapped = mapping.apply(table)
    keys = mapped.records["record_key"].to_list()
    if case.keys is not None and keys != case.keys:
        yield f"keys: {keys}, expected {case.keys}"
    for entity, wanted in case.rows.items():
        if entity not in mapped.entities:
            yield f"rows.{entity}: the mapping fills no {entity}"
            continue
        got = mapped.entities[entity].to_dicts()
        if len(got) != len(wanted):
            yield f"rows.{entity}: {len(got)} rows, expected {len(wanted)}"
        for number, (row, want) in enumerate(zip(got, wanted, strict=False)):
            for column, value in want.items():
                if column not in row:
                    yield f"rows.{entity}[{number}].{column}: no such column"
                elif _text(row[column]) != _text(value):
                    yield f"rows.{entity}[{number}].{column}: {_text(row[column])!r}, expected {_text(value)!r}"
    for what, result, expected in (
        ("rejects", [f"{r['code']} {r['field']}" for r in mapped.rejects.to_dicts()], case.rejects),
        ("issues", [f"{issue.code} {issue.field}" for issue in mapped.issues], case.issues),
    ):
        if sorted(result) != sorted(expected):
            yield f"{what}: {sorted(result)}, expected {sorted(expected)}"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, Decimal | float | int):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)
