"""A simulated world in which a source falls silent: any file, a part of it, or one column; and its thaw.

What is held back stands in ``truth/frozen.jsonl``, read by tests alone: a freezer by its ``file`` (``m2/EX_GDBS_SL``, or
``m2``: the whole source), ``at`` from when it is silent, ``where`` ({column: value}: only such rows) and ``column`` (rows go
on, that column is empty). A thaw shows everything from its moment on, late, with the times that it had.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from standins.forms import when
from standins.world.lines import FILES, increment, stamp

_HELD = "truth/frozen.jsonl"


def freeze(
    folder: Path, file: str, at: datetime, *, where: dict[str, str] | None = None, column: str | None = None
) -> int:
    """Hold back what ``file`` would show from ``at`` on; returns how many lines that is."""
    held = []
    for name in FILES:
        path = folder / f"{name}.jsonl"
        if not (name == file or name.startswith(f"{file}/")) or not path.exists():
            continue
        retained = []
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            row = json.loads(line)
            shown = _shown(name, row)
            if shown is None or shown < at or not _is(row, where) or (column and not row.get(column)):
                retained.append(line)
                continue
            held.append({"file": name, "number": number, "column": column, "row": row})
            if column:
                retained.append(_line({k: v for k, v in row.items() if k != column}))
        path.write_text("".join(f"{line}\n" for line in retained), "utf-8")
    with (folder / _HELD).open("a", encoding="utf-8") as out:
        out.writelines(_line(one) + "\n" for one in held)
    return len(held)


def thaw(folder: Path, at: datetime) -> int:
    """Show what was held back from ``at`` on, or from its own later time; returns how many lines that is."""
    path = folder / _HELD
    held = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    by_file: dict[str, list[dict[str, Any]]] = {}
    for one in held:
        by_file.setdefault(one["file"], []).append(one)
    for name, lines in by_file.items():
        with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as out:
            for one in sorted(lines, key=lambda line: line["number"]):
                out.write(_line(_late(name, one["row"], at, again=one["column"] is not None)) + "\n")
    path.unlink(missing_ok=True)
    return len(held)


def _late(file: str, row: dict[str, Any], at: datetime, *, again: bool) -> dict[str, Any]:
    shown = _shown(file, row)
    late = {**row, "_at": stamp(max(at, shown or at))}
    if again and (time := increment(file)):  # a value that is filled in later is a correction
        late[time] = late["_at"]
        if "VERSION" in row:
            late["VERSION"] = row["VERSION"] + 1
    return late


def _shown(file: str, row: dict[str, Any]) -> datetime | None:
    return when(row.get("_at") or row.get(increment(file) or ""))


def _is(row: dict[str, Any], where: dict[str, str] | None) -> bool:
    return all(str(row.get(name, "")).strip() == value for name, value in (where or {}).items())


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))
