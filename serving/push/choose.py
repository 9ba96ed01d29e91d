"""What a receiver is to have: rows of a view that its filter chooses, in its own columns and codes, a frame at a time."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError
from mappings.times import directives
from schemas import codes
from serving.sql.views import View, views
from sinks.declaration import Cell, Condition, Output, Sink

#: views that a row may be joined with → the column that leads to it, and the other's key
PARENTS = {"case": ("case_id", "id"), "project": ("project_code", "id")}
_SPACE = uuid.UUID("6f6e656d-6170-4875-b062-7075736870db")  # of row ids: the same row has the same for ever
_PART = 20_000  # rows that are in memory at a time
_TEXT = {"date": "yyyy-MM-dd", "timestamp": "yyyy-MM-dd HH:mm:ss", "instant": "yyyy-MM-dd HH:mm:ss"}


@dataclass(frozen=True, slots=True)
class Period:
    """A span of days, ``until`` exclusive, and what it is called: 2026-10, 2026-11-26."""

    name: str
    begin: date
    until: date


def period_of(kind: str, today: date) -> Period:
    """The last full month or day before ``today``."""
    if kind == "day":
        day = today - timedelta(days=1)
        return Period(f"{day}", day, today)
    until = today.replace(day=1)
    begin = (until - timedelta(days=1)).replace(day=1)
    return Period(f"{begin:%Y-%m}", begin, until)


def period_named(kind: str, name: str) -> Period:
    """A period by its name. :raises ConfigurationError: it is none."""
    try:
        begin = date.fromisoformat(name if kind == "day" else f"{name}-01")
    except ValueError:
        raise ConfigurationError(
            f"{name!r} is no {kind}", remedy="2026-10, or a day 2026-10-01", zh=f"{name} 不是有效的期间。"
        ) from None
    return Period(
        name, begin, begin + timedelta(days=1) if kind == "day" else (begin + timedelta(days=32)).replace(day=1)
    )


def check(output: Output) -> list[str]:
    """What of the output names something that its view does not have."""
    view = views().get(output.entity)
    if view is None or output.entity == "change":
        return [f"no entity {output.entity!r}; there are {', '.join(v for v in views() if v != 'change')}"]
    wanted = set(output.where.columns()) if output.where else set()
    for cell in output.cells.values():
        wanted.update(cell.columns())
    found = []
    for name in sorted(wanted):
        parent, dot, column = name.rpartition(".")
        if not dot:
            ok = name in view.by_name
        else:
            ok = parent in PARENTS and PARENTS[parent][0] in view.by_name and column in views()[parent].by_name
        if not ok:
            found.append(f"{output.entity} has no column {name!r}")
    return found


def watched(output: Output) -> list[str]:
    """Entities of the change feed whose changes may change these rows."""
    entities = {output.entity, *(parent for parent in PARENTS if _joined(output, parent))}
    if "case" in entities:
        entities.add("clock")
    if "project" in entities:
        entities |= {"project_stage", "finding", "clock"}
    return sorted(entities)


def _joined(output: Output, parent: str) -> bool:
    return any(name.startswith(f"{parent}.") for name in _columns(output))


def _columns(output: Output) -> list[str]:
    found: dict[str, None] = {}
    for cell in output.cells.values():
        found |= dict.fromkeys(cell.columns())
    return list(found | dict.fromkeys(sorted(output.where.columns()) if output.where else []))


def chosen(
    connection: Connection,
    sink: Sink,
    output: Output,
    *,
    changed: dict[str, list[str]] | None = None,
    keys: list[str] | None = None,
    period: Period | None = None,
    limit: int | None = None,
) -> Iterator[pl.DataFrame]:
    """Rows that the filter chooses, a part at a time: ``key``, ``cells`` (JSON, without the hub's own), ``reasons`` (JSON list; null:
    may be sent).

    :param changed: entity → ids that changed: only rows that these may have changed, and those of ``keys``. None: all.
    :raises ConfigurationError: the declaration names a column that the view does not have.
    """
    if faults := check(output):
        raise ConfigurationError(
            f"sinks/{sink.sink}.yaml: {output.id}: {'; '.join(faults)}",
            remedy="columns stand in docs/data-dictionary.md",
            zh=f"推送声明 {output.id} 有误：{'；'.join(faults)}。可用的列见 docs/data-dictionary.md。",
        )
    view = views()[output.entity]
    names = _columns(output)
    values: dict[str, Any] = {}
    conditions = []
    if output.where:
        conditions.append(_condition(output.where, view, values, period))
    if changed is not None:
        conditions.append(_touched(view, output, changed, keys or [], values))
    joins = " ".join(
        f'left join asked."{parent}" "{parent}" on "{parent}"."{theirs}" = v."{ours}"'
        for parent, (ours, theirs) in PARENTS.items()
        if _joined(output, parent)
    )
    selected = ", ".join([f"{view.feed_id} as key", *(f"{_sql(view, name)} as c{n}" for n, name in enumerate(names))])
    statement = (
        f'select {selected} from asked."{view.name}" v {joins} where {" and ".join(conditions) or "true"} order by 1'
        + (" limit :limit_" if limit else "")
    )
    if limit:
        values["limit_"] = limit
    schema = {"key": pl.String, **{f"={name}": pl.String for name in names}}
    streamed = connection.execution_options(stream_results=True, yield_per=_PART)
    for rows in streamed.execute(sa.text(statement), values).partitions(_PART):
        yield _cells(pl.DataFrame(rows, schema=schema, orient="row"), output)


def touched(connection: Connection, output: Output, changed: dict[str, list[str]], keys: list[str]) -> list[str]:
    """Keys of the rows that these changes may have changed, whether or not the filter chooses them, those that went too."""
    view = views()[output.entity]
    values: dict[str, Any] = {}
    condition = _touched(view, output, changed, keys, values)
    rows = connection.execute(sa.text(f'select {view.feed_id} from asked."{view.name}" v where {condition}'), values)
    return sorted({*rows.scalars(), *values["own"]})


def _type(view: View, name: str) -> str:
    parent, dot, column = name.rpartition(".")
    return (views()[parent] if dot else view).by_name[column].type


def _ref(name: str) -> str:
    parent, dot, column = name.rpartition(".")
    return f'"{parent}"."{column}"' if dot else f'v."{column}"'


def _sql(view: View, name: str) -> str:
    """A column as text: times in ISO form of local time, lists joined, shapes as hexadecimal WKB."""
    kind, ref = _type(view, name), _ref(name)
    if kind == "timestamp":
        return f"to_char({ref}, 'YYYY-MM-DD HH24:MI:SS')"
    if kind == "instant":
        return f"to_char({ref} at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS')"
    if kind == "texts":
        return f"array_to_string({ref}, '|')"
    if kind == "decimal":
        return f"trim_scale({ref})::text"
    return f"encode({ref}, 'hex')" if kind == "geometry" else f"{ref}::text"


def _condition(test: Condition, view: View, values: dict[str, Any], period: Period | None) -> str:
    """A test as SQL; what is not known is not so."""
    if test.all_ is not None:
        return "(" + " and ".join(_condition(one, view, values, period) for one in test.all_) + ")"
    if test.any_ is not None:
        return "(" + (" or ".join(_condition(one, view, values, period) for one in test.any_) or "false") + ")"
    if test.not_ is not None:
        return f"not {_condition(test.not_, view, values, period)}"
    assert test.from_ is not None
    ref, kind = _ref(test.from_), _type(view, test.from_)
    n = f"w{len(values)}"
    if test.present is not None:
        return f"({ref} is not null) is {'true' if test.present else 'false'}"
    if test.during is not None:
        if period is None:
            raise ConfigurationError("during: period without a period", remedy="mode: whole", zh="缺少期间。")
        values[n], values[f"{n}u"] = period.begin, period.until
        return f"coalesce({ref} >= :{n} and {ref} < :{n}u, false)"
    if test.contains is not None:
        values[n] = test.contains
        return (
            f"coalesce(:{n} = any({ref}), false)"
            if kind == "texts"
            else f"coalesce(strpos({ref}::text, :{n}) > 0, false)"
        )
    wanted = test.one_of if test.one_of is not None else [test.equals]
    values[n] = [str(one).lower() if isinstance(one, bool) else str(one) for one in wanted]
    return f"coalesce({ref}::text = any(cast(:{n} as text[])), false)"


def _touched(view: View, output: Output, changed: dict[str, list[str]], keys: list[str], values: dict[str, Any]) -> str:
    own = [*changed.get(output.entity, []), *keys]
    if output.entity == "case":
        own += changed.get("clock", [])
    values["own"] = own
    parts = [f"{view.feed_id} = any(cast(:own as text[]))"]
    if output.entity == "project":
        values["of"] = [id_.partition(":")[0] for id_ in changed.get("project_stage", [])]
        values["found"], values["clocked"] = changed.get("finding", []), changed.get("clock", [])
        parts += [
            "v.id = any(cast(:of as text[]))",
            "v.id in (select f.project_code from asked.finding f where f.id = any(cast(:found as text[])))",
            'v.id in (select c.project_code from asked."case" c where c.id = any(cast(:clocked as text[])))',
        ]
    for parent, (ours, _) in PARENTS.items():
        if _joined(output, parent):
            values[f"of_{parent}"] = [*changed.get(parent, []), *(changed.get("clock", []) if parent == "case" else [])]
            parts.append(f'v."{ours}" = any(cast(:of_{parent} as text[]))')
    return "(" + " or ".join(parts) + ")"


# -- in the receiver's words ---------------------------------------------------------------------------------------------


def _cells(frame: pl.DataFrame, output: Output) -> pl.DataFrame:
    view = views()[output.entity]
    columns: list[pl.Series] = []
    faults: list[pl.Series] = []
    for name, cell in output.cells.items():
        if cell.hub:
            continue
        value, wrong = _value(frame, view, name, cell)
        columns.append(value.alias(name))
        faults += wrong
    cells = frame.select("key").with_columns(columns) if columns else frame.select("key")
    texts = cells.select(
        "key", pl.struct(pl.exclude("key")).map_elements(_canonical, return_dtype=pl.String).alias("cells")
    )
    reasons = pl.select(pl.concat_list(faults).list.drop_nulls()).to_series() if faults else None
    if reasons is None or frame.is_empty():
        return texts.with_columns(pl.lit(None, pl.String).alias("reasons"))
    series = pl.Series(
        [json.dumps([_reason(r) for r in row], ensure_ascii=False) if len(row) else None for row in reasons],
        dtype=pl.String,
    )
    return texts.with_columns(series.alias("reasons"))


def _canonical(cells: dict[str, str | None]) -> str:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"))


def _reason(text: str) -> dict[str, str]:
    code, field, detail = text.split("\x1f")
    return {"code": code, "field": field, "detail": detail}


def _value(frame: pl.DataFrame, view: View, name: str, cell: Cell) -> tuple[pl.Series, list[pl.Series]]:
    """A column of the receiver's and what is wrong with it, a text a row or null."""
    height, wrong = frame.height, []
    parts = [_formatted(frame[f"={column}"], _type(view, column), cell.format) for column in cell.columns()]
    if cell.const is not None:
        value = pl.Series([cell.const], dtype=pl.String).new_from_index(0, height)
    elif cell.concat:
        value = pl.select(
            pl.concat_str(parts, separator=cell.separator, ignore_nulls=True).replace("", None)
        ).to_series()
    else:
        value = pl.select(pl.coalesce(parts)).to_series()
    table = codes_of(cell)
    if table is not None:
        coded = value.replace_strict(list(table), list(table.values()), default=None, return_dtype=pl.String)
        if cell.default is None:
            unknown = value.is_not_null() & ~value.is_in(list(table))
            wrong.append(_faulty(unknown, "unknown_code", name, value))
        value = coded
    if cell.default is not None:
        value = value.fill_null(cell.default)
    if cell.required:
        wrong.append(_faulty(value.is_null(), "missing_value", name, None))
    if cell.length:
        wrong.append(
            _faulty(value.str.len_chars() > cell.length, "too_long", name, value.str.len_chars().cast(pl.String))
        )
    return value, wrong


