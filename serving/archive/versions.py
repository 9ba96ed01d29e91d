"""The source records of a project as the hub knew them at an instant, mapped to the common model's rows.

A version counts from when it became current until another did. What was proven absent or said to be gone by then is left
out. A version that lost its place and came back counts from its return.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mappings import compiler
from schemas import entities
from sources import loader
from store import fold, rawrow, tables


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a source's record, and the receipt that it came by."""

    record_id: int
    feed: str
    record_key: str
    raw: str
    current: bool
    source_time: datetime | None
    recorded_at: datetime
    place: str | None
    mapping_version: int
    receipt_id: int | None
    received_at: datetime | None
    sha256: str | None
    signature: str | None
    request: dict[str, Any] | None
    size: int | None


#: records behind the golden rows: those that stand now, and those that rows which are gone name as their source
_RECORDS = f"""
with golden as (
    select unnest(cast(:entities as text[])) as entity, unnest(cast(:ids as text[])) as id
),
told as (  -- of rows that are kept every one, the id names the record
    select {fold.record_of("x")} as ref from store.case_event x where case_id = any(:cases) and gone_at is null
    union
    select {fold.record_of("x")} from store.special_procedure x where case_id = any(:cases) and gone_at is null
    union
    select {fold.record_of("x")} from store.material x where case_id = any(:cases) and gone_at is null
    union
    select p.value as ref from store."case" x, jsonb_each_text(x.provenance) p where x.gone_at is not null and x.project_code = :code and :whole
    union
    select p.value from store.licence x, jsonb_each_text(x.provenance) p where x.gone_at is not null and x.project_code = :code and :whole
    union
    select {fold.record_of("x")} from store.case_event x where x.gone_at is not null
        and (x.case_id = any(:cases) or (:whole and x.case_id in (select g.id from store."case" g where g.gone_at is not null and g.project_code = :code)))
)
select m.record_id from golden g join store.member m on m.entity = g.entity and m.id = g.id
union
select r.id from told join source.record r on r.feed = split_part(told.ref, '|', 1) and r.record_key = substr(told.ref, strpos(told.ref, '|') + 1)"""

_VERSIONS = """
with chosen as (
    select r.id as record_id, r.feed, r.record_key, r.raw, true as current, r.source_time, r.recorded_at, r.place, r.mapping_version, r.receipt_id
    from source.record r
    where r.id = any(:records) and (cast(:at as timestamptz) is null or r.recorded_at <= :at)
      and (r.tombstoned_at is null or (r.tombstone <> 'said' and r.tombstoned_at > :at))
    union all
    select h.record_id, r.feed, r.record_key, h.raw, false, h.source_time, h.recorded_at, h.place, h.mapping_version, h.receipt_id
    from source.record_history h join source.record r on r.id = h.record_id
    where h.record_id = any(:records) and h.recorded_at <= :at and h.superseded_at > :at and not h.said_gone
)
select c.record_id, c.feed, c.record_key, c.raw, c.current, c.source_time, c.recorded_at, c.place, c.mapping_version, c.receipt_id,
       t.finished_at as received_at, t.sha256, t.signature, t.request, t.size
from chosen c left join landing.receipt t on t.id = c.receipt_id
where not exists (select from source.absence a where a.record_id = c.record_id and a.gone_at <= :at and (a.back_at is null or a.back_at > :at))
order by c.feed, c.record_key"""


def behind(
    connection: Connection,
    code: str,
    golden: Iterable[tuple[str, str]],
    cases: list[str],
    *,
    whole: bool,
    at: datetime | None,
) -> list[Version]:
    """Versions of the records that speak of a project.

    :param golden: (entity, id) of the golden rows that may be seen, without events, procedures and materials.
    :param whole: rows that are gone may be looked behind, too: nothing restricts who asks.
    :param at: the instant with its zone; None: now.
    """
    golden = list(golden)
    values = {
        "entities": [e for e, _ in golden],
        "ids": [i for _, i in golden],
        "cases": cases,
        "code": code,
        "whole": whole,
    }
    records = list(connection.execute(sa.text(_RECORDS), values).scalars())
    found = connection.execute(sa.text(_VERSIONS), {"records": records, "at": at})
    return [Version(**{**row._mapping, "raw": rawrow.text(row.raw)}) for row in found]


def rows(connection: Connection, versions: list[Version]) -> dict[str, list[dict[str, Any]]]:
    """Entity → rows with ``record_id``: those that are current as stored, older ones mapped anew from what was kept of them."""
    found: dict[str, list[dict[str, Any]]] = {}
    current = [v.record_id for v in versions if v.current]
    for entity, table in tables.source_entity.items():
        names = ["record_id", "ord", *entities.load(entity).columns]
        stored = connection.execute(
            sa.select(*(table.c[name] for name in names))
            .where(table.c.record_id.in_(sa.bindparam("ids", expanding=True)))
            .order_by(table.c.record_id, table.c.ord),
            {"ids": current},
        )
        found[entity] = [dict(row) for row in stored.mappings()]
    stored_ids = {row["record_id"] for listed in found.values() for row in listed}
    missing: dict[str, list[Version]] = {}
    for version in versions:
        if not version.current or version.record_id not in stored_ids:  # superseded, or gone since
            missing.setdefault(version.feed, []).append(version)
    for feed, old in missing.items():
        for entity, mapped in _mapped(feed, old).items():
            found[entity] += mapped
    return found


def _mapped(feed: str, versions: list[Version]) -> dict[str, list[dict[str, Any]]]:
    mapping = compiler.load(loader.feed(feed).mapping.replace("/", "."))
    columns: dict[str, list[str | None]] = {}
    for index, version in enumerate(versions):
        for name, value in json.loads(version.raw).items():
            if value is not None:
                columns.setdefault(name, [None] * len(versions))[index] = (
                    value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                )
    places = pa.array([str(n) for n in range(len(versions))], pa.large_string())
    mapped = mapping.apply(
        pa.table({**{n: pa.array(v, pa.large_string()) for n, v in columns.items()}, "_place": places})
    )
    found = {}
    for entity, frame in mapped.entities.items():
        ids = pl.Series("record_id", [v.record_id for v in versions])
        numbered = frame.with_columns(ids.gather(frame["_row"])).drop("_row")
        found[entity] = [_read(entity, row) for row in numbered.to_dicts()]
    return found


def _read(entity: str, row: dict[str, Any]) -> dict[str, Any]:
    """JSON columns as the store gives them."""
    kinds = entities.load(entity).columns
    return {
        name: json.loads(value) if name in kinds and kinds[name].type == "json" and isinstance(value, str) else value
        for name, value in row.items()
    }
