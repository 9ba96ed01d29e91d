"""One number for the whole store: equal content gives equal hashes, whatever the order of arrival.

Ids and times of our own, receipts and runs are left out; so are versions that were withdrawn, and golden rows that stand no
more: which of a case's numbers stood alone for a while depends on what came first.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import tables
from store.engine import engine

# A sum of digests does not depend on the order of rows; two parts of 60 bits each, as one sum could cancel out.
_SUM = """
select coalesce(sum(('x' || left(d, 15))::bit(60)::bigint::numeric), 0)::text || '.' ||
       coalesce(sum(('x' || substr(d, 16, 15))::bit(60)::bigint::numeric), 0)::text || '.' || count(*)::text
from (select encode(sha256(convert_to({row}, 'UTF8')), 'hex') as d from {table}) digests
"""
_RECORD = "concat_ws(chr(31), r.feed, r.record_key, encode({v}.content_hash, 'hex'), {v}.source_time, {v}.rank, {last})"


def of_sources() -> str:
    """Hash of every source's records, current and earlier versions."""
    with engine().connect() as connection:
        return _digest(connection, _source_parts())


def of_store() -> str:
    """Hash of sources and golden rows together: what ``onemap store hash`` prints."""
    with engine().connect() as connection:
        return _digest(connection, [*_source_parts(), *_golden_parts()])


def parts() -> dict[str, str]:
    """Part → its sum and count, to see where two stores differ."""
    with engine().connect() as connection:
        return dict(_sums(connection, [*_source_parts(), *_golden_parts()]))


def _source_parts() -> list[tuple[str, str, str]]:
    record = _RECORD.format(v="r", last="r.tombstoned_at is not null, r.tombstone = 'said'")
    older = _RECORD.format(v="h", last="h.said_gone")
    entities = [
        (
            f"source.{name}",
            "concat_ws(chr(31), r.feed, r.record_key, e.ord::text, (to_jsonb(e) - 'record_id' - 'ord')::text)",
            f"{table.fullname} e join source.record r on r.id = e.record_id",
        )
        for name, table in tables.source_entity.items()
    ]
    return [
        ("source.record", record, "source.record r"),
        (
            "source.record_history",
            older,
            "source.record_history h join source.record r on r.id = h.record_id where h.withdrawn_at is null",
        ),
        *entities,
    ]


def _golden_parts() -> list[tuple[str, str, str]]:
    return [
        (
            f"store.{name}",
            "(to_jsonb(g) - 'changed_at' - 'gone_at')::text",
            f"{table.fullname} g where gone_at is null",
        )
        for name, table in tables.golden.items()
    ]


def _sums(connection: Connection, what: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    found = []
    for name, row, table in what:
        statement = _SUM.replace("{row}", row).replace("{table}", table)
        found.append((name, connection.exec_driver_sql(statement).scalar_one()))
    return found


def _digest(connection: Connection, what: list[tuple[str, str, str]]) -> str:
    text = "\n".join(f"{name} {total}" for name, total in _sums(connection, what))
    return connection.execute(
        sa.text("select encode(sha256(convert_to(:text, 'UTF8')), 'hex')"), {"text": text}
    ).scalar_one()
