"""Phase 3, decode: bytes → columns of text, gathered over payloads so that a batch is worth its fixed costs.

The bytes are archived before; so whatever goes wrong while a payload is decoded, in whatever library, is that
payload's: it is rejected with its receipt, what was decoded of it before stays, and the next one goes on. What it
held is not known then, so the window is not proven whole, and nothing counts as absent.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from connectors.base import Batch, Connector, Issue, Payload, Reject
from connectors.decoders import charsets
from core.errors import AuthenticationError, ConfigurationError, OneMapError
from core.redaction import redact
from pipeline.attempts import TRIES, Attempts
from pipeline.fetch import Received
from quality import issues as issue_list
from sources.declaration import Feed

# Arrow's own pool keeps what is freed: some 15 MiB of a worker, for no time that could be measured
pa.set_memory_pool(pa.system_memory_pool())

log = logging.getLogger(__name__)
BATCH_ROWS = 10_000  # two or three are in memory at once: read, mapped, written
BATCH_BYTES = 8 << 20
NO_RECEIPT = 0  # of what is looked at and not kept
_RAW = 2000  # bytes of a payload that is rejected whole that quarantine shows; its receipt has all
_UNNAMEABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_NAME = 200
_MANGLED_NAMED = 20  # records of a batch whose mangled text is named one by one


@dataclass(slots=True)
class Decoded:
    """Rows of one or several payloads. ``receipts``, ``scopes``: of each row, in the rows' order. ``lost``: payloads
    of which a part is not known.
    """

    rows: pa.Table
    receipts: pl.Series
    scopes: pl.Series
    rejects: list[tuple[int, Reject]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    lost: int = 0

    def halves(self) -> tuple[Decoded, Decoded]:
        """The rows in two parts; what has no row goes with the first."""
        middle = self.rows.num_rows // 2
        return (
            Decoded(
                self.rows.slice(0, middle), self.receipts[:middle], self.scopes[:middle], self.rejects, self.issues
            ),
            Decoded(self.rows.slice(middle), self.receipts[middle:], self.scopes[middle:]),
        )

    def without_row(self, code: str, message: str) -> Decoded:
        """A batch of one row, whose row is a reject now."""
        row = {name: value for name, value in self.rows.to_pylist()[0].items() if value is not None}
        place = row.pop("_place", None)
        reject = Reject(place or "", code, message, json.dumps(row, ensure_ascii=False))
        return Decoded(
            self.rows.slice(0, 0),
            self.receipts[:0],
            self.scopes[:0],
            [*self.rejects, (self.receipts[0], reject)],
            self.issues,
        )


def batches(connector: Connector, feed: Feed, payloads: Iterable[Received]) -> Iterator[Decoded]:
    """Batches of at most :data:`BATCH_ROWS` rows and about :data:`BATCH_BYTES`, however many a payload has.

    :raises OneMapError: the declaration is wrong, or this machine's disk: nothing that a payload could do.
    """
    with Attempts(feed.id) as attempts:
        yield from _gathered(
            (received.receipt_id, batch)
            for received in payloads
            for batch in _watched(connector, feed, received, attempts)
        )


def of_one(connector: Connector, feed: Feed, payload: Payload) -> Iterator[Decoded]:
    """Batches of one payload that has no receipt: it is looked at, and not kept."""
    yield from gathered(of_payload(connector, feed, payload))


def gathered(batches: Iterable[Batch | Reject]) -> Iterator[Decoded]:
    """The same of rows that are decoded already."""
    yield from _gathered((NO_RECEIPT, batch) for batch in batches)


def _gathered(found: Iterable[tuple[int, Batch | Reject]]) -> Iterator[Decoded]:
    """What came of payloads, each with its receipt, in batches."""
    waiting = _Waiting()
    for receipt_id, batch in found:
        if isinstance(batch, Reject):
            waiting.lost += 1
            waiting.rejects.append((receipt_id, batch))
        else:
            waiting.add(receipt_id, batch)
        while waiting.full:
            yield waiting.take()
    if waiting.holds:
        yield waiting.take()


def _watched(connector: Connector, feed: Feed, received: Received, attempts: Attempts) -> Iterator[Batch | Reject]:
    """:func:`of_payload`; a payload that ended the process again and again is rejected undecoded."""
    if (failed := attempts.failed(received.sha256)) >= TRIES:
        message = f"decoding it ended the process {failed} times"
        yield Reject(_place(received.payload), "decoder_ended", message, raw=_shown(received.payload))
        return
    batches = of_payload(connector, feed, received.payload)
    while True:
        with attempts.step(received.sha256):
            batch = next(batches, None)
        if batch is None:
            break
        yield batch
    attempts.survived(received.sha256)


def of_payload(connector: Connector, feed: Feed, payload: Payload) -> Iterator[Batch | Reject]:
    """What a connector makes of a payload; a reject of the payload, or of what remains of it, where it fails."""
    try:
        for batch in connector.decode(feed, payload):
            batch.rows, found = _named(batch.rows)
            batch.issues = [*batch.issues, *found, *_mangled(batch.rows, feed.key)]
            yield batch
    except (ConfigurationError, AuthenticationError):
        raise
    except OSError as error:
        if error.errno is not None:  # this machine's: no disk, no file
            raise
        yield _rejected(feed, payload, error)
    except Exception as error:
        yield _rejected(feed, payload, error)


def _rejected(feed: Feed, payload: Payload, error: Exception) -> Reject:
    if isinstance(error, OneMapError):
        code = error.code if issue_list.find(error.code) else "payload_unreadable"
        message = error.message
    else:
        log.warning("%s: %s", feed.id, redact("".join(traceback.format_exception(error))))
        code, message = "payload_unreadable", f"it cannot be decoded: {type(error).__name__} in {_where(error)}"
    return Reject(_place(payload), code, redact(message)[:1000], raw=_shown(payload))


def _place(payload: Payload) -> str:
    if page := payload.facts.get("page"):
        return f"page {page}"
    return str(payload.facts.get("file") or payload.facts.get("name") or "the answer")


def _where(error: Exception) -> str:
    """The line that raised, without what it held."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


