"""What each receiver has, waits for and refused: ``serving.push_row``, ``push_batch``, ``push_state``. Set-based; each function is one
transaction's part.

A batch's bytes stand in the archive before the first attempt, and no row of an open batch changes: whatever dies is sent again as it
was. A row's way: waiting → (in a batch) → accepted or rejected; rejected ones wait for a person (:func:`redrive`) or for a change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError, NotFoundError, OneMapError
from core.redaction import depersonalise, redact
from store.copying import copy_frame
from store.engine import transaction

_CHOSEN = """
create temp table chosen (key text primary key, cells text not null, reasons text, hash bytea) on commit drop"""
_HASH = "update chosen set hash = sha256(convert_to(cells || coalesce(reasons, ''), 'UTF8'))"
#: what is new, changed, or came back to what the receiver has
_ENTER = """
insert into serving.push_row as r (output, key, state, operation, wanted_hash, cells, reasons)
select :output, c.key, case when c.reasons is null then 'waiting' else 'rejected' end, 'I', c.hash, c.cells::jsonb, c.reasons::jsonb
from chosen c
on conflict (output, key) do update set
    state = case when excluded.wanted_hash = r.taken_hash then 'accepted'
                 when excluded.wanted_hash = r.wanted_hash then r.state
                 else excluded.state end,
    operation = case when r.taken_hash is null then 'I' else 'U' end,
    wanted_hash = excluded.wanted_hash,
    cells = case when excluded.wanted_hash = r.taken_hash then null else excluded.cells end,
    reasons = case when excluded.wanted_hash = r.taken_hash then null
                   when excluded.wanted_hash = r.wanted_hash then r.reasons else excluded.reasons end,
    attempts = case when excluded.wanted_hash = r.wanted_hash then r.attempts else 0 end,
    since = case when excluded.wanted_hash is not distinct from r.wanted_hash then r.since else now() end
where r.wanted_hash is distinct from excluded.wanted_hash or r.operation = 'D'"""
#: what the filter chooses no more: deleted at the receiver, or forgotten where it never had it
_FORGET = """
delete from serving.push_row r where r.output = :output and r.taken_hash is null and {looked}
    and not exists (select from chosen c where c.key = r.key)"""
_GONE = """
update serving.push_row r set state = 'waiting', operation = 'D', wanted_hash = sha256('gone'), cells = '{{}}', reasons = null, attempts = 0, since = now()
where r.output = :output and r.taken_hash is not null and {looked}
    and wanted_hash is distinct from sha256('gone') and not exists (select from chosen c where c.key = r.key)"""
#: of those that were looked at: every key, or the keys that may have changed
_ALL = "true"
_SOME = "r.key = any(cast(:keys as text[]))"


#: the rows of a batch: those that waited; of a whole, for as long as its receipt is to come
_OF_BATCH = """
update serving.push_row r set batch_id = cast(:id as uuid), ord = k.ord
from unnest(cast(:keys as text[])) with ordinality k(key, ord) where r.output = :output and r.key = k.key"""
_OF_WHOLE = """
insert into serving.push_row (output, key, state, operation, wanted_hash, cells, batch_id, ord)
select :output, :period || '|' || k.key, 'waiting', 'I', sha256('whole'), '{}', cast(:id as uuid), k.ord
from unnest(cast(:keys as text[])) with ordinality k(key, ord)"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row on its way: its key in the store, I, U or D, and the receiver's columns without the hub's own."""

    key: str
    operation: str
    cells: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Batch:
    """One sending."""

    id: str
    output: str
    name: str
    period: str | None
    revision: int
    state: str
    rows: int
    sent: int
    body_sha256: str
    made_at: Any
    attempts: int


def state(connection: Connection, output: str) -> dict[str, Any]:
    """The output's state; made where there is none."""
    connection.execute(
        sa.text("insert into serving.push_state (output) values (:output) on conflict do nothing"), {"output": output}
    )
    row = connection.execute(sa.text("select * from serving.push_state where output = :output"), {"output": output})
    return dict(row.one()._mapping)


def undecided(connection: Connection, output: str) -> list[str]:
    """Keys that were put up to be looked at again."""
    rows = connection.execute(
        sa.text("select key from serving.push_row where output = :output and wanted_hash is null"), {"output": output}
    )
    return list(rows.scalars())


