"""The lines of a simulated world's files, as far as they are shown in a span of time. The format: docs/world.md."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

INCREMENT = {  # the column by which a line is shown, where it has no _at
    "p1/project_filing": "updateTime",
    "p1/enterprise": "updateTime",
    "p1/licence": "updateTime",
    "p2/land_approval": "更新时间",
    "m1/items": "updated_at",
    "m1/projects": "updated_at",
    "m2/EX_GDBS_BJ": "INSERTIME",
}
_BY_SOURCE = {"p3": "cd_time", "m2": "INSERTTIME", "d1": "GXSJ", "d3": "GXSJ", "s1": "GXSJ"}
FILES = (
    *INCREMENT,
    *(
        f"p3/{t}"
        for t in (
            "up_task_general_basic",
            "up_pro_accept",
            "up_pro_process",
            "up_pro_result",
            "up_pro_special_procedure",
            "up_lic_data",
        )
    ),
    *(f"m2/EX_GDBS_{t}" for t in ("SB", "SL", "SPCL", "BZGZ", "TBCXSQ", "TBCXJG", "SBCL", "SPJG")),
    "d1/cases",
    "d2/projects",
    *(
        f"d3/SPGL_{t}{v}"
        for t in ("XMJBXXB", "XMSPSXBLXXB", "XMSPSXBLXXXXB", "XMSPSXBLTBCXXXB", "XMSPSXPFWJXXB")
        for v in ("", "_V3")
    ),
    "d3/SPGL_JZGCSGXKXXB",
    "d4/cases",
    "d5/weather",
    "d5/fire",
    "s1/parcel",
    "s1/redline",
    "s2/change",
    "s3/scene",
    "s4/reading",
)


def stamp(at: datetime | date | None) -> str:
    """``yyyy-MM-dd HH:mm:ss``, a date alone as such, nothing as ''."""
    if at is None:
        return ""
    return at.isoformat(" ", "seconds") if isinstance(at, datetime) else at.isoformat()


def increment(file: str) -> str | None:
    """The increment column of a file; None where every line carries ``_at``."""
    return INCREMENT.get(file) or _BY_SOURCE.get(file.split("/")[0])


class Lines:
    """Collects what is shown after ``since`` (None: from the beginning) up to ``until``."""

    def __init__(self, since: datetime | None, until: datetime) -> None:
        self.since, self.until = since, until
        self._logs: dict[str, list[tuple[datetime, int, dict[str, Any]]]] = {file: [] for file in FILES}
        self._states: dict[str, dict[str, tuple[datetime, int, dict[str, Any]]]] = {}
        self._count = 0

    def shows(self, at: datetime) -> bool:
        """Whether something shown from ``at`` on belongs to this span."""
        return at <= self.until and (self.since is None or at > self.since)

    def _line(self, file: str, row: dict[str, Any], at: datetime) -> tuple[datetime, int, dict[str, Any]]:
        column = increment(file)
        text = stamp(at)
        if column is None or row.get(column) != text:
            row["_at"] = text
        self._count += 1
        return at, self._count, row

    def log(self, file: str, row: dict[str, Any], at: datetime) -> None:
        """A line of its own, shown from ``at`` on."""
        if self.shows(at):
            self._logs[file].append(self._line(file, row, at))

    def state(self, file: str, key: str, row: dict[str, Any], at: datetime) -> None:
        """A version of the record ``key``; of those of one span only the last is told."""
        if self.shows(at):
            held = self._states.setdefault(file, {})
            if key not in held or held[key][0] <= at:
                held[key] = self._line(file, row, at)

    def sorted(self, file: str) -> list[dict[str, Any]]:
        """The lines of a file in the order in which they are shown."""
        found = [*self._logs.get(file, ()), *self._states.get(file, {}).values()]
        return [row for _, _, row in sorted(found, key=lambda f: f[:2])]

    def write(self, folder: Path) -> dict[str, int]:
        """Append every file's lines; an empty file is made where there are none. Returns lines a file."""
        counts = {}
        for file in FILES:
            path = folder / f"{file}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = self.sorted(file)
            with path.open("a", encoding="utf-8", newline="\n") as out:
                out.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
            counts[file] = len(rows)
        return counts