def _shown(payload: Payload) -> str | None:
    if isinstance(payload.body, Path) or "zip" in payload.media_type or "office" in payload.media_type:
        return None
    return charsets.decode(payload.body[:_RAW]).text


def _named(rows: pa.Table) -> tuple[pa.Table, list[Issue]]:
    """Columns whose names the store can hold, each once."""
    names = rows.column_names
    if len(set(names)) == len(names) and not any(_UNNAMEABLE.search(n) or len(n) > _LONGEST_NAME for n in names):
        return rows, []
    unique: dict[str, None] = {}
    found = []
    for name in names:
        plain = _UNNAMEABLE.sub(charsets.DAMAGE, name)[:_LONGEST_NAME]
        while plain in unique:
            plain += charsets.DAMAGE
        unique[plain] = None
        if plain != name:
            found.append(
                Issue("name_unreadable", f"a column's name cannot be kept as it is; read as {plain}", field=plain)
            )
    return rows.rename_columns(list(unique)), found


def _mangled(rows: pa.Table, key: list[str]) -> list[Issue]:
    """Texts that were read in a wrong charset before they reached us, of the columns that may have such."""
    found: list[Issue] = []
    for name in rows.column_names:
        if name == "_place" or not charsets.may_be_mangled(rows.column(name)):
            continue
        for number, text in enumerate(rows.column(name).to_pylist()):
            if text is None or not charsets.is_mangled(text):
                continue
            parts = [rows.column(part)[number].as_py() for part in key if part in rows.column_names]
            record = "|".join(part or "" for part in parts) or None
            found.append(Issue("text_mangled", "the text was read in a wrong charset at its source", record, name))
            if len(found) == _MANGLED_NAMED:
                return found
    return found


class _Waiting:
    """What was decoded and is not yet worth a batch."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.tables: list[pa.Table] = []
        self.marks: list[tuple[int, str | None, int]] = []
        self.rejects: list[tuple[int, Reject]] = []
        self.issues: list[Issue] = []
        self.rows = self.bytes = self.lost = 0

    def add(self, receipt_id: int, batch: Batch) -> None:
        if batch.rows.num_rows:
            self.tables.append(batch.rows)
            self.marks.append((receipt_id, batch.scope, batch.rows.num_rows))
            self.rows += batch.rows.num_rows
            self.bytes += batch.rows.nbytes
        self.rejects += [(receipt_id, reject) for reject in batch.rejects]
        self.issues += batch.issues

    @property
    def full(self) -> bool:
        return self.rows + len(self.rejects) >= BATCH_ROWS or self.bytes >= BATCH_BYTES

    @property
    def holds(self) -> bool:
        return bool(self.tables or self.rejects or self.issues)

    def take(self) -> Decoded:
        receipts = pl.concat(
            [pl.Series([], dtype=pl.Int64)]
            + [pl.Series([r], dtype=pl.Int64).new_from_index(0, n) for r, _, n in self.marks]
        )
        scopes = pl.concat(
            [pl.Series([], dtype=pl.String)]
            + [pl.Series([s], dtype=pl.String).new_from_index(0, n) for _, s, n in self.marks]
        )
        rows = pa.concat_tables(self.tables, promote_options="default") if self.tables else pa.table({})
        taken = min(rows.num_rows, BATCH_ROWS)
        if self.bytes > BATCH_BYTES:
            taken = min(taken, max(1, rows.num_rows * BATCH_BYTES // self.bytes))
        batch = Decoded(rows.slice(0, taken), receipts[:taken], scopes[:taken], self.rejects, self.issues, self.lost)
        marks = self.marks
        self._clear()
        if taken < rows.num_rows:
            self._keep(rows.slice(taken), marks, taken)
        return batch

    def _keep(self, rows: pa.Table, marks: list[tuple[int, str | None, int]], taken: int) -> None:
        self.tables, self.rows, self.bytes = [rows], rows.num_rows, rows.nbytes
        for receipt_id, scope, count in marks:
            if count > taken:
                self.marks.append((receipt_id, scope, count - taken))
            taken = max(0, taken - count)
