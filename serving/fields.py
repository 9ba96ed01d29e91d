"""Some columns, or some of the personal ones in clear: what a relation of schema ``asked`` is replaced by for a grant that is held to them.

A data request names entities and columns (:mod:`serving.sharing`); ``schemas/masking.yaml`` gives scopes some personal columns. The views know
of neither: whoever is shown anything personal reads them in clear, and every other personal column is masked here, one level above.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from schemas import entities, masking
from serving.sql.views import FED, SQL_TYPES, Column, View, views

_RELATION = re.compile(
    r"(?<![\w.])asked\.\"?(\w+)\"?(?:\s+(?:as\s+)?(?!(?:where|group|order|limit|left|join|cross|on|union|offset|and|or)\b)\"?(\w+)\"?)?"
)
#: what is a row's own and always told: without it nothing can be paged, joined or seen
_ALWAYS = (
    "id",
    "no",
    "changed_at",
    "project_code",
    "case_id",
    "finding_id",
    "stage",
    "seq",
    "xid",
    "entity",
    "entity_id",
    "op",
    "at",
    "columns",
    "sources",
)

Fields = Mapping[str, tuple[str, ...] | None]


def rewritten(statement: str, fields: Fields | None, clear: tuple[str, ...]) -> str:
    """A statement over ``asked`` held to entities and columns. ``fields``: entity → columns, None: all of them; None: every entity."""
    frozen = None if fields is None else tuple(sorted((name, columns) for name, columns in fields.items()))

    def held(found: re.Match[str]) -> str:
        name = found[1]
        return f'{_relation(name, frozen, clear)} "{found[2] or name}"' if name in views() else found[0]

    return _RELATION.sub(held, statement)


@lru_cache(512)
def _relation(name: str, fields: tuple[tuple[str, tuple[str, ...] | None], ...] | None, clear: tuple[str, ...]) -> str:
    view = views()[name]
    granted = None if fields is None else dict(fields)
    columns = None if granted is None or granted.get(name) is None else {*granted[name], *_ALWAYS, *view.key}  # type: ignore[misc]
    selected = ", ".join(f'{_expression(view, column, columns, clear)} as "{column.name}"' for column in view.columns)
    where = ""
    if granted is not None and name == "change":
        known = ", ".join(f"'{entity}'" for entity in sorted(granted))
        where = f" where v.entity in ({known})" if granted else " where false"
    elif granted is not None and name not in granted:
        where = " where false"
    return f'(select {selected} from asked."{name}" v{where})'


def _expression(view: View, column: Column, columns: set[str] | None, clear: tuple[str, ...]) -> str:
    ref = f'v."{column.name}"'
    if columns is not None and column.name not in columns:
        return f"null::{SQL_TYPES[column.type]}"
    if view.name == "change" and column.name in ("before", "after"):
        fed = ", ".join(f"'{entity}'" for entity in FED)
        return f"case when v.entity in ({fed}) then {ref} end"
    if masking.shown(view.name, column.name, clear) or "*" in clear or not clear:
        return ref
    if column.mask:
        return f"serving.mask_{column.mask}({ref})"
    if _personal_text(view.name, column.name):
        return "null::text"  # whose names stand in it is not known here
    return ref if not _applicant(view.name, column.name) else f"serving.mask_applicant({ref}, null, null)"


def _personal_text(entity: str, name: str) -> bool:
    if entity not in entities.load_all():
        return False
    declared = entities.load(entity).columns.get(name)
    return bool(declared and declared.type == "text" and not declared.codes and masking.is_free_text(name))


def _applicant(entity: str, name: str) -> bool:
    return (entity, name) in {("case", "applicant_name"), ("licence", "holder_name")}