def take(
    connection: Connection,
    output: str,
    chosen: Iterable[pl.DataFrame],
    *,
    looked: list[str] | None,
    declared: str,
    place: tuple[int, int],
) -> None:
    """Compare what a receiver is to have with what it has.

    :param looked: the keys that were looked at; None: all.
    """
    connection.exec_driver_sql(_CHOSEN)
    table = sa.table("chosen", sa.column("key"), sa.column("cells"), sa.column("reasons"))
    for frame in chosen:
        copy_frame(connection, table, frame)
    connection.exec_driver_sql(_HASH)
    connection.execute(sa.text(_ENTER), {"output": output})
    values = {"output": output, **({} if looked is None else {"keys": looked})}
    among = _ALL if looked is None else _SOME
    connection.execute(sa.text(_FORGET.format(looked=among)), values)
    connection.execute(sa.text(_GONE.format(looked=among)), values)
    connection.execute(
        sa.text(
            """update serving.push_state set declared = :declared, xid = :xid, seq = :seq, looked_at = now() where output = :output"""
        ),
        {"output": output, "declared": declared, "xid": place[0], "seq": place[1]},
    )


def waiting(connection: Connection, output: str, limit: int) -> list[Row]:
    """What waits, the oldest first."""
    rows = connection.execute(
        sa.text(
            """select key, operation, cells from serving.push_row where output = :output and state = 'waiting'
               order by since, key limit :limit"""
        ),
        {"output": output, "limit": limit},
    )
    return [Row(row.key, row.operation, dict(row.cells or {})) for row in rows]


def opened(connection: Connection, output: str) -> Batch | None:
    """The batch that is not settled yet."""
    row = connection.execute(
        sa.text(
            """select id::text as id, output, name, period, revision, state, rows, sent, body_sha256, made_at, attempts
               from serving.push_batch where output = :output and state <> 'settled'"""
        ),
        {"output": output},
    ).first()
    return Batch(**row._mapping) if row else None


def revisions(connection: Connection, output: str, name: str) -> int:
    """How many files of that name, without its ending, there are already."""
    return connection.execute(
        sa.text(
            "select count(*) from serving.push_batch where output = :output and (starts_with(name, :name || '.') or starts_with(name, :name || '-'))"
        ),
        {"output": output, "name": name},
    ).scalar_one()


#: A batch, numbered within its output and period.
_MAKE = """insert into serving.push_batch (id, output, period, revision, rows, sent, name, body_sha256, made_at)
values (cast(:id as uuid), :output, :period,
        1 + (select count(*) from serving.push_batch where output = :output and period = :period),
        :rows, :sent, :name, :sha, :at)"""


def make(connection: Connection, draft: Batch, keys: list[str], body_sha256: str, *, refused: int) -> None:
    """Write a batch down with its rows. ``refused``: rows of a whole that could not be told in the receiver's words."""
    connection.execute(
        sa.text(_MAKE),
        {
            "id": draft.id,
            "output": draft.output,
            "period": draft.period,
            "rows": draft.sent + refused,
            "sent": draft.sent,
            "name": draft.name,
            "sha": body_sha256,
            "at": draft.made_at,
        },
    )
    connection.execute(
        sa.text(_OF_BATCH if draft.period is None else _OF_WHOLE),
        {"id": draft.id, "output": draft.output, "keys": keys, "period": draft.period},
    )


def tried(connection: Connection, id_: str) -> None:
    """Counted before it is sent: a crash leaves a trace."""
    connection.execute(
        sa.text(
            "update serving.push_batch set attempts = attempts + 1, tried_at = clock_timestamp() where id = cast(:id as uuid)"
        ),
        {"id": id_},
    )


def delivered(connection: Connection, id_: str) -> None:
    """It is there; the receipt is to come."""
    connection.execute(
        sa.text("update serving.push_batch set state = 'delivered', error = null where id = cast(:id as uuid)"),
        {"id": id_},
    )


def settle(connection: Connection, batch: Batch, rejected: dict[int, str], receipt_sha256: str | None) -> None:
    """What the receiver took and refused: ``rejected`` by the row's place in the batch, from 1, with its word."""
    values = {"id": batch.id, "output": batch.output}
    if rejected:
        reasons = [
            json.dumps([{"code": "refused", "field": "", "detail": _safe(text)}], ensure_ascii=False)
            for text in rejected.values()
        ]
        connection.execute(
            sa.text(
                """update serving.push_row r set state = 'rejected', reasons = k.reasons::jsonb, attempts = attempts + 1, batch_id = null, ord = null
                   from unnest(cast(:ords as integer[]), cast(:reasons as text[])) k(ord, reasons)
                   where r.batch_id = cast(:id as uuid) and r.ord = k.ord"""
            ),
            {**values, "ords": list(rejected), "reasons": reasons},
        )
    connection.execute(
        sa.text(
            "delete from serving.push_row where batch_id = cast(:id as uuid) and (operation = 'D' or cast(:period as text) is not null)"
        ),
        {**values, "period": batch.period},
    )
    connection.execute(
        sa.text(
            """update serving.push_row set state = 'accepted', taken_hash = wanted_hash, cells = null, reasons = null, attempts = attempts + 1,
                   batch_id = null, ord = null, taken_at = now()
               where batch_id = cast(:id as uuid)"""
        ),
        values,
    )
    refused = batch.rows - batch.sent + len(rejected)
    connection.execute(
        sa.text(
            """update serving.push_batch set state = 'settled', accepted = rows - :refused, rejected = :refused, settled_at = now(),
                   receipt_sha256 = :receipt, error = null where id = cast(:id as uuid)"""
        ),
        {**values, "refused": refused, "receipt": receipt_sha256},
    )


