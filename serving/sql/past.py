"""时间机器 The store as the hub knew it at an instant (``known_at``): the views of schema ``asked`` once more in schema ``past``, over
tables that are as they were.

``store.change`` has, for each change of a golden row, the values before it; what came after the instant is put into
``serving.past_change`` by :func:`serving.lookback.look_back` within the reader's own transaction (rolled back with it), and the views undo it. Findings,
work orders, stages, expected items and clocks are as the feed tells them; what it does not tell of them (evidence, days used, current items) is null.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from serving.sql.views import Column, View, views
from store import tables

#: table of supervision → entity of the feed, its key as the feed has it; None: the feed tells nothing of it
_FED: dict[str, tuple[str, str] | None] = {
    "finding": ("finding", "g.id"),
    "work_order": ("work_order", "g.no"),
    "stage_state": ("project_stage", "g.project_code || ':' || g.stage"),
    "clock": ("clock", "g.case_id"),
    "position": None,
    "project_item": ("project_item", "g.project_code || ':' || g.item_code"),
    "waiting": None,
}
#: what the feed tells of each (migrations 0015, 0031)
_COLUMNS: dict[str, tuple[str, ...]] = {
    "finding": ("rule", "project_code", "item_code", "case_no", "case_id", "level", "kind", "severity", "department_code",
                "department_name", "text", "state", "opened_on", "closed_on", "decision_note"),
    "work_order": ("finding_id", "rule", "project_code", "item_code", "case_no", "department_code", "department_name", "severity",
                   "state", "dispatched_at", "due_on", "urged_on", "escalated_on", "result", "closed_at"),
    "stage_state": ("stage_name", "state", "completed_at"),
    "clock": ("project_code", "light", "promised_limit", "statutory_limit", "due_promised", "due_statutory", "ended_at", "paused"),
    "project_item": ("item_name", "stage", "kind", "department", "department_code", "expected", "state", "done_at", "turn"),
}  # fmt: skip
_KEYS = {"finding": ("id",), "work_order": ("no",), "stage_state": ("project_code", "stage"), "clock": ("case_id",),
         "project_item": ("project_code", "item_code")}  # fmt: skip
_NAMED = re.compile(r"(?<![\w.])(store|supervision)\.(\"?)(\w+)(\"?)")


def ddl() -> str:
    """The tables as they were (schema ``past_store``, ``past_supervision``) and the views over them (``past``)."""
    statements = [_entity(name) for name in tables.golden]
    statements += [_supervised(name) for name in _FED]
    statements += [_view(view) for view in views().values()]
    return "\n".join(statements)


def _entity(name: str) -> str:
    """The view of an entity as it was: rows without a later change, and for the others what stood there before it."""
    return f"""create view past_store."{name}" as
select g.* from store."{name}" g
where not exists (select from serving.past_change l where l.entity = '{name}' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."{name}" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = '{name}' and l.op <> 'ADD';"""


def _supervised(name: str) -> str:
    """The same of a table of supervision: what changed lies over what stands, what is gone is brought back."""
    fed = _FED[name]
    if fed is None:
        return f"create view past_supervision.{name} as select g.* from supervision.{name} g where false;"
    entity, key = fed
    only = _KEYS[name][0]
    whose = f" || jsonb_build_object('{only}', l.entity_id)" if len(_KEYS[name]) == 1 else ""
    pairs = ", ".join(f"'{column}', g.{column}" for column in (*_KEYS[name], *_COLUMNS[name]))
    return f"""create view past_supervision.{name} as
select r.* from supervision.{name} g left join serving.past_change l on l.entity = '{entity}' and l.entity_id = {key}
cross join lateral jsonb_populate_record(null::supervision.{name}, jsonb_build_object({pairs}) || coalesce(l.was, '{{}}')) r
where l.op is distinct from 'ADD'
union all
select r.* from serving.past_change l cross join lateral jsonb_populate_record(null::supervision.{name}, l.was{whose}) r
where l.entity = '{entity}' and l.op <> 'ADD' and not exists (select from supervision.{name} g where {key} = l.entity_id);"""


def _view(view: View) -> str:
    at = "(current_setting('onemap.known_at'))::timestamptz"
    return over(view, "past", f"c.at <= {at}", f"x.at <= {at} at time zone 'Asia/Shanghai'")


def over(view: View, schema: str, changed: str, stepped: str) -> str:
    """``create view`` of one of :func:`views` in ``schema``, over the tables of ``<schema>_store`` and ``<schema>_supervision``.

    :param changed: which rows ``c`` of the change feed it shows; ``stepped``: which steps ``x`` of work orders.
    """
    moved = partial(_moved, schema=schema)
    source = view.source if view.name == "change" else moved(view.source)
    where = {"change": changed, "order_step": stepped}.get(view.name, moved(view.where) if view.where else None)
    columns = ",\n    ".join(
        f"{_selected(replace(column, sql=moved(column.sql)))} as {column.name}" for column in view.columns
    )
    conditions = " and ".join(part for part in (where, moved(view.seen) if view.seen else None) if part)
    ending = f"\nwhere {conditions};" if conditions else ";"
    return f'create view {schema}."{view.name}" as\nselect\n    {columns}\nfrom {source}{ending}'


def _selected(column: Column) -> str:
    if not column.mask:
        return column.sql
    return f"case when (select (serving.sight_of(current_user)).personal) then {column.sql} else serving.mask_{column.mask}({column.sql}) end"


def _moved(sql: str, schema: str) -> str:
    """Names of tables that have a past lead to it, in ``<schema>_store`` and ``<schema>_supervision``."""

    def there(found: re.Match[str]) -> str:
        of, name = found[1], found[3]
        known = name in tables.golden if of == "store" else name in _FED
        return f"{schema}_{found[0]}" if known else found[0]

    return _NAMED.sub(there, sql)
