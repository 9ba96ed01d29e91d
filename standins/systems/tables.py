"""P3, M2 and D3: front-end databases (库表模式), made from contracts/*.sql and kept in step with the world.

Each is a database of its own in the PostgreSQL given. Rows are streamed from the world's files by COPY and never held
in memory; what is not due yet waits in the private schema ``standin``, where the reader has no right, beside the
digests of the files that were loaded. A restart, and a world that only grew, therefore load nothing twice, and the
``is_sync`` that a reader set stays.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.settings import ROOT
from standins.context import Context
from standins.forms import stamp, when
from standins.systems.databases import Database
from standins.told import lines

CONTRACTS = ROOT / "schemas" / "contracts"
CHUNK = 5000
_NULL = "\\N"
_ESCAPED = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs between the three."""

    system: str
    conn_id: str
    increment: dict[str, str]  # table ("" = the others) -> increment column
    replace: str | None  # a later line with the same value of this column replaces the earlier
    acknowledge: str | None  # the one column that the reader may update
    padded: re.Pattern[str] | None  # columns that come blank-padded


LAYOUTS = {
    "p3": Layout("p3", "p_tables", {"": "cd_time"}, None, "is_sync", None),
    "m2": Layout(
        "m2",
        "m_tables",
        {"": "inserttime", "ex_gdbs_bj": "insertime"},
        None,
        None,
        re.compile(r"(sblsh_short|sxbm|sxbm_short|project_code|ywlsh|.*zzjgdmd?|slztdm|bjjgdm)$"),
    ),
    "d3": Layout("d3", "d_housing", {"": "gxsj"}, "lsh", None, None),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of the contract: columns in order, (name, type, length)."""

    name: str
    columns: tuple[tuple[str, str, int | None], ...]


class Tables(Database):
    """One front-end database."""

    def __init__(self, ctx: Context, layout: Layout, database_url: str, prefix: str = "standin") -> None:
        name = f"{prefix}_{layout.system}"
        super().__init__(ctx, layout.conn_id, database_url, name, f"{name}_reader")
        self.layout = layout
        self._next: datetime | None = None
        self._shapes: dict[str, Shape] = {}
        self._cut = False

    # -- set up and down ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make or take over the database and its reader, and bring it to the world's present."""
        new = self.make(self._usable)
        with self.connect() as own:
            if new:
                self._create(own)
            self._shapes = _shapes(own)
            own.execute("delete from standin.told where not tbl = any(%s)", [list(self._shapes)])
        self.refresh()

    def _usable(self) -> bool:
        """Is what an earlier run left of this contract, and did it not run ahead of our clock?"""
        try:
            with self.connect() as own:
                row = own.execute("select contract, moved_to from standin.state").fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == self._contract_digest() and (row[1] is None or row[1] <= self.ctx.now())

    def _contract_digest(self) -> str:
        marks = f"{self._contract()}|{self.ctx.quirks}|{self.ctx.world.folder.resolve()}|{self.ctx.world.read().get('made')}"
        return hashlib.sha256(marks.encode()).hexdigest()

    def _contract(self) -> str:
        return (CONTRACTS / f"{self.layout.system}.sql").read_text("utf-8")

    def _create(self, own: psycopg.Connection) -> None:
        own.execute(self._contract())
        own.execute("create schema standin")
        own.execute("create table standin.state (contract text not null, moved_to timestamp)")
        own.execute("create table standin.told (tbl text primary key, size bigint not null, digest text not null)")
        own.execute(
            "create table standin.pending (at timestamp not null, ord bigserial, tbl text not null, "
            "op text not null, line text not null)"
        )
        own.execute("create index on standin.pending (at)")
        own.execute("insert into standin.state values (%s, null)", [self._contract_digest()])
        role = sql.Identifier(self.login)
        own.execute(sql.SQL("grant usage on schema public to {}").format(role))
        for shape in _shapes(own).values():
            table = sql.Identifier(shape.name)
            own.execute(sql.SQL("grant select on {} to {}").format(table, role))
            increment = self._increment(shape.name)
            own.execute(sql.SQL("create index on {} ({})").format(table, sql.Identifier(increment)))
            if self.layout.acknowledge:
                column = sql.Identifier(self.layout.acknowledge)
                own.execute(sql.SQL("grant update ({}) on {} to {}").format(column, table, role))

    def _increment(self, table: str) -> str:
        return self.layout.increment.get(table, self.layout.increment[""])

    # -- in step with the world -----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Load what the world's files hold more or otherwise than before; then :meth:`move`."""
        now = self.ctx.now()
        folder = self.ctx.world.folder / self.layout.system
        files = {path.stem.lower(): path for path in folder.glob("*.jsonl")} if folder.is_dir() else {}
        with self.connect() as own:
            known = {row[0]: row[1:] for row in own.execute("select tbl, size, digest from standin.told")}
            moved_to = _scalar(own.execute("select moved_to from standin.state"))
            back = moved_to is not None and moved_to > now  # the clock was set back: tell everything anew
            for name, shape in self._shapes.items():
                path = files.get(name)
                size, digest = known.get(name, (0, hashlib.blake2b().hexdigest()))
                if path is None:
                    if size:
                        self._empty(own, shape)
                        own.execute("delete from standin.told where tbl = %s", [name])
                    continue
                grown, new_size, new_digest = _grown(path, size, digest)
                if grown and new_size == size and not back:
                    continue
                if not grown or back:
                    self._empty(own, shape)
                    size = 0
                self._load(own, shape, path, size, now)
                own.execute(
                    "insert into standin.told values (%s, %s, %s) on conflict (tbl) do update "
                    "set size = excluded.size, digest = excluded.digest",
                    [name, new_size, new_digest],
                )
            own.execute("update standin.state set moved_to = %s", [now])
        self._next = None
        self.move(now)

    def behind(self, now: datetime) -> bool:
        """Is something due that is not shown yet?"""
        return self._next is not None and now >= self._next

    def move(self, now: datetime) -> None:
        """Show what became due, take away what is shown no more."""
        with self.connect() as own:
            due = own.execute(
                "delete from standin.pending where at <= %s returning at, ord, tbl, op, line", [now]
            ).fetchall()
            for _, _, table, op, line in sorted(due):
                shape = self._shapes[table]
                row = json.loads(line)
                if op == "insert":
                    self._store(own, shape, [row])
                else:
                    self._remove(own, shape, row)
            if due:
                own.execute("update standin.state set moved_to = %s", [now])
            self._next = _scalar(own.execute("select min(at) from standin.pending")) or datetime.max

    def outage(self, down: bool) -> None:
        """The fault "down": nobody connects, and whoever is connected is cut off."""
        if down == self._cut:
            return
        with self.administer() as admin:
            admin.execute(
                sql.SQL("alter database {} connection limit {}").format(
                    sql.Identifier(self.name), sql.SQL("0" if down else "-1")
                )
            )
            if down:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = %s",
                    [self.name, self.login],
                )
        self._cut = down

    # -- rows -----------------------------------------------------------------------------------------------------

    def _load(self, own: psycopg.Connection, shape: Shape, path: Path, start: int, now: datetime) -> None:
        increment = self._increment(shape.name)
        present = stamp(now)
        batch: list[dict[str, Any]] = []
        newest: dict[Any, tuple[datetime, dict[str, Any]]] = {}  # only where later lines replace earlier ones
        pending: list[tuple[datetime, str, str, str]] = []

        for row in lines(path, start):
            shown = row.get("_at") or _value(row, increment)
            if "_until" in row and (until := when(row["_until"])):
                if until <= now:
                    continue
                pending.append((until, shape.name, "delete", json.dumps(row, ensure_ascii=False)))
            if not _is_plain(shown) or shown > present or self.layout.replace:
                since = when(shown) or datetime.min
                if since > now:
                    pending.append((since, shape.name, "insert", json.dumps(row, ensure_ascii=False)))
                    continue
                if self.layout.replace:
                    key = _value(row, self.layout.replace)
                    if key not in newest or newest[key][0] <= since:
                        newest[key] = (since, row)
                    continue
            batch.append(row)
            if len(batch) >= CHUNK:
                self._store(own, shape, batch)
                batch = []
        self._store(own, shape, batch)
        self._store(own, shape, [row for _, row in newest.values()])
        if pending:
            with own.cursor() as cursor:
                cursor.executemany("insert into standin.pending (at, tbl, op, line) values (%s, %s, %s, %s)", pending)

    def _store(self, own: psycopg.Connection, shape: Shape, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        if self.layout.replace:
            own.execute(
                sql.SQL("delete from {} where {} = any(%s)").format(
                    sql.Identifier(shape.name), sql.Identifier(self.layout.replace)
                ),
                [[_value(row, self.layout.replace) for row in rows]],
            )
        statement = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(shape.name), sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in shape.columns)
        )
        with own.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write("".join(self._lines(shape, rows)).encode())

    def _lines(self, shape: Shape, rows: list[dict[str, Any]]) -> Iterator[str]:
        """Rows in COPY's text form. The columns of a row are found once for all rows with the same names."""
        plans: dict[tuple[str, ...], list[tuple[str, Write]]] = {}
        writers = [(name, _writer(self.layout, name, kind, length)) for name, kind, length in shape.columns]
        first = shape.columns[0][0]
        for row in rows:
            names = tuple(row)
            plan = plans.get(names)
            if plan is None:
                spelt = {name.lower(): name for name in names}
                plan = plans[names] = [(spelt.get(name, name), write) for name, write in writers]
            fate = zlib.crc32(str(row.get(plan[0][0], first)).encode()) if self.ctx.quirks else -1
            get = row.get
            yield "\t".join([write(get(name), fate) for name, write in plan]) + "\n"

    def _remove(self, own: psycopg.Connection, shape: Shape, spelt: dict[str, Any]) -> None:
        """One row that equals the line in all that the line says (blanks at the end aside)."""
        row = {name.lower(): value for name, value in spelt.items()}
        filled = [(name, row[name]) for name, kind, _ in shape.columns if row.get(name) not in (None, "")]
        where = sql.SQL(" and ").join(
            sql.SQL("rtrim({}::text) = rtrim(%s::text)").format(sql.Identifier(name))
            if kind in ("character varying", "text")
            else sql.SQL("{} = %s::{}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in ((n, k) for n, k, _ in shape.columns if row.get(n) not in (None, ""))
        )
        kinds = {name: kind for name, kind, _ in shape.columns}
        values = [stamp(at) if kinds[n].startswith("timestamp") and (at := when(v)) else str(v) for n, v in filled]
        own.execute(
            sql.SQL("delete from {t} where ctid in (select ctid from {t} where {w} limit 1)").format(
                t=sql.Identifier(shape.name), w=where
            ),
            values,
        )

    def _empty(self, own: psycopg.Connection, shape: Shape) -> None:
        own.execute(sql.SQL("delete from {}").format(sql.Identifier(shape.name)))
        own.execute("delete from standin.pending where tbl = %s", [shape.name])


Write = Callable[[Any, int], str]


def _value(row: dict[str, Any], column: str) -> Any:
    """A column's value, whatever the case of its name."""
    return row[column] if column in row else next((row[name] for name in row if name.lower() == column), None)


def _is_plain(text: Any) -> bool:
    """yyyy-MM-dd HH:mm:ss, which sorts as it is."""
    return isinstance(text, str) and len(text) == 19 and text[4] == "-" and text[0] in "12"


def _writer(layout: Layout, name: str, kind: str, length: int | None) -> Write:
    """value, fate of the row -> the value in COPY's text form. A fate of -1: no quirks."""
    if kind.startswith("timestamp"):

        def write(value: Any, fate: int) -> str:
            moment = when(value) if value else None
            if moment is None:
                return _NULL
            return value if _is_plain(value) else stamp(moment)

    elif kind in ("integer", "numeric"):

        def write(value: Any, fate: int) -> str:
            return _NULL if value is None or value == "" else str(value).replace(",", "").strip()

    else:
        pad = bool(layout.padded and layout.padded.match(name))
        salt = zlib.crc32(name.encode())
        nulls_too = name not in ("row_guid", "lsh", "sblsh_short", "cd_operation")

        def write(value: Any, fate: int) -> str:
            if value is None:
                return "" if nulls_too and fate >= 0 and (fate ^ salt) % 4 == 0 else _NULL
            text = value if isinstance(value, str) else str(value)
            if pad and fate >= 0 and text and text[-1] != " ":  # else the world padded it
                width = len(text) + (fate ^ salt) % 7
                text = text.ljust(min(width, length or width))
            return text.translate(_ESCAPES) if _ESCAPED.search(text) else text

    return write


def _shapes(own: psycopg.Connection) -> dict[str, Shape]:
    found = own.execute(
        "select table_name, column_name, data_type, character_maximum_length from information_schema.columns "
        "where table_schema = 'public' order by table_name, ordinal_position"
    ).fetchall()
    columns: dict[str, list[tuple[str, str, int | None]]] = {}
    for table, name, kind, length in found:
        columns.setdefault(table, []).append((name, kind, length))
    return {table: Shape(table, tuple(listed)) for table, listed in columns.items()}


def _grown(path: Path, size: int, digest: str) -> tuple[bool, int, str]:
    """Does the file begin with the ``size`` bytes of ``digest``? And its size and digest now."""
    seen = hashlib.blake2b()
    grown = False
    left = size
    total = 0
    with path.open("rb") as file:
        while left and (block := file.read(min(left, 1 << 20))):
            seen.update(block)
            left -= len(block)
            total += len(block)
        grown = not left and seen.hexdigest() == digest
        while block := file.read(1 << 20):
            seen.update(block)
            total += len(block)
    return grown, total, seen.hexdigest()


def _scalar(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """The one value of a statement; None where it gives no row."""
    row = cursor.fetchone()
    return row and row[0]