def refuse_whole(connection: Connection, output: str, period: str, refused: pl.DataFrame) -> None:
    """Rows of a whole that cannot be told in the receiver's words, in place of those of an earlier try at the period."""
    connection.execute(
        sa.text("delete from serving.push_row where output = :output and starts_with(key, :prefix || '|')"),
        {"output": output, "prefix": period},
    )
    connection.execute(
        sa.text(
            """insert into serving.push_row (output, key, state, operation, wanted_hash, cells, reasons)
               select :output, :prefix || '|' || k.key, 'rejected', 'I', sha256('whole'), k.cells::jsonb, k.reasons::jsonb
               from unnest(cast(:keys as text[]), cast(:cells as text[]), cast(:reasons as text[])) k(key, cells, reasons)"""
        ),
        {
            "output": output,
            "prefix": period,
            "keys": refused["key"].to_list(),
            "cells": refused["cells"].to_list(),
            "reasons": refused["reasons"].to_list(),
        },
    )


def sent_for(connection: Connection, output: str, period: str) -> bool:
    """Whether there is a batch of that period."""
    return connection.execute(
        sa.text("select exists (select from serving.push_batch where output = :output and period = :period)"),
        {"output": output, "period": period},
    ).scalar_one()


#: How the run of an output ended: a failure is counted and keeps its first time, a success ends the row of them.
_ENDED = """update serving.push_state set ran_at = now(),
failures = case when cast(:error as text) is null then 0 else failures + 1 end,
failing_since = case when cast(:error as text) is null then null else coalesce(failing_since, now()) end,
fault = :fault, error = :error, zh = :zh where output = :output"""


def ended(output: str, error: OneMapError | None) -> None:
    """How a run ended."""
    with transaction() as connection:
        state(connection, output)
        connection.execute(
            sa.text(_ENDED),
            {
                "output": output,
                "fault": error.fault.value if error else None,
                "error": _safe(str(error)) if error else None,
                "zh": _safe(error.zh) if error else None,
            },
        )
        if error:
            connection.execute(
                sa.text("update serving.push_batch set error = :error where output = :output and state <> 'settled'"),
                {"output": output, "error": _safe(error.message)},
            )


def redrive(output: str, keys: list[str] | None = None) -> int:
    """Put refused rows up again, made anew from the store at the next run; returns how many. A whole's rows come with its period."""
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """update serving.push_row set wanted_hash = null, attempts = 0
                   where output = :output and state = 'rejected' and (cast(:keys as text[]) is null or key = any(cast(:keys as text[])))"""
            ),
            {"output": output, "keys": keys},
        ).rowcount
    if keys and not done:
        raise NotFoundError(
            f"{output} has no refused row {', '.join(keys)}",
            remedy="see onemap push rejected",
            zh=f"推送项 {output} 没有被拒的记录 {'、'.join(keys)}。",
        )
    return done


def dismiss(output: str, keys: list[str], by: str, note: str) -> int:
    """Leave refused rows out until they change. :raises ConfigurationError: without a reason."""
    if not note.strip():
        raise ConfigurationError("a dismissal needs a reason", remedy="say why", zh="须填写不予推送的理由。")
    reason = json.dumps([{"code": "dismissed", "field": "", "detail": f"{by}：{note}"}], ensure_ascii=False)
    with transaction() as connection:
        return connection.execute(
            sa.text(
                """update serving.push_row set reasons = reasons || cast(:said as jsonb)
                   where output = :output and state = 'rejected' and key = any(cast(:keys as text[]))
                     and not reasons @> '[{"code": "dismissed"}]'"""
            ),
            {"output": output, "keys": keys, "said": reason},
        ).rowcount


def _safe(text: str) -> str:
    return depersonalise(redact(text))[:500].replace("\x00", "")


def stamp() -> str:
    """Now, as part of a file's name."""
    return f"{clock.now():%Y%m%d%H%M%S}"
