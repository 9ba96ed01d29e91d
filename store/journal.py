"""The journal in the archive: every run with its receipts, and what persons decided, beside the payloads themselves.

The database is the truth while it lives. When it is gone, the archive alone makes it again (:mod:`pipeline.rebuild`): the
journal says in which order payloads came, for which window, with what proof, and what became of them. Documents below the
archive, named by the store that wrote them::

    journal/<store>/<thousands>/<run>     one run that ended: its row, receipts, completed intervals, connector's state
    journal/<store>/decisions             judgements of identity, released and refused deletions, dismissed rows

Each is written whole after the run's commit; a run that could not be written (its process died, the archive was away) is
written by the next :func:`flush`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError, OneMapError
from core.redaction import redact
from store import archive
from store.engine import engine, lock_key, transaction

log = logging.getLogger(__name__)
_AT_ONCE = 500
_RUN = """
select jsonb_build_object(
    'run', to_jsonb(u) - 'journaled_at',
    'receipts', coalesce((select jsonb_agg(to_jsonb(c) order by c.id) from landing.receipt c where c.run_id = u.id), '[]'),
    'completed', (select to_jsonb(c) - 'updated_at' from landing.completed c where c.feed = u.feed),
    'state', (select s.state from landing.feed_state s where s.feed = u.feed)) as document, u.id
from landing.run u where u.ended_at is not null and u.journaled_at is null order by u.id limit :most
"""
_DECISIONS = {
    "identity": "select to_jsonb(t) from store.identity_judgement t order by t.id",
    "assignments": "select to_jsonb(t) from supervision.assignment t order by t.id",
    "care": "select to_jsonb(t) from supervision.care_note t order by t.id",
    "holds": "select to_jsonb(t) from landing.hold t where t.decision in ('released', 'refused') order by t.id",
    "dismissed": """select jsonb_build_object('feed', t.feed, 'fingerprint', encode(t.fingerprint, 'hex'), 'closed_at', t.closed_at,
                                              'closed_by', t.closed_by, 'note', t.note)
                    from landing.quarantine t where t.state = 'dismissed' order by t.id""",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as it stands in the journal; ``run`` and ``receipts`` are rows of the tables of these names."""

    run: dict[str, Any]
    receipts: list[dict[str, Any]]
    completed: dict[str, Any] | None
    state: dict[str, Any] | None


def flush() -> int:
    """Write what has ended and is not written yet; returns how many runs. Two at once wait for each other.

    :raises OneMapError: the archive cannot be written to; what was written is marked.
    """
    written = 0
    with engine().connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(lock_key("journal", ""))))
        try:
            store = _store(connection)
            while rows := connection.execute(sa.text(_RUN), {"most": _AT_ONCE}).all():
                connection.commit()
                for row in rows:
                    archive.write_document(_name(store, row.id), row.document)
                connection.execute(
                    sa.text("update landing.run set journaled_at = now() where id = any(:ids)"),
                    {"ids": [row.id for row in rows]},
                )
                connection.commit()
                written += len(rows)
            _write_decisions(connection, store)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(sa.select(sa.func.pg_advisory_unlock(lock_key("journal", ""))))
            connection.commit()
    return written


def decided() -> None:
    """A person has decided: it is written at once, and by the next run where the archive is away."""
    try:
        flush()
    except (sa.exc.SQLAlchemyError, OneMapError) as error:
        log.error("the journal of the archive waits for the next run: %s", redact(str(error)))


def waiting() -> int:
    """How many runs ended and are not written yet."""
    with engine().connect() as connection:
        return connection.exec_driver_sql(
            "select count(*) from landing.run where ended_at is not null and journaled_at is null"
        ).scalar_one()


def own() -> str:
    """The name of this store in the archive."""
    with engine().connect() as connection:
        return _store(connection)


def _store(connection: Connection) -> str:
    return str(connection.exec_driver_sql("select store from landing.journal").scalar_one())


def _name(store: str, run_id: int) -> str:
    return f"journal/{store}/{run_id // 1000:09d}/{run_id:012d}"


