"""A simulated world (docs/world.md), read: which rows a source shows at a given time.

A :class:`Table` holds one ``jsonl`` file of a source that the stand-in answers from memory. The big tables of the
front-end databases (P3, M2, D3) never come here, :mod:`standins.systems.tables` streams them.
"""

from __future__ import annotations

import bisect
import heapq
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.errors import ConfigurationError
from standins.forms import when

FORMAT = 1
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_ALWAYS = datetime.min
_NEVER = datetime.max
KeyOf = Iterable[str] | Callable[[dict[str, Any]], tuple[str, ...]]
TimeOf = str | Callable[[dict[str, Any]], datetime | None]


class Row(NamedTuple):
    """A visible row: its increment time, its key, and the line as reported."""

    time: datetime
    key: tuple[str, ...]
    data: dict[str, Any]


class _Line(NamedTuple):
    since: datetime
    order: int  # of the file: the later line wins at the same time
    until: datetime
    row: Row


def lines(path: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """The objects of a file from a byte on. :raises ConfigurationError: a line is not a JSON object."""
    with path.open("rb") as file:
        file.seek(start)
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield _decode(line)
            except msgspec.DecodeError as error:
                raise _bad_line(path, number, str(error)) from error


def _bad_line(path: Path, number: int, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path.parent.name}/{path.name}, line {number}: {why}",
        remedy="make the world again: onemap world make",
        zh=f"模拟世界文件 {path.parent.name}/{path.name} 第 {number} 行无法读取：{why}",
    )


def _by_columns(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[str, ...]]:
    return lambda row: tuple("" if row.get(name) is None else str(row[name]).strip() for name in names)


class Table:
    """One file of the world, as its source shows it.

    ``key`` gives what makes a row the same row, by names of columns or computed; ``time`` its increment time.
    """

    def __init__(self, path: Path, key: KeyOf, time: TimeOf) -> None:
        self.path = path
        self._key = key if callable(key) else _by_columns(tuple(key))
        self._time = time if callable(time) else (lambda row: when(row.get(time)))
        self._lock = threading.RLock()
        self._seen: tuple[int, int] | None = None
        self._told: list[_Line] = []
        self._extra: list[_Line] = []  # what a fault planted, see put()
        self._lines: list[_Line] = []
        self._reset()

    def refresh(self) -> bool:
        """Read the file again if it changed. A missing file is an empty table."""
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            seen = (0, 0)
        if seen == self._seen:
            return False
        entries = [self._line(row, order) for order, row in enumerate(lines(self.path))] if seen != (0, 0) else []
        with self._lock:
            self._told, self._seen = entries, seen
            self._reset()
        return True

    def put(self, row: dict[str, Any], since: datetime) -> None:
        """Add a row that the world does not tell: a fault's update or late row."""
        with self._lock:
            self._extra.append(self._line({**row, "_at": since}, len(self._told) + len(self._extra)))
            self._reset()

    def forget(self) -> None:
        """Take back what :meth:`put` added."""
        with self._lock:
            self._extra.clear()
            self._reset()

    _sorted: list[Row] | None  # rows as last shown; None: to be put in order anew

    def rows(self, now: datetime) -> list[Row]:
        """Rows visible at ``now`` in (time, key) order. The list is shared: do not change it."""
        with self._lock:
            self._move(now)
            if self._sorted is None:
                self._sorted = sorted(
                    (line.row for line in self._current.values()), key=lambda row: (row.time, row.key)
                )
            return self._sorted

    def window(self, now: datetime, start: datetime | None, end: datetime | None) -> list[Row]:
        """Visible rows whose time is in [start, end)."""
        rows = self.rows(now)
        low = bisect.bisect_left(rows, start, key=lambda row: row.time) if start else 0
        high = bisect.bisect_left(rows, end, key=lambda row: row.time) if end else len(rows)
        return rows[low:high]

    def next_change(self, now: datetime) -> datetime:
        """When, after ``now``, another set of rows will be visible; ``datetime.max`` for never."""
        with self._lock:
            self._move(now)
            coming = self._lines[self._next].since if self._next < len(self._lines) else _NEVER
            return min(coming, self._expiry[0][0] if self._expiry else _NEVER)

    def due(self, after: datetime, now: datetime) -> list[Row]:
        """Rows that became visible in (after, now], in that order."""
        with self._lock:
            low, high = (bisect.bisect_right(self._lines, at, key=lambda line: line.since) for at in (after, now))
            return [line.row for line in self._lines[low:high] if now < line.until]

    def _line(self, row: dict[str, Any], order: int) -> _Line:
        time = self._time(row)
        since = when(row["_at"]) if isinstance(row.get("_at"), str | int | float) else row.get("_at")
        return _Line(
            since or time or _ALWAYS,
            order,
            when(row.get("_until")) or _NEVER,
            Row(time or _ALWAYS, self._key(row), row),
        )

    def _reset(self) -> None:
        self._lines = sorted([*self._told, *self._extra], key=lambda line: line[:2])
        self._current: dict[tuple[str, ...], _Line] = {}
        self._expiry: list[tuple[datetime, int]] = []
        self._next = 0
        self._now = _ALWAYS
        self._sorted = None

    def _move(self, now: datetime) -> None:
        gone = self._expiry and self._expiry[0][0] <= now
        if now < self._now or gone:  # an earlier line of the key may stand again: tell it anew
            self._reset()
        self._now = now
        while self._next < len(self._lines) and self._lines[self._next].since <= now:
            line = self._lines[self._next]
            self._next += 1
            if line.until <= now:
                continue
            self._current[line.row.key] = line
            self._sorted = None
            if line.until < _NEVER:
                heapq.heappush(self._expiry, (line.until, line.order))


class World:
    """The folder: its revision, and its tables by name (``p1/enterprise``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: dict[str, Table] = {}
        self.revision = self.read()["revision"]

    def read(self) -> dict[str, Any]:
        """world.json. :raises ConfigurationError: not there, not readable, of another format."""
        path = self.folder / "world.json"
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"no simulated world in {self.folder.name}: {error}",
                remedy="make one: onemap world make",
                zh=f"目录 {self.folder.name} 中没有模拟世界（world.json），请先运行 onemap world make。",
            ) from error
        if document.get("format") != FORMAT:
            raise ConfigurationError(
                f"world.json has format {document.get('format')!r}, these stand-ins read {FORMAT}",
                remedy="make the world again: onemap world make",
                zh=f"world.json 的格式为 {document.get('format')!r}，本程序只读格式 {FORMAT}。",
            )
        return {"revision": 1, **document}

    def table(self, name: str, key: KeyOf, time: TimeOf) -> Table:
        """The table of ``<source>/<table>``; read by :meth:`refresh`."""
        table = self.tables[name] = Table(self.folder / f"{name}.jsonl", key, time)
        return table

    def refresh(self) -> None:
        """Read again what changed."""
        for table in self.tables.values():
            table.refresh()
        self.revision = self.read()["revision"]