def codes_of(cell: Cell) -> dict[str, str | None] | None:
    """Our value → the receiver's, where the column has codes. A raw list is turned round: its first code of each value."""
    if cell.map_ is not None:
        return cell.map_
    if cell.codes is None:
        return None
    known = codes.load(cell.codes)
    if not known.of:
        return {code: code for code in known.codes}
    turned: dict[str, str | None] = {}
    for code, entry in known.codes.items():
        if entry.to is not None:
            turned.setdefault(entry.to, code)
    return turned


def _formatted(text: pl.Series, kind: str, form: str | None) -> pl.Series:
    if form is None or kind not in _TEXT:
        return text
    times = text.str.to_datetime(directives(_TEXT[kind]), strict=False)
    return times.dt.strftime(directives(form))


def _faulty(where: pl.Series, code: str, field: str, detail: pl.Series | None) -> pl.Series:
    prefix = pl.lit(f"{code}\x1f{field}\x1f")
    reason = pl.concat_str(prefix, detail.fill_null("")) if detail is not None else prefix
    return pl.select(pl.when(where.fill_null(False)).then(reason).otherwise(None)).to_series()


def row_id(output: Output, key: str) -> str:
    """The row's id at the receiver: 32 hexadecimal digits, the same whenever and by whichever hub it is sent."""
    return uuid.uuid5(_SPACE, f"{output.id}|{key}").hex


_BRACES = re.compile(r"\{(\w+)\}")


def filled(template: str, values: dict[str, Any]) -> str:
    """Names in braces filled in; an unknown one stays. No other part of a template means anything."""
    return _BRACES.sub(lambda m: str(values.get(m[1], m[0]) or ""), template)
