"""A batch on its way: unlogged tables of one run, filled by COPY a payload at a time.

For run 12 of a feed that maps to ``case`` and ``case_event``, in schema ``staging``::

    s12_record       row_id, receipt_id, place, scope, record_key, source_time, rank, tombstone, raw, again,
                     content_hash
    s12_case         row_id, ord, <columns of the entity>                    (no row for a rejected or tombstone row)
    s12_case_event   row_id, ord, <columns of the entity>
    s12_failed       row_id, code, field, message, value                     every reason why a row goes to quarantine
    s12_reject       receipt_id, place, record_key, code, field, message, raw     what has no row: it did not decode
    s12_issue        code, severity, duty, record, field, detail, count      what is told and stops nothing

``raw`` is the row, ``content_hash`` the SHA-256 of its canonical JSON text (mappings.compiler), by which versions are
compared; parsing and hashing is done as rows are staged, beside the reading of the next ones. ``again``:
a version known already, mapped once more because it stands again; it did not come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection

from store import tables
from store.engine import copy_frame

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
    "raw": JSONB,
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
ISSUE = {
    **{name: sa.Text for name in ("code", "severity", "duty", "record", "field", "detail")},
    "count": sa.BigInteger,
}


#: A time of update is believed from here on, and up to so long after the payload that says it was received.
EARLIEST = datetime(1980, 1, 1)
TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks say of a batch: whether it goes on, how many rows are rejected, and if not, why."""

    go: bool
    rejected: int
    code: str = ""
    message: str = ""
    remedy: str = ""
    zh: str = ""


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
    full: bool = False
    floor: int = 0
    max_rejected: float = 1.0
    rows: int = 0
    rejects: int = 0
    receipts: list[int] = field(default_factory=list)
    scopes: set[str] = field(default_factory=set)
    scoped: bool = False  # some row belongs to a part that is sent again wholly
    spared: bool = False  # deletions were found and are left to a person
    next_row: int = 0  # id of the next row staged
    schema: str = tables.STAGING

    def __post_init__(self) -> None:
        self._copies = 0
        self._meta = sa.MetaData()
        self.record = self._table("record", RECORD)
        self.failed = self._table("failed", FAILED)
        self.reject = self._table("reject", REJECT)
        self.issue = self._table("issue", ISSUE)
        self.entity = {
            name: sa.Table(
                f"s{self.run_id}_{name}",
                self._meta,
                sa.Column("row_id", sa.BigInteger),
                sa.Column("ord", sa.Integer),
                *(sa.Column(column.name, column.type) for column in tables.entity_columns(name)),
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
        if part not in {
            "record",
            "failed",
            "reject",
            "issue",
            "version",
            "withdrawn",
            "missing",
            "differs",
            "late",
            *self.entities,
        }:
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

    def copy(self, connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """COPY a frame whose columns are some of the table's."""
        copy_frame(connection, table, frame)

    def copy_records(self, connection: Connection, frame: pl.DataFrame) -> None:
        """COPY rows into ``record``; ``raw`` of the frame is JSON text."""
        self._copies += 1
        incoming = f"incoming_{self.run_id}_{self._copies}"
        columns = [name for name in RECORD if name not in ("raw", "content_hash")]
        listed = ", ".join(columns)
        connection.exec_driver_sql(
            f"create temp table {incoming} on commit drop as "
            f"select {listed}, null::text as raw from {self.record.fullname} limit 0"
        )
        copy_frame(connection, sa.Table(incoming, sa.MetaData()), frame)
        self._doubt_times(connection, incoming, frame)
        connection.exec_driver_sql(
            f"""insert into {self.record.fullname} ({listed}, raw, content_hash)
                select {listed}, raw::jsonb, sha256(convert_to(raw, 'UTF8')) from {incoming}"""
        )

    def _doubt_times(self, connection: Connection, incoming: str, frame: pl.DataFrame) -> None:
        """A time that nobody can believe orders no version before one that can be believed: it becomes the rank below.

        Believed is what lies after 1980 and at most :data:`TOLERANCE` after its payload was received. Among themselves
        such versions keep the order of their times; it depends on nothing but the version and its own receipt.
        """
        if "source_time" not in frame.columns or frame["source_time"].null_count() == frame.height:
            return
        received = "(select finished_at from landing.receipt r where r.id = i.receipt_id)"
        values = {"earliest": EARLIEST, "tolerance": TOLERANCE}
        doubtful = sa.text(
            f"""select 1 from (select receipt_id, min(source_time) as earliest, max(source_time) as latest
                               from {incoming} group by receipt_id) i
                where i.earliest < :earliest or i.latest > {received} + :tolerance"""
        )
        if connection.execute(doubtful, values).first() is None:
            return
        connection.execute(
            sa.text(
                f"""with doubted as (
                        update {incoming} i
                        set source_time = null,
                            rank = (extract(epoch from source_time) * 1000)::bigint * 100 + coalesce(rank, 0)
                        from (select ctid as row, source_time as written from {incoming}) o
                        where o.row = i.ctid
                          and (source_time < :earliest or source_time > {received} + :tolerance)
                        returning i.record_key, o.written)
                    insert into {self.issue.fullname} (code, severity, duty, record, field, detail, count)
                    select :code, 'warning', 'provider', record_key, 'source_time',
                           to_char(written, 'YYYY-MM-DD HH24:MI:SS'), 1
                    from doubted"""
            ),
            values | {"code": "unbelievable_time"},
        )

    def analyze(self, connection: Connection) -> None:
        """Tell the planner how large the batch is, and how its keys are spread."""
        connection.exec_driver_sql(f"analyze {self.record.fullname} (row_id, record_key)")
        for table in (self.failed, *self.entity.values()):
            connection.exec_driver_sql(f"analyze {table.fullname} (row_id)")

    def drop(self, connection: Connection) -> None:
        """Drop every staging table of the run."""
        drop(connection, [self.run_id])


def drop(connection: Connection, runs: Sequence[int]) -> None:
    """Drop the staging tables of runs that ended."""
    wanted = {int(run) for run in runs}
    for run, table in leftovers(connection):
        if run in wanted:
            connection.exec_driver_sql(f"drop table if exists {table}")


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
