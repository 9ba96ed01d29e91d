"""A batch on its way: unlogged tables of one run, filled by COPY a payload at a time.

For run 12 of a feed that maps to ``case`` and ``case_event``, in schema ``staging``::

    s12_record       row_id, receipt_id, place, scope, record_key, source_time, rank, tombstone, raw, again,
                     content_hash
    s12_case         row_id, ord, <columns of the entity>                    (no row for a rejected or tombstone row)
    s12_case_event   row_id, ord, <columns of the entity>
    s12_failed       row_id, code, field, message, value                     every reason why a row goes to quarantine
    s12_reject       receipt_id, place, record_key, code, field, message, raw     what has no row: it did not decode
    s12_issue        code, severity, duty, record, field, detail, count      what is reported and stops nothing
    s12_asked        row_id, record_key, source_time, rank, <raw columns>    what the feed's suite reads as it came
    s12_unchanged    row_id, receipt_id, record_id                           rows that are what stands already

``row_id`` is drawn from the ids of ``source.record``. ``raw`` is the row as :mod:`store.rawrow` packs it, ``content_hash`` the SHA-256 of its canonical JSON text
(mappings.compiler), by which versions are compared. ``again``: a version known already, mapped once more because it
stands again; it did not come in. A table that a suite
asks has a column more for each verdict that it reads (quality/verdicts.py); where a feed's suite reads no raw column, that is ``record``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from store import rawrow, tables
from store.copying import copy_frame, numbers
from store.engine import one_at_a_time

# columns of frames handed to Staging.copy; see the module's text for what they mean
RECORD = {
    "row_id": sa.BigInteger,
    "receipt_id": sa.BigInteger,
    "place": sa.Text,
    "scope": sa.Text,
    "record_key": sa.Text,
    "source_time": sa.DateTime,
    "rank": sa.BigInteger,
    "tombstone": sa.Boolean,
    "raw": sa.LargeBinary,
    "again": sa.Boolean,
    "content_hash": sa.LargeBinary,
}
FAILED = {"row_id": sa.BigInteger, **{name: sa.Text for name in ("code", "field", "message", "value")}}
REJECT = {
    "receipt_id": sa.BigInteger,
    "place": sa.Text,
    "record_key": sa.Text,
    "code": sa.Text,
    "field": sa.Text,
    "message": sa.Text,
    "raw": sa.Text,
}
UNCHANGED = {"row_id": sa.BigInteger, "receipt_id": sa.BigInteger, "record_id": sa.BigInteger}
ISSUE = {
    **{name: sa.Text for name in ("code", "severity", "duty", "record", "field", "detail")},
    "count": sa.BigInteger,
}


#: A time of update is believed from here on, and up to so long after the payload that says it was received.
EARLIEST = datetime(1980, 1, 1)
TOLERANCE = timedelta(days=1)


#: tables of a run, besides one an entity
PARTS = (
    "record",
    "failed",
    "reject",
    "issue",
    "version",
    "withdrawn",
    "missing",
    "differs",
    "late",
    "unchanged",
    "rejected",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks say of a batch: whether it goes on, how many rows are rejected, and if not, why."""

    go: bool
    rejected: int
    code: str = ""
    message: str = ""
    remedy: str = ""
    zh: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """Of an initial load of which the checks reject nothing: versions by what becomes of them, new ones by the day that they
    speak of."""

    actions: dict[str, int]
    by_day: dict[date, int]


