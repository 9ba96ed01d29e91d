"""Statements over one run's staging tables: their names filled in, and the conditions that several of them share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.staging import PARTS, Staged

GOOD = "not exists (select from {failed} f where f.row_id = s.row_id)"
SAME = (
    "{a}.source_time is not distinct from {b}.source_time and {a}.rank is not distinct from {b}.rank "
    "and {a}.content_hash = {b}.content_hash"
)
# what an entry of the quarantine is known by, of a mapped row s and of one that did not decode, x
RECORD_PRINT = "sha256(convert_to(coalesce(s.record_key, ''), 'UTF8') || s.content_hash)"
REJECT_PRINT = (
    "sha256(convert_to(concat_ws(chr(31), x.code, x.record_key, coalesce(x.raw, x.place || x.message)), 'UTF8'))"
)
ORDER = "(coalesce({v}.source_time, '-infinity'), coalesce({v}.rank, -9223372036854775808), {v}.content_hash)"


def same(a: str, b: str) -> str:
    return SAME.format(a=a, b=b)


class Runner:
    """Runs statements with the names of one run's staging tables filled in."""

    def __init__(self, connection: Connection, staged: Staged) -> None:
        self.connection = connection
        self.names = {part: staged.name(part) for part in PARTS}
        self.values: dict[str, Any] = {"feed": staged.feed, "run": staged.run_id}

    def __call__(self, statement: str, **values: Any) -> sa.CursorResult[Any]:
        text = statement
        for name, table in self.names.items():
            text = text.replace("{" + name + "}", table)
        used = {k: v for k, v in (self.values | values).items() if f":{k}" in text}
        return self.connection.execute(sa.text(text), used)