def _write_decisions(connection: Connection, store: str) -> None:
    found = {name: list(connection.exec_driver_sql(query).scalars()) for name, query in _DECISIONS.items()}
    digest = hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()
    if connection.exec_driver_sql("select decisions from landing.journal").scalar_one() == digest:
        return
    archive.write_document(f"journal/{store}/decisions", found)
    connection.execute(sa.text("update landing.journal set decisions = :d, updated_at = now()"), {"d": digest})


# -- the way back ------------------------------------------------------------------------------------------------------


def stores() -> list[str]:
    """The stores that have a journal in the archive."""
    return sorted({name.split("/")[1] for name in archive.documents("journal")})


def the_store(wanted: str | None = None) -> str:
    """:raises ConfigurationError: the archive holds no journal, or several and none was named."""
    found = stores()
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted in found:
        return str(wanted)
    raise ConfigurationError(
        f"the archive has {len(found)} journals" + (f", none of {wanted}" if wanted else ""),
        remedy=f"name one with --store: {', '.join(found)}" if found else "check ONEMAP_ARCHIVE_URL",
        zh=f"归档中有 {len(found)} 份日志"
        + ("，请用 --store 指定：" + "、".join(found) if found else "，请检查 ONEMAP_ARCHIVE_URL。"),
    )


def entries(store: str) -> list[str]:
    """Names of a store's runs, in their order."""
    return [name for name in archive.documents(f"journal/{store}") if name.rpartition("/")[2].isdigit()]


def read(name: str) -> Entry:
    """:raises InternalError: it is damaged."""
    document = archive.read_document(name)
    return Entry(document["run"], document["receipts"], document["completed"], document["state"])


def adopt(store: str) -> None:
    """This database goes on with that journal."""
    with transaction() as connection:
        connection.execute(sa.text("update landing.journal set store = :store, decisions = null"), {"store": store})


def restore_row(connection: Connection, table: str, row: dict[str, Any]) -> None:
    """A row of ``landing.run`` or ``landing.receipt`` with its own number; what the table lacks of it is left out."""
    connection.execute(
        sa.text(
            f"insert into {table} overriding system value "
            f"select * from jsonb_populate_record(null::{table}, cast(:row as jsonb)) on conflict do nothing"
        ),
        {"row": json.dumps(row)},
    )


#: Codes that a person judged to be one project lead to it again.
_ALIASES_OF_JUDGEMENTS = """insert into store.project_alias (alias, project_id, why, judgement_id)
select left_id, right_id, 'judgement', id from store.identity_judgement
where entity = 'project' and verdict = 'same' and undone_at is null
on conflict (alias) do update set project_id = excluded.project_id, why = excluded.why,
    judgement_id = excluded.judgement_id"""


def restore_decisions(store: str) -> int:
    """What persons decided, before the records are unified; returns how many decisions."""
    found = archive.read_document(f"journal/{store}/decisions") or {}
    with transaction() as connection:
        for row in found.get("identity", []):
            restore_row(connection, "store.identity_judgement", row)
        connection.exec_driver_sql(_ALIASES_OF_JUDGEMENTS)
        for row in found.get("dismissed", []):
            connection.execute(
                sa.text(
                    """update landing.quarantine set state = 'dismissed', closed_at = :closed_at, closed_by = :closed_by, note = :note
                       where feed = :feed and fingerprint = decode(:fingerprint, 'hex') and state = 'open'"""
                ),
                row,
            )
        for name, table in (("assignments", "supervision.assignment"), ("care", "supervision.care_note")):
            for row in found.get(name, []):
                restore_row(connection, table, row)
            _advance_numbers(connection, table)
        _advance_numbers(connection, "store.identity_judgement")
    return sum(len(rows) for rows in found.values())


def next_run(connection: Connection, number: int) -> None:
    """The next run that is opened has that number."""
    connection.execute(
        sa.text("select setval(pg_get_serial_sequence('landing.run', 'id'), :number, false)"), {"number": number}
    )


def settle_numbers() -> None:
    """New runs and receipts go on after the last ones of the journal."""
    with transaction() as connection:
        for table in ("landing.run", "landing.receipt"):
            _advance_numbers(connection, table)


def _advance_numbers(connection: Connection, table: str) -> None:
    connection.exec_driver_sql(
        f"select setval(pg_get_serial_sequence('{table}', 'id'), greatest(coalesce((select max(id) from {table}), 0), 0) + 1, false)"
    )
