"""The data dictionary ``docs/data-dictionary.md``, made from the views' declaration: ``python -m serving.sql.dictionary``."""

from __future__ import annotations

from core.settings import ROOT
from serving.sql.views import SQL_TYPES, View, note, views
from supervision import limits

PATH = ROOT / "docs" / "data-dictionary.md"
_HEAD = """# 数据字典 Data dictionary

Views of schema `onemap`, for BI tools and applications that ask by SQL. Made by `python -m serving.sql.dictionary`; do not edit.

- **Roles.** `onemap_reader` reads every row, personal data masked. A role of a town or department (`onemap keys role`) reads its own
  rows by the same views. Nobody but the hub reads the tables behind them.
- **Stable.** Columns are added, never renamed or given another meaning.
- **Times** are the city's local time, without a zone where the type has none. Geometries are WKB, EPSG:4490, longitude first; where
  PostGIS is there, `redline_geometry`, `parcel_geometry`, `change_polygon_geometry`, `scene_geometry`, `land_approval_geometry` and
  `project_geometry` have a column `geometry` beside the same columns.
- **masked**: shown as `138****1234`, `4419**********001X`, `张*` to whoever has no grant for personal data.
- **codes**: `schemas/codes/<list>.yaml` says what the values mean.
"""


def text() -> str:
    """The whole page."""
    parts = [_HEAD]
    parts += ["| view | 名称 | key |", "|---|---|---|"]
    parts += [f"| [`{v.name}`](#{v.name}) | {v.zh} | {', '.join(v.key)} |" for v in views().values()]
    parts += ["", "## Counts", "", "| 中文 | name in the API | meaning |", "|---|---|---|"]
    parts += [f"| {zh} | `{name}` | {en} |" for name, (zh, en) in limits.COUNTS.items()]
    for view in views().values():
        parts += ["", *_view(view)]
    return "\n".join(parts) + "\n"


def _view(view: View) -> list[str]:
    rows = [f"| `{c.name}` | {SQL_TYPES[c.type]} | {_cell(c.zh)} | {_cell(note(c))} |" for c in view.columns]
    return [
        f"## {view.name}",
        "",
        f"**{view.zh}.** {' '.join(view.en.split())}",
        "",
        "| column | type | 中文 | meaning |",
        "|---|---|---|---|",
        *rows,
    ]


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def write() -> bool:
    """Write the page where it says something else, and can be written; whether it was."""
    now = text()
    try:
        if PATH.read_text(encoding="utf-8") == now:
            return False
        PATH.write_text(now, encoding="utf-8")
    except OSError:  # an installed hub whose papers are not its own to write
        return False
    return True


if __name__ == "__main__":
    write()
