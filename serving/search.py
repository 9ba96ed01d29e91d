"""Search for projects by name, code and enterprise, in Chinese, pinyin and initials, without an extension.

Each project's names are written as they are and as they sound; every 1, 2 and 3 letters that follow each other go into an
array under a GIN index, so that any part of a name is found by the index and checked by the text.
"""

from __future__ import annotations

import unicodedata

import polars as pl
import sqlalchemy as sa
from pypinyin import lazy_pinyin
from sqlalchemy.engine import Connection

from store.copying import copy_frame

_NAME = sa.table(
    "name",
    sa.column("project_code"),
    sa.column("content_hash"),
    sa.column("text"),
    sa.column("grams"),
    schema="serving",
)


def normal(text: str) -> str:
    """What is compared: full width is half width, case, blanks and marks do not count."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def sounds(name: str) -> list[str]:
    """A name as it sounds: pinyin and initials, by phrase (长安 chang'an) and letter by letter, ü as v."""
    names = []
    for spelled in (lazy_pinyin(name, v_to_u=False), [lazy_pinyin(c)[0] for c in name]):
        names += ["".join(spelled), "".join(s[0] for s in spelled if s)]
    return list(dict.fromkeys(normal(text) for text in names))


def text_of(name: str | None, enterprise: str | None, codes: list[str | None]) -> str:
    """The text of a project that is searched, its parts on lines."""
    parts = [normal(text) for text in (name, enterprise, *codes) if text]
    for text in (name, enterprise):
        if text:
            parts += sounds(normal(text))
    return "\n".join(dict.fromkeys(part for part in parts if part))


def grams(text: str) -> list[str]:
    """Every 1, 2 and 3 letters that follow each other within a line."""
    found = {part[i : i + n] for part in text.split("\n") for n in (1, 2, 3) for i in range(len(part) - n + 1)}
    return sorted(found)


def wanted(query: str) -> tuple[list[str], str] | None:
    """(grams to be held, text to be found) of a query; None: nothing is left of it to look for."""
    text = normal(query)
    if not text:
        return None
    if len(text) <= 3:
        return [text], text
    return sorted({text[i : i + 3] for i in range(len(text) - 2)}), text


#: Projects whose name, applicant or aliases may differ from what is indexed.
_CHANGED = """select p.id, p.content_hash, p.project_name, p.applicant_name, p.applicant_uscc, array(
           select a.alias from store.project_alias a where a.project_id = p.id) as aliases
from store.project p left join serving.name n on n.project_code = p.id
where p.gone_at is null and n.content_hash is distinct from p.content_hash"""


def refresh(connection: Connection) -> int:
    """Write the names of projects that are new or have changed, drop those that are gone; returns how many were written."""
    connection.exec_driver_sql(
        "delete from serving.name n where not exists (select from store.project p where p.id = n.project_code and p.gone_at is null)"
    )
    rows = connection.exec_driver_sql(_CHANGED).all()
    if not rows:
        return 0
    texts = [text_of(r.project_name, r.applicant_name, [r.id, r.applicant_uscc, *r.aliases]) for r in rows]
    frame = pl.DataFrame(
        {
            "project_code": [r.id for r in rows],
            "content_hash": [bytes(r.content_hash) for r in rows],
            "text": texts,
            "grams": [grams(text) for text in texts],
        }
    )
    connection.execute(
        sa.text("delete from serving.name where project_code = any(:codes)"), {"codes": frame["project_code"].to_list()}
    )
    copy_frame(connection, _NAME, frame)
    return frame.height
