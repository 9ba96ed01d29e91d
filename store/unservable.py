"""Values of golden rows that no answer can hold, reported as issues of the feed that they come from.

The gate before COPY (:mod:`store.values`) lets none of them in. One that came another way (an earlier version, a hand in
the database) is left out of answers, pages and files (:mod:`store.engine`, ``serving/query/space.py``), its row and its
neighbours stand; here it is said, so that nothing is left out in silence.
"""

from __future__ import annotations

from typing import Any

import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.shapes import is_drawable
from store import fold, issues, tables

CODE = "value_not_servable"


def report(connection: Connection, since: int) -> int:
    """Look at the golden rows that changed after change ``since``; returns how many values no answer can hold."""
    connection.exec_driver_sql(
        "create temp table unservable (feed text, record text, field text, detail text) on commit drop"
    )
    for entity, table in tables.golden.items():
        faults = {column.name: fault for column in table.columns if (fault := _condition(column)) is not None}
        if faults:
            connection.execute(sa.text(f"insert into unservable {_found(entity, faults, since)}"), {"since": since})
        if "geom" in table.columns:
            _tell_shapes(connection, entity, since)
    for field in connection.exec_driver_sql("select distinct field from unservable").scalars().all():
        connection.execute(
            sa.text("create temp table unservable_of on commit drop as select * from unservable where field = :field"),
            {"field": field},
        )
        issues.add(connection, CODE, field, "unservable_of", severity="error")
        connection.exec_driver_sql("drop table unservable_of")
    count = connection.exec_driver_sql("select count(*) from unservable").scalar_one()
    connection.exec_driver_sql("drop table unservable")
    return count


def _condition(column: sa.Column[Any]) -> str | None:
    """SQL that holds where Python has no value for the column's."""
    name = f'g."{column.name}"'
    if isinstance(column.type, sa.Date | sa.DateTime):
        return f"(not isfinite({name}) or {name} < '0001-01-01' or {name} >= '10000-01-01')"
    if isinstance(column.type, sa.Numeric) and not isinstance(column.type, sa.Float):
        return f"{name} in ('NaN', 'Infinity', '-Infinity')"
    return None


def _rows(entity: str, since: int) -> str:
    """SQL of the golden rows ``g`` that changed after ``since``, found by the feed of changes; negative: all."""
    golden = f'store."{entity}" g'
    if since < 0:
        return golden
    changed = f"select distinct entity_id from store.changes_between(:since, null) where entity = '{entity}'"
    return f"({changed}) c join {golden} on g.id = c.entity_id"


def _found(entity: str, faults: dict[str, str], since: int) -> str:
    """``faults``: column → SQL that holds where its value is none."""
    values = ", ".join(f"""('{name}', {fault}, g."{name}"::text)""" for name, fault in faults.items())
    own = "g.id, " if entity in fold.KEPT else ""
    return f"""select split_part(coalesce(g.provenance ->> f.name, g.provenance ->> '*',
                                          (select min(value) from jsonb_each_text(g.provenance)), {own}'store'), '|', 1),
                      g.id, f.name, '{entity}.' || f.name || ': ' || left(f.value, 100)
               from {_rows(entity, since)} cross join lateral (values {values}) f(name, bad, value)
               where g.gone_at is null and ({" or ".join(faults.values())}) and f.bad"""


def _tell_shapes(connection: Connection, entity: str, since: int) -> None:
    rows = connection.execute(
        sa.text(f"select g.id, g.geom from {_rows(entity, since)} where g.gone_at is null and g.geom is not null"),
        {"since": since},
    ).all()
    if not rows:
        return
    drawable = is_drawable(shapely.from_wkb([bytes(row.geom) for row in rows], on_invalid="ignore"))
    bad = [row.id for row, drawn in zip(rows, drawable, strict=True) if not drawn]
    if bad:
        connection.execute(
            sa.text(f"insert into unservable {_found(entity, {'geom': 'g.id = any(:bad)'}, -1)}"), {"bad": bad}
        )
