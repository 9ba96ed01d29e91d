"""One output after the other: settle what is open, look what changed, send batch by batch. Each step is one transaction, so that a run
that dies anywhere is gone on with by the next, with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from connectors.base import CheckLine
from connectors.endpoint import resolve
from core import clock
from core.errors import ConfigurationError, InternalError, OneMapError
from serving import audit
from serving.access import Grant, grant_of, reading
from serving.push import choose, ledger, receivers
from serving.push.choose import Period
from serving.push.ledger import Batch, Row
from serving.push.receivers import Call, LookUp, Outcome
from serving.query import changes, paging
from sinks import loader
from sinks.declaration import Output, Sink
from store import archive
from store.engine import one_at_a_time, transaction

log = logging.getLogger(__name__)
_AHEAD = 5_000  # changes that are read at a time
_NOTHING = pl.DataFrame(schema={"key": pl.String, "cells": pl.String, "reasons": pl.String})
_MANY = 50_000  # beyond so many changes all rows are looked at: one statement is quicker than a list


@dataclass(slots=True)
class Pushed:
    """What a run did. ``rows`` = accepted + rejected of every batch that it settled; ``open``: a batch waits for its receipt."""

    output: str
    batches: int = 0
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    open: bool = False
    busy: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def grant_for(sink: Sink) -> Grant:
    """What the receiver may see. :raises ConfigurationError: a scope that is none."""
    return grant_of(f"sink {sink.sink}", ["read:projects", *sink.scopes])


def push(
    output_id: str, *, whole: bool = False, period: str | None = None, again: bool = False, look_up: LookUp = resolve
) -> Pushed:
    """Bring one output's receiver up to date.

    :param whole: look at every row, not at those that changed alone.
    :param period: of ``mode: whole``: another period than the last; ``again``: also where it was sent already.
    :raises OneMapError: typed by whose fault; what was settled before stands, the rest is gone on with.
    """
    sink, output = loader.output(output_id)
    with one_at_a_time("push", output_id) as held:
        if not held:
            return Pushed(output_id, busy=True)
        try:
            done = _push(sink, output, whole, period, again, look_up)
        except OneMapError as error:
            ledger.ended(output_id, error)
            raise
        except Exception as error:
            ledger.ended(output_id, InternalError(f"{type(error).__name__}", zh="本系统缺陷，详见日志。"))
            raise
        ledger.ended(output_id, None)
        return done


def _push(sink: Sink, output: Output, whole: bool, period: str | None, again: bool, look_up: LookUp) -> Pushed:
    endpoint = look_up(sink.connection)
    result = Pushed(output.id)

    def settled(batch: Batch) -> bool:
        return _send(Call(sink, output, endpoint, batch), result)

    with transaction() as connection:
        batch = ledger.opened(connection, output.id)
    if batch is not None and not settled(batch):
        return result
    if output.mode == "whole":
        if (created := _whole(sink, output, endpoint, period, again)) is not None:
            settled(created)
        return result
    if period is not None:
        raise ConfigurationError(
            f"{output.id} has no period", remedy="leave --period out", zh=f"推送项 {output.id} 按变更推送，没有期间。"
        )
    _look(sink, output, whole)
    while True:
        created = _make(sink, output, endpoint)
        if created is None or not settled(created):
            return result


# -- looking -------------------------------------------------------------------------------------------------------------


def _declared(sink: Sink, output: Output) -> str:
    """What, when it changes, makes every row be looked at again."""
    definition = {"entity": output.entity, "where": output.where and output.where.model_dump(), "scopes": sink.scopes}
    cells = {name: [cell.model_dump(), choose.codes_of(cell)] for name, cell in output.cells.items()}
    return hashlib.sha256(json.dumps([definition, cells], ensure_ascii=False, default=str).encode()).hexdigest()


def _look(sink: Sink, output: Output, whole: bool) -> None:
    """Compare what the receiver is to have with what it has, by the change feed where the declaration is the same."""
    declared, grant = _declared(sink, output), grant_for(sink)
    with transaction() as connection:
        was = ledger.state(connection, output.id)
        again = ledger.undecided(connection, output.id)
    with reading(grant, instant=True) as reader:
        reader.exec_driver_sql("set local statement_timeout = '30min'")
        changed, place = None, paging.decode(changes.LABEL, changes.end(reader), (int, int))
        if not whole and was["declared"] == declared and _reaches_back(reader, was["looked_at"]):
            changed, place = _changed(output, (was["xid"], was["seq"]))
        nothing = changed is not None and not changed and not again
        looked = None if changed is None else choose.touched(reader, output, changed, again)
        rows = [] if nothing else choose.chosen(reader, sink, output, changed=changed, keys=again)
        with transaction() as connection:
            ledger.take(connection, output.id, rows, looked=looked, declared=declared, place=place)


def _reaches_back(reader: Connection, looked_at: datetime | None) -> bool:
    """Whether the feed still has everything since then: what is older is dropped by housekeeping."""
    since = reader.exec_driver_sql("select serving.feed_since()").scalar()
    return looked_at is not None and since is not None and looked_at > since


def _changed(output: Output, place: tuple[int, int]) -> tuple[dict[str, list[str]] | None, tuple[int, int]]:
    """Entity → ids since a place of the feed, None where there are too many; and the place to go on from.

    The feed is read without restriction: a row that a receiver may see no more is one of those that changed.
    """
    found: dict[str, dict[str, None]] = {}
    count, more = 0, True
    entities = choose.watched(output)
    with reading(Grant("push")) as connection:
        while more:
            rows, place, more = changes.since(connection, *place, entities=entities, limit=_AHEAD)
            for row in rows:
                found.setdefault(row["entity"], {})[row["id"]] = None
            count += len(rows)
            if count > _MANY:
                return None, paging.decode(changes.LABEL, changes.end(connection), (int, int))
    return {entity: list(ids) for entity, ids in found.items()}, place


# -- sending -------------------------------------------------------------------------------------------------------------


def _make(sink: Sink, output: Output, endpoint: Any) -> Batch | None:
    """The next batch of what waits, its bytes archived; None: nothing waits."""
    with transaction() as connection:
        rows = ledger.waiting(connection, output.id, output.batch)
    return _batch(sink, output, endpoint, rows) if rows else None


def _whole(sink: Sink, output: Output, endpoint: Any, asked: str | None, again: bool) -> Batch | None:
    """The batch of a period; None: it was sent already."""
    assert output.period is not None
    span = choose.period_named(output.period, asked) if asked else choose.period_of(output.period, clock.today())
    with transaction() as connection:
        ledger.state(connection, output.id)
        put_up = any(key.startswith(f"{span.name}|") for key in ledger.undecided(connection, output.id))
        if ledger.sent_for(connection, output.id, span.name) and not again and not put_up:
            return None
    with reading(grant_for(sink), instant=True) as reader:
        reader.exec_driver_sql("set local statement_timeout = '30min'")
        frames = [*choose.chosen(reader, sink, output, period=span)]
    rows = pl.concat(frames) if frames else _NOTHING
    good, refused = rows.filter(pl.col("reasons").is_null()), rows.filter(pl.col("reasons").is_not_null())
    chosen = [Row(key, "I", json.loads(cells)) for key, cells in good.select("key", "cells").iter_rows()]
    return _batch(sink, output, endpoint, chosen, span, refused)


def _batch(
    sink: Sink,
    output: Output,
    endpoint: Any,
    rows: list[Row],
    span: Period | None = None,
    refused: pl.DataFrame | None = None,
) -> Batch:
    id_, at = str(uuid.uuid4()), clock.now().replace(microsecond=0)
    period = span.name if span else None
    given = sink.options_of(output)
    name = choose.filled(
        getattr(given, "file", "{output}-{batch}"),
        {"period": period or ledger.stamp(), "batch": id_, "output": output.id},
    )
    if ending := getattr(given, "format", None):
        with transaction() as connection:
            revision = ledger.revisions(connection, output.id, name) + 1
        name += f"-{revision}.{ending}" if revision > 1 else f".{ending}"
    draft = Batch(id_, output.id, name, period, 1, "waiting", len(rows), len(rows), "", at, 0)
    body = receivers.of(sink.protocol).form(Call(sink, output, endpoint, draft), rows)
    stored = archive.put(body)
    with transaction() as connection:
        if span is not None and refused is not None:
            ledger.refuse_whole(connection, output.id, span.name, refused)
        ledger.make(
            connection,
            draft,
            [row.key for row in rows],
            stored.sha256,
            refused=refused.height if refused is not None else 0,
        )
        batch = ledger.opened(connection, output.id)
    assert batch is not None
    return batch


def _send(call: Call, result: Pushed) -> bool:
    """Send a batch, or ask for its receipt; whether it is settled."""
    batch, receiver = call.batch, receivers.of(call.sink.protocol)
    body = archive.get(batch.body_sha256)
    outcome: Outcome | None
    if batch.state == "delivered":
        outcome = receiver.collect(call, body)
    else:
        with transaction() as connection:
            ledger.tried(connection, batch.id)
        grant = grant_for(call.sink)
        audit.append(
            grant.actor, "push", call.output.id, {"batch": batch.id, "rows": batch.sent, "personal": grant.personal}
        )
        outcome = receiver.send(call, body)
        if outcome is None:
            with transaction() as connection:
                ledger.delivered(connection, batch.id)
            outcome = receiver.collect(call, body)
    if outcome is None:
        result.open = True
        return False
    receipt = archive.put(outcome.receipt).sha256 if outcome.receipt else None
    with transaction() as connection:
        ledger.settle(connection, batch, outcome.rejected, receipt)
    refused = batch.rows - batch.sent + len(outcome.rejected)
    result.batches += 1
    result.rows += batch.rows
    result.rejected += refused
    result.accepted += batch.rows - refused
    log.info("push %s: batch %s: %d accepted, %d rejected", batch.output, batch.id, batch.rows - refused, refused)
    return True


def preview(output_id: str, limit: int = 20, period: str | None = None) -> list[dict[str, Any]]:
    """What would be sent, and what is wrong with it; nothing is written or sent."""
    sink, output = loader.output(output_id)
    span = None
    if output.period:
        span = choose.period_named(output.period, period) if period else choose.period_of(output.period, clock.today())
    with reading(grant_for(sink)) as reader:
        frames = [*choose.chosen(reader, sink, output, period=span, limit=limit)]
    rows = pl.concat(frames) if frames else _NOTHING
    return [
        {"key": key, "cells": json.loads(cells), "reasons": json.loads(reasons) if reasons else []}
        for key, cells, reasons in rows.iter_rows()
    ]


def check(sink_id: str, look_up: LookUp = resolve) -> list[CheckLine]:
    """Whether each output's columns are there on both sides, and the receiver lets us in."""
    sink = loader.load(sink_id)
    lines = []
    for output in sink.outputs.values():
        if faults := choose.check(output):
            lines.append(CheckLine(output.id, False, "; ".join(faults)))
            continue
        try:
            empty = Batch("", output.id, "", None, 1, "waiting", 0, 0, "", clock.now(), 0)
            call = Call(sink, output, look_up(sink.connection), empty)
            lines += receivers.of(sink.protocol).check(call)
        except OneMapError as error:
            lines.append(CheckLine.failed(output.id, error))
    return lines
