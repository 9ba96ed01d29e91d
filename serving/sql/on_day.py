"""时间机器 The store as of a past day (business time, ``as_of``): the views of schema ``asked`` once more in schema ``on_day``.

Rows that begin later are not there, and what a row says of a later day is empty; clocks, stages, positions, findings and work orders
are those that :mod:`serving.on_day` judged of the day. Nothing else is undone: the day is shown by what is known now.
"""

from __future__ import annotations

from serving.sql import past
from serving.sql.views import views
from store import tables

DAY = "(current_setting('onemap.as_of'))::date"
_JUDGED = "(current_setting('onemap.day_id'))::bigint"
#: entity → when a row of it begins to be; what has no time of its own is there throughout
_BEGINS = {
    "project": f"""least(g.submitted_at, g.filing_date, (select min(coalesce(k.received_at, k.accepted_at)) from serving.day_clock k
               where k.day_id = {_JUDGED} and k.project_code = g.id))""",
    "case_event": "g.at",
    "special_procedure": "g.started_at",
    "material": "g.inserted_at",
    "licence": "g.issued_at",
    "land_approval": "g.approved_at",
    "enterprise": "g.reg_date",
    "item": "g.valid_from",
    "national_task": "g.valid_from",
    "redline": "g.updated_at",
    "parcel": "g.updated_at",
    "change_polygon": "g.seen_after",
    "scene": "g.taken_at",
    "site_reading": "g.read_at",
}
#: entity → column that dates them → columns that are empty before that day
_FOLLOWS: dict[str, dict[str, tuple[str, ...]]] = {
    "project": {"finished_at": ("finished_at",), "filing_date": ("filing_date",)},
    "case": {
        "accepted_at": ("accepted_at", "accept_state", "refuse_reason"),
        "concluded_at": ("concluded_at", "result", "result_raw", "result_text", "licence_no"),
        "licence_issued_at": ("licence_issued_at",),
    },
    "special_procedure": {"ended_at": ("ended_at", "result")},
}
#: tables of supervision that are judged project by project; work orders follow from their steps
JUDGED = ("clock", "stage_state", "position", "project_item", "finding", "waiting")
TABLES = (*JUDGED, "work_order")


def ddl() -> str:
    """The tables as of the day (schemas ``on_day_store``, ``on_day_supervision``) and the views over them (``on_day``)."""
    statements = [
        f"create view on_day_supervision.{name} as select g.* from serving.day_{name} g where g.day_id = {_JUDGED};"
        for name in TABLES
    ]
    statements += [_entity(name) for name in tables.golden]
    changed = f"(c.at at time zone 'Asia/Shanghai')::date <= {DAY}"
    statements += [past.over(view, "on_day", changed, f"x.at < {DAY} + 1") for view in views().values()]
    return "\n".join(statements)


def _entity(name: str) -> str:
    later = {
        column: f"case when g.{dated} < {DAY} + 1 or g.{dated} is null then g.{column} end"
        for dated, columns in _FOLLOWS.get(name, {}).items()
        for column in columns
    }
    columns = ", ".join(
        f"{later[c.name]} as {c.name}" if c.name in later else f'g."{c.name}"' for c in tables.golden[name].columns
    )
    there = f"coalesce({_BEGINS[name]} < {DAY} + 1, true)" if name in _BEGINS else "true"
    if name == "case":  # those that were judged: an event of theirs had happened
        there = f"exists (select from serving.day_clock k where k.day_id = {_JUDGED} and k.case_id = g.id)"
    return f'create view on_day_store."{name}" as select {columns} from store."{name}" g where {there};'
