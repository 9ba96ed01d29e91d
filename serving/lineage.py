"""Where a field comes from: golden row ← provenance ← source record ← mapping version ← receipt ← archived bytes."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from serving.access import Grant, reading
from serving.query.listing import Filter, one, value_of
from serving.sql.views import views
from sources import loader
from store import archive, rawrow, tables
from store.engine import transaction

_STEPS = """
select r.id, r.feed, r.record_key, r.source_time, r.recorded_at, r.mapping_version, r.code_version, r.place, r.tombstoned_at, r.raw,
       (select count(*) from source.record_history h where h.record_id = r.id) as older_versions,
       t.id as receipt_id, t.run_id, t.sha256, t.size, t.media_type, t.request, t.signature, t.finished_at, t.archived_at, t.dropped_at
from source.record r left join landing.receipt t on t.id = r.receipt_id
where r.feed = :feed and r.record_key = :key"""


def lineage(grant: Grant, entity: str, id_: str, field: str | None = None) -> dict[str, Any] | None:
    """For each column (or ``field`` alone): the record that it was taken from, down to the archived bytes.

    ``records`` holds each record once; the row as received is told to who may see such. None: no such row is shown.
    """
    view = views()[entity]
    with reading(grant) as connection:
        row = one(connection, entity, Filter().where("v.id = :id", id=id_))
    if row is None:
        return None
    provenance: dict[str, str] = row["provenance"] or {}
    entity_columns = [c.name for c in tables.entity_columns(entity) if not c.name.endswith("_box")]
    names = (
        [field] if field else [name for name in entity_columns if name in view.by_name and row.get(name) is not None]
    )
    fields = [
        {
            "field": name,
            "zh": view.by_name[name].zh,
            "value": row.get(name),
            "record": None if row.get(name) is None else provenance.get(name, provenance.get("*")),
        }
        for name in names
    ]
    wanted = sorted({f["record"] for f in fields if f["record"]})
    records = [told for source in wanted if (told := _record(source, grant.raw))]
    return {"entity": entity, "id": id_, "fields": fields, "records": records}


def _record(source: str, raw: bool) -> dict[str, Any] | None:
    feed, _, key = source.partition("|")
    with transaction() as connection:
        found = connection.execute(sa.text(_STEPS), {"feed": feed, "key": key}).first()
    if found is None:
        return None
    told = {name: value_of("text", value) for name, value in found._mapping.items() if name not in ("raw", "id")}
    told["record"] = source
    told["mapping"] = f"mappings/{loader.feed(feed).mapping}.yaml"
    told["archived"] = bool(found.sha256) and found.dropped_at is None and archive.exists(found.sha256)
    if raw:
        told["raw"] = json.loads(rawrow.text(found.raw))
    return told


def receipt(number: int) -> dict[str, Any] | None:
    """A receipt: every column of it but the connector's own facts, and ``kept``, whether its bytes still are; None: there is none."""
    with transaction() as connection:
        found = connection.execute(
            sa.text(
                """select id, run_id, source, feed, request, sha256, size, media_type, started_at, finished_at, signature, archived_at, dropped_at
                   from landing.receipt where id = :id"""
            ),
            {"id": number},
        ).first()
    if found is None:
        return None
    return {**found._mapping, "kept": found.dropped_at is None and archive.exists(found.sha256)}


def to_save(receipt: dict[str, Any]) -> dict[str, str]:
    """Headers under which a receipt's bytes leave: whatever the source called them, a browser is to save them, never to run them."""
    return {
        "Content-Disposition": f'attachment; filename="{receipt["sha256"]}"',
        "X-Content-Type-Options": "nosniff",
        "X-Media-Type": receipt["media_type"],
        "ETag": f'"{receipt["sha256"]}"',
    }
