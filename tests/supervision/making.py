"""Small stores made by hand: rows put into ``store.*`` as the fold would leave them."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from shapely import to_wkb
from shapely.geometry import box

from core.codes import project_code_check
from sources import loader
from store import tables
from store.engine import transaction
from supervision.ledger import on_day

OWNER = "91441900MA0000015D"
FEEDS = [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]


def project_code(number: int) -> str:
    """A project code with the right check digit."""
    body = f"2601-441900-04-01-{number:05d}"
    return body + project_code_check(body)


P = project_code(1)
#: A small catalogue, in the order of the process: DG-1 → DG-2 → DG-604 → DG-707.
HOUSING, LAND = "11441900000100060T", "114419000001000445"


def at(text: str | datetime | None) -> datetime | None:
    """A stamp: ``2026-03-02`` a date alone, ``2026-03-02 09:00`` with a time."""
    return datetime.fromisoformat(text) if isinstance(text, str) else text


def put(entity: str, id_: str, **values: Any) -> None:
    """One golden row; a row of the same id is replaced."""
    table = tables.golden[entity]
    values = {
        name: json.loads(json.dumps(v)) if isinstance(v, list | dict) and name != "channels" else v
        for name, v in values.items()
    }
    content = hashlib.sha256(repr(sorted((k, repr(v)) for k, v in values.items())).encode()).digest()
    with transaction() as connection:
        connection.execute(sa.delete(table).where(table.c.id == id_))
        connection.execute(
            sa.insert(table).values(id=id_, content_hash=content, provenance={"*": f"test.feed|{id_}"}, **values)
        )
        connection.execute(
            sa.insert(tables.metadata.tables["store.change"]).values(entity=entity, entity_id=id_, op="MOD")
        )


def gone(entity: str, id_: str) -> None:
    """No source holds it any more."""
    table = tables.golden[entity]
    with transaction() as connection:
        connection.execute(sa.update(table).where(table.c.id == id_).values(gone_at=sa.func.now()))
        connection.execute(
            sa.insert(tables.metadata.tables["store.change"]).values(entity=entity, entity_id=id_, op="DEL")
        )


def item(
    code: str,
    *,
    stage: int = 6,
    promised: int | None = 5,
    statutory: int | None = 20,
    channel: str = "M2",
    needs: tuple[str, ...] = (),
    version: int = 1,
    **more: Any,
) -> None:
    """A version of an item, in force since 2020 unless said."""
    values: dict[str, Any] = {
        "item_code": code,
        "version": version,
        "item_name": f"事项{code}",
        "kind": "政务服务事项",
        "stage": stage,
        "department": "东莞市住房和城乡建设局",
        "department_code": HOUSING,
        "departments": "东莞市住房和城乡建设局",
        "case_channel": channel,
        "promised_limit": promised,
        "promised_unit": "工作日",
        "statutory_limit": statutory,
        "statutory_unit": "工作日",
        "project_type": "2",
        "prerequisites": list(needs),
        "soft_prerequisites": [],
        "process_types": [],
        "multiple": False,
        "valid_from": date(2020, 1, 1),
    }
    put("item", f"{code}|{version}", **{**values, **more})


def project(code: str = P, **more: Any) -> None:
    """A project filed on 2026-01-05, with nothing planned."""
    values = {
        "project_code": code,
        "project_name": f"项目{code[-6:]}",
        "process_type": "3",
        "filing_type": "备案",
        "applicant_uscc": OWNER,
        "validity": "有效",
        "submitted_at": at("2026-01-05 09:00"),
        "filing_state": "办结（通过）",
        "town_code": "441900004",
        "fast_track": False,
        "conditions": [],
        "planned_items": [],
    }
    put("project", code, **{**values, **more})


def case(
    no: str,
    item_code: str | None = "DG-604",
    events: dict[str, str] | list[tuple] = (),
    *,
    channel: str = "M2",
    project: str | None = P,
    channels: list[str] | None = None,
    **more: Any,
) -> str:
    """A case with its events: ``{"ACCEPTED": "2026-03-02 09:00", …}`` or (event, at, {columns}) tuples."""
    id_ = f"{channel}:{no}"
    values = {
        "channel": channel,
        "channels": channels or [channel],
        "case_no": no,
        "project_code": project,
        "project_code_written": project,
        "project_link": "written" if project else None,
        "item_code": item_code,
        "item_code_written": item_code,
        "item_name": f"事项{item_code}",
        "applicant_type": "2",
        "applicant_id": OWNER,
        "project_name": f"项目{(project or P)[-6:]}",
    }
    put("case", id_, **{**values, **more})
    listed = [(name, when, {}) for name, when in events.items()] if isinstance(events, dict) else events
    for place, (name, when, extra) in enumerate(listed):
        series = {
            "SUBMITTED": "SB",
            "ACCEPTED": "SL",
            "REJECTED_INTAKE": "SL",
            "HANDLING": "SPCL",
            "CONSULTED": "SPCL",
            "SUPPLEMENT_START": "BZGZ",
            "SPECIAL_START": "TBCXSQ",
            "SPECIAL_END": "TBCXJG",
        }.get(name, "BJ")
        version = (
            {"series": series, "series_key": f"{no}|{place}", "version": 1} if channel == "M2" else {"series": "LOG"}
        )
        row = {
            "channel": channel,
            "case_no": no,
            "case_id": id_,
            "event": name,
            "at": at(when),
            "inserted_at": at(when),
            **version,
            **extra,
        }
        row["inserted_at"], row["until"] = at(row["inserted_at"]), at(row.get("until"))
        put("case_event", f"{id_}|{place}", **row)
    return id_


def licence(
    number: str, item_code: str = "DG-604", issued: str = "2026-03-20", *, project: str | None = P, **more: Any
) -> None:
    """A licence of the directory."""
    put(
        "licence",
        f"L{number}",
        **{
            "channel": "P1",
            "kind": "licence",
            "number": number,
            "issued_at": at(issued),
            "state": "有效",
            "project_code": project,
            "item_code": item_code,
            **more,
        },
    )


def redline(code: str, project: str, west: float, south: float, east: float, north: float) -> None:
    """A red line, as a box in degrees."""
    shape = box(west, south, east, north)
    put(
        "redline",
        code,
        redline_code=code,
        project_code=project,
        geom=to_wkb(shape),
        geom_box=f"({east},{north}),({west},{south})",
    )


def polygon(code: str, kind: str, seen_after: str | None, west: float, south: float, east: float, north: float) -> None:
    """A change polygon, as a box in degrees."""
    shape = box(west, south, east, north)
    put(
        "change_polygon",
        code,
        polygon_code=code,
        change_type=kind,
        seen_after=seen_after and date.fromisoformat(seen_after),
        geom=to_wkb(shape),
        geom_box=f"({east},{north}),({west},{south})",
    )


def scene(code: str, taken: str, west: float, south: float, east: float, north: float) -> None:
    """An image over a box."""
    put(
        "scene",
        code,
        collection="satellite",
        scene_id=code,
        taken_at=at(taken),
        geom=to_wkb(box(west, south, east, north)),
        geom_box=f"({east},{north}),({west},{south})",
    )


def complete(*feeds: str, until: str = "2027-12-31", since: str = "2020-01-01", read: str | None = None) -> None:
    """Feeds delivered in full over a span; without names, all of them. ``read``: when it was read last."""
    with transaction() as connection:
        for feed in feeds or FEEDS:
            connection.execute(
                sa.text(
                    """insert into landing.completed (feed, intervals, read_at)
                       values (:feed, tsmultirange(tsrange(cast(:a as timestamp), cast(:b as timestamp))), cast(:read as timestamp))
                       on conflict (feed) do update set intervals = excluded.intervals, read_at = excluded.read_at"""
                ),
                {"feed": feed, "a": since, "b": until, "read": read},
            )


def filed(code: str = P, on: str = "2026-01-06 09:00") -> None:
    """The project's filing is done."""
    case(f"F{code}", "DG-401", {"SUBMITTED": "2026-01-05 09:00", "DONE_OK": on}, channel="P1", project=code)


def catalogue() -> None:
    """DG-401 備案, then DG-502 → DG-604 → DG-707, all of M2 but the filing."""
    item("DG-401", stage=4, channel="P1", promised=3)
    for code, stage, promised, needs in (
        ("DG-502", 5, 7, ()),
        ("DG-604", 6, 3, ("DG-502",)),
        ("DG-707", 7, 12, ("DG-604",)),
        ("DG-N-803", 8, 5, ("DG-707",)),
    ):
        item(code, stage=stage, promised=promised, needs=needs, process_types=["3"])


def found(on: str, rule: str | None = None, waiting: bool = False) -> set[tuple]:
    """(rule, item, case) of what is judged, or of what waits, as of a day."""
    rows = on_day(date.fromisoformat(on)).findings
    rows = rows.filter((pl.col("waits_for").list.len() > 0) == waiting)
    return {row[:3] for row in rows.select("rule", "item_code", "case_no").iter_rows() if rule in (None, row[0])}
