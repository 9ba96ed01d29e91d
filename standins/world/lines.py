"""The lines of a simulated world's files, as far as they are shown in a span of time. The format: docs/world.md."""

from __future__ import annotations

import mmap
from array import array
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

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


_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


class _Spool:
    """The lines of one file as they come, on disk; in memory where each lies and when it is shown."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lines = path.open("wb")
        self.shown, self._ends = array("q"), array("q")
        self._replaced: list[int] = []
        self._states: dict[str, int] = {}

    def add(self, line: bytes, shown: int) -> int:
        """Returns the line's number."""
        self._lines.write(line)
        self.shown.append(shown)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(line))
        return len(self.shown) - 1

    def replace(self, key: str, line: bytes, shown: int) -> None:
        """A line in place of that of the same key, unless that is shown later."""
        number = self._states.get(key)
        if number is not None:
            if self.shown[number] > shown:
                return
            self._replaced.append(number)
        self._states[key] = self.add(line, shown)

    def write(self, out: BinaryIO) -> int:
        """All lines that stand, by when they are shown, then as they came; returns how many."""
        self._lines.close()
        order = np.argsort(np.frombuffer(self.shown, dtype=np.int64), kind="stable")
        order = order[~np.isin(order, np.array(self._replaced, dtype=np.int64))]
        if len(order):
            with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
                ends = self._ends
                out.writelines(lines[ends[n - 1] if n else 0 : ends[n]] for n in order.tolist())
        return len(order)

    def remove(self) -> None:
        self._lines.close()
        self._path.unlink(missing_ok=True)


class Lines:
    """Collects what is shown after ``since`` (None: from the beginning) up to ``until``, beside the files of ``folder``:
    a world has more lines than memory has room for."""

    def __init__(self, since: datetime | None, until: datetime, folder: Path) -> None:
        self.since, self.until = since, until
        self._folder = folder
        self._spools: dict[str, _Spool] = {}

    def shows(self, at: datetime) -> bool:
        """Whether something shown from ``at`` on belongs to this span."""
        return at <= self.until and (self.since is None or at > self.since)

    def _spool(self, file: str) -> _Spool:
        if file not in self._spools:
            self._spools[file] = _Spool(self._folder / f"{file}.unsorted")
        return self._spools[file]

    def _line(self, file: str, row: dict[str, Any], at: datetime) -> tuple[bytes, int]:
        column = increment(file)
        text = stamp(at)
        if column is None or row.get(column) != text:
            row["_at"] = text
        return msgspec.json.encode(row) + b"\n", (at - _EPOCH) // _MICROSECOND

    def log(self, file: str, row: dict[str, Any], at: datetime) -> None:
        """A line of its own, shown from ``at`` on."""
        if self.shows(at):
            self._spool(file).add(*self._line(file, row, at))

    def state(self, file: str, key: str, row: dict[str, Any], at: datetime) -> None:
        """A version of the record ``key``; of those of one span only the last is told."""
        if self.shows(at):
            self._spool(file).replace(key, *self._line(file, row, at))

    def write(self) -> dict[str, int]:
        """Append every file's lines; an empty file is made where there are none. Returns lines a file."""
        counts = {}
        for file in FILES:
            path = self._folder / f"{file}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as out:
                counts[file] = 0
                if spool := self._spools.pop(file, None):
                    counts[file] = spool.write(out)
                    spool.remove()
        return counts