@dataclass
class Staged:
    """The staging tables of one run, and what was counted while they were filled.

    ``timed``: the feed has a time of its own; ``full``: the window is the whole listing; ``floor`` and
    ``max_rejected`` as the feed declares them; ``rows`` rows decoded; ``rejects`` that did not decode; together what came in. Table names are without schema.
    """

    run_id: int
    feed: str
    entities: tuple[str, ...]
    timed: bool
    asked: dict[str, str] = field(default_factory=dict)  # raw column → as it is called where the feed's suite is asked
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)  # entity → columns of verdicts made before staging
    full: bool = False
    floor: int = 0
    max_rejected: float = 1.0
    rows: int = 0
    rejects: int = 0
    receipts: list[int] = field(default_factory=list)
    scopes: set[str] = field(default_factory=set)
    several: set[str] = field(default_factory=set)  # entities of which a row has more than one
    height: Counter[str] = field(default_factory=Counter)  # rows of each entity
    filled: set[tuple[str, str]] = field(default_factory=set)  # entity, column that some row of it fills
    accepted: int = 0  # rows that were mapped
    gone: int = 0  # of them those that say that a record is gone
    scoped: bool = False  # some row belongs to a part that is sent again wholly
    spared: bool = False  # deletions were found and are left to a person
    first_row: int = 0  # ids of the first and of the last row staged
    last_row: int = 0
    records: int = 0  # rows that stand in the staging tables
    unchanged: int = 0  # rows that are what stands already: nothing of them is staged but their record
    trial: bool = False  # looked at and dropped: it teaches no dictionary, and what has no receipt was received now
    loaded: bool = False  # an initial load: its records are written already (store/initial.py)
    counted: Counted | None = None  # while the checks were at work
    schema: str = tables.STAGING

    def __post_init__(self) -> None:
        self._packer: rawrow.Packer | None = None
        self._meta = sa.MetaData()
        judged = dict.fromkeys(self.flags.get("asked", ()), sa.Boolean)
        self.record = self._table("record", RECORD | ({} if self.asked else judged))
        self.failed = self._table("failed", FAILED)
        self.reject = self._table("reject", REJECT)
        self.issue = self._table("issue", ISSUE)
        self.same = self._table("unchanged", UNCHANGED)
        self.raw_columns = (
            self._table(
                "asked",
                {name: RECORD[name] for name in ("row_id", "record_key", "source_time", "rank")}
                | dict.fromkeys(self.asked.values(), sa.Text)
                | judged,
            )
            if self.asked
            else None
        )
        self.entity = {
            name: sa.Table(
                f"s{self.run_id}_{name}",
                self._meta,
                sa.Column("row_id", sa.BigInteger),
                sa.Column("ord", sa.Integer),
                *(sa.Column(column.name, column.type) for column in tables.entity_columns(name)),
                *(sa.Column(flag, sa.Boolean) for flag in self.flags.get(name, ())),
                schema=self.schema,
                prefixes=["UNLOGGED"],
            )
            for name in self.entities
        }

    def _table(self, name: str, columns: dict[str, Any]) -> sa.Table:
        return sa.Table(
            f"s{self.run_id}_{name}",
            self._meta,
            *(sa.Column(column, kind) for column, kind in columns.items()),
            schema=self.schema,
            prefixes=["UNLOGGED"],
        )

    def name(self, part: str) -> str:
        """Qualified name of a staging table (``record``, ``failed``, an entity, …), safe to write into SQL."""
        if part not in PARTS and part not in self.entities:
            raise ValueError(f"no staging table {part!r}")
        return f"{self.schema}.s{int(self.run_id)}_{part}"

    @property
    def rows_in(self) -> int:
        """Rows that came in: decoded and rejects of decoding."""
        return self.rows + self.rejects

    def create(self, connection: Connection) -> None:
        """Make the tables, empty."""
        self._meta.create_all(connection, checkfirst=False)

    def stands(self, connection: Connection) -> bool:
        """Whether :meth:`create` was committed."""
        return connection.execute(sa.select(sa.func.to_regclass(self.name("record")))).scalar() is not None

    def number(self, connection: Connection, rows: int) -> pl.Series:
        """Ids for so many rows, ascending; a record that was not known takes its row's."""
        ids = numbers(
            connection,
            "select nextval('source.record_id_seq') as id from generate_series(1, %(rows)s)",
            {"rows": rows},
            ["id"],
        )
        return pl.Series("row_id", ids[:, 0], dtype=pl.Int64)

    def index(self, connection: Connection) -> None:
        """For an initial load that finds its rows by their ids."""
        for table in (self.record, *self.entity.values()):
            connection.exec_driver_sql(f"create index if not exists {table.name}_row_id on {table.fullname} (row_id)")

    def blocks(self, connection: Connection) -> dict[str, int]:
        """How many blocks ``record`` and each entity take by now: what is staged next stands behind them, or in the last of them."""
        staged = {"record": self.record, **self.entity}
        sizes = ", ".join(f"pg_relation_size('{table.fullname}')" for table in staged.values())
        *found, block = connection.exec_driver_sql(f"select {sizes}, current_setting('block_size')::bigint").one()
        return {name: size // block for name, size in zip(staged, found, strict=True)}

    def copy(self, connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """COPY a frame whose columns are some of the table's."""
        copy_frame(connection, table, frame)

    def copy_records(self, connection: Connection, frame: pl.DataFrame) -> None:
        """COPY rows into ``record``; ``raw`` of the frame is JSON text."""
        if self.trial:
            copy_frame(
                connection,
                self.record,
                self._doubt_times(connection, frame).with_columns(pl.col("raw").cast(pl.Binary)),
            )
            return
        if self._packer is None:
            self._packer = rawrow.Packer(connection, self.feed, frame["raw"])
        frame = self._doubt_times(connection, frame)
        copy_frame(connection, self.record, frame.with_columns(self._packer.pack(frame["raw"]).alias("raw")))

    def _doubt_times(self, connection: Connection, frame: pl.DataFrame) -> pl.DataFrame:
        """A time that nobody can believe orders no version before one that can be believed: it becomes the rank below.

        Believed is what lies after 1980 and at most :data:`TOLERANCE` after its payload was received. Among themselves
        such versions keep the order of their times; it depends on nothing but the version and its own receipt.
        """
        if frame["source_time"].null_count() == frame.height:
            return frame
        receipt = tables.receipt.c
        numbers = frame["receipt_id"].unique().to_list()
        rows = connection.execute(sa.select(receipt.id, receipt.finished_at).where(receipt.id.in_(numbers)))
        finished = {number: at for number, at in rows}
        first, last = frame["source_time"].min(), frame["source_time"].max()
        received_first = min(finished.values(), default=clock.now())
        if first >= EARLIEST and last <= received_first + TOLERANCE:  # type: ignore[operator] # some time is there
            return frame
        received = frame["receipt_id"].replace_strict(
            finished, default=clock.now() if self.trial else None, return_dtype=pl.Datetime("us")
        )
        time = pl.col("source_time")
        doubted = (time < EARLIEST) | (time > received.alias("received") + TOLERANCE)
        doubtful = frame.filter(doubted)
        if doubtful.is_empty():
            return frame
        issues = doubtful.select(
            pl.lit("unbelievable_time").alias("code"),
            pl.lit("warning").alias("severity"),
            pl.lit("provider").alias("duty"),
            pl.col("record_key").alias("record"),
            pl.lit("source_time").alias("field"),
            time.dt.strftime("%Y-%m-%d %H:%M:%S").alias("detail"),
            pl.lit(1, dtype=pl.Int64).alias("count"),
        )
        copy_frame(connection, self.issue, issues)
        below = time.dt.epoch("ms") * 100 + pl.col("rank").cast(pl.Int64).fill_null(0)
        return frame.with_columns(
            pl.when(doubted).then(None).otherwise(time).alias("source_time"),
            pl.when(doubted).then(below).otherwise(pl.col("rank").cast(pl.Int64)).alias("rank"),
        )

    def analyze(self, connection: Connection) -> None:
        """Tell the planner how large the batch is, and how its keys are spread."""
        connection.exec_driver_sql("set local default_statistics_target = 10")  # some thousand rows say it as well
        connection.exec_driver_sql(f"analyze {self.record.fullname} (row_id, record_key)")
        for table in (self.failed, *self.entity.values()):
            connection.exec_driver_sql(f"analyze {table.fullname} (row_id)")
        connection.exec_driver_sql("set local default_statistics_target to default")

    def drop(self, connection: Connection) -> None:
        """Drop every staging table of the run."""
        drop(connection, [self.run_id])


def drop(connection: Connection, runs: Sequence[int]) -> None:
    """Drop the staging tables of runs that ended."""
    wanted = {int(run) for run in runs}
    for run, table in leftovers(connection):
        if run in wanted:
            connection.exec_driver_sql(f"drop table if exists {table} cascade")  # with the view of its versions


def trial(run_id: int) -> AbstractContextManager[bool]:
    """Held while a tryout is at work: its run has no row that says so. Whether nobody else holds it."""
    return one_at_a_time("tryout", str(run_id))


def leftovers(connection: Connection) -> list[tuple[int, str]]:
    """(run, qualified table) of every staging table that stands."""
    rows = connection.execute(
        sa.text(
            "select substring(tablename from '^s([0-9]+)_')::bigint, format('%I.%I', schemaname, tablename) "
            "from pg_tables where schemaname = :schema and tablename ~ '^s[0-9]+_'"
        ),
        {"schema": tables.STAGING},
    )
    return [(run, table) for run, table in rows]
