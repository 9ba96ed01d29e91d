"""What the hub would say of a file, an answer or records before a provider sends them: ``onemap source tryout``.

They go the way of a sync: the connector's decoder, the mapping, staging, the suites and the gate; the staging tables are
dropped then, and nothing is archived, counted or stored. So the verdict is the sync's own.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from connectors.base import Batch, Issue
from connectors.decoders import jsonrows
from connectors.limits import Limits
from core.errors import ProviderError
from mappings.compiler import Mapping
from pipeline import decode, issues, registry, shape, stage
from pipeline import map as map_phase
from quality import gate, suites
from quality.issues import explained
from sources.declaration import Feed
from store import staging
from store.engine import transaction
from store.staging import Staged

_SHOWN = 200  # rejected rows that are named one by one; all are counted


@dataclass
class Tried:
    """``go``: the batch would be taken; ``why`` says what stops it. ``rejected``: rows that would go to quarantine, each with
    every reason; ``issues``: what would be reported and stops nothing; ``rows``: how many rows of each entity would come of it.
    """

    feed: str
    name: str
    rows_in: int = 0
    accepted: int = 0
    rejected_rows: int = 0
    tombstones: int = 0
    go: bool = True
    why: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Everything would be taken."""
        return self.go and not self.rejected_rows

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sound": self.sound}


Reading = AbstractContextManager[tuple[list[Issue], Iterator[decode.Decoded]]]


class Reader(Protocol):
    """Decodes what would be sent: what is to be told of the whole, and its batches."""

    def __call__(self, feed_id: str, body: Path, name: str, *, records: bool) -> Reading: ...


@contextmanager
def decoded(
    feed_id: str, body: Path, name: str, *, records: bool
) -> Iterator[tuple[list[Issue], Iterator[decode.Decoded]]]:
    """The reader of the command: here and now. The source's Connection is asked where its answers are encrypted, alone."""
    source, feed = registry.feed(feed_id)
    connector = registry.decoder(source) if source.options.get("sealed") else registry.unconnected(source)
    try:
        if records:
            yield [], _records(feed, body)
        else:
            kind = mimetypes.guess_type(name)[0] or _kind(body)
            payload, found = connector.handed(feed, body, name, kind)
            yield found, decode.of_one(connector, feed, payload)
    finally:
        connector.close()


def tryout(feed_id: str, body: Path, name: str, *, records: bool = False, read: Reader = decoded) -> Tried:
    """Judge what would be sent. ``records``: a JSON array of records, or JSON lines, by the raw columns of the feed, instead of
    what the source's own interface would answer. ``read``: how it is decoded.

    :raises ProviderError: it is none of this feed's, or cannot be read at all: the verdict is that it would be refused whole.
    :raises ConfigurationError: there is no such feed, or its declaration is wrong.
    """
    _, feed = registry.feed(feed_id)
    mapping = registry.mapping(feed)
    tried = Tried(feed_id, name)
    with read(feed_id, body, name, records=records) as (document, batches), _staged(feed, mapping) as staged:
        _write(tried, staged, feed, mapping, batches, document)
    return tried


def _kind(body: Path) -> str:
    """The media type by the first bytes."""
    with body.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        return "application/json"
    return "text/xml" if head[:1] == b"<" else "application/octet-stream"


def _records(feed: Feed, body: Path) -> Iterator[decode.Decoded]:
    content = body.read_bytes()
    try:
        held = jsonrows.clean(content).strip()
        table, rejects = jsonrows.read(
            held if held.startswith(b"[") else jsonrows.lines(content), limits=Limits.of(feed)
        )
    except ValueError as error:
        raise ProviderError(
            f"no JSON array of records: {error}",
            remedy='post [{"column": "value", …}, …] or one object a line',
            zh='不是记录的 JSON 数组，请提交 [{"列名": "值"}, …] 或每行一个 JSON 对象。',
            code="payload_unreadable",
            feed=feed.id,
        ) from error
    yield from decode.gathered([Batch(table, rejects)])


@contextmanager
def _staged(feed: Feed, mapping: Mapping) -> Iterator[Staged]:
    """Staging tables of a run that never was: its number is drawn, and no row has it."""
    with transaction() as connection:
        number = connection.execute(sa.text("select nextval(pg_get_serial_sequence('landing.run', 'id'))")).scalar_one()
    staged = stage.tables_of(number, feed, mapping, trial=True)
    with staging.trial(number):
        with transaction() as connection:
            staged.create(connection)
        try:
            yield staged
        finally:
            with transaction() as connection:
                staged.drop(connection)


def _write(
    tried: Tried, staged: Staged, feed: Feed, mapping: Mapping, batches: Iterator[decode.Decoded], found: list[Issue]
) -> None:
    verdicts = suites.inputs(feed.id, mapping.entities).verdicts
    with transaction() as connection:
        issues.stage(connection, staged, [(issue, 1) for issue in found])
        for number, decoded in enumerate(batches):
            if number == 0:
                changed, why = shape.looked(feed, mapping, decoded.rows)
                decoded.issues = [*decoded.issues, *changed]
                tried.go, tried.why = not why, why
            for part, mapped in map_phase.isolated(mapping, decoded):
                stage.write_isolated(connection, staged, mapping, part, mapped, verdicts)
    with transaction() as connection:
        verdict, _ = gate.judge(connection, staged, listing=False, absence=False)
        if not verdict.go:
            tried.go, tried.why = False, verdict.zh
        tried.rows_in, tried.rejected_rows = staged.rows_in, verdict.rejected
        tried.accepted = staged.rows_in - verdict.rejected
        _count_result(connection, tried, staged)


def _count_result(connection: sa.Connection, tried: Tried, staged: Staged) -> None:
    record, failed = staged.name("record"), staged.name("failed")
    sound = f"not exists (select 1 from {failed} f where f.row_id = s.row_id)"
    tried.tombstones = connection.execute(
        sa.text(f"select count(*) from {record} s where tombstone and {sound}")
    ).scalar_one()
    for entity in staged.entities:
        tried.rows[entity] = connection.execute(
            sa.text(f"select count(*) from {staged.name(entity)} s where {sound}")
        ).scalar_one()
    reasons: dict[tuple[str, str], list[dict[str, Any]]] = {}
    rows = connection.execute(
        sa.text(
            f"select r.place, r.record_key, f.code, f.field, f.message, f.value from {failed} f join {record} r using (row_id)"
            f" union all select place, record_key, code, field, message, null from {staged.name('reject')}"
        )
    )
    for place, key, code, column, message, value in rows:
        reason = {"code": code, "field": column, "message": message, "value": value}
        reasons.setdefault((place or "", key or ""), []).append(explained(reason))
    tried.rejected = [
        {"place": place, "record": key, "reasons": sorted(found, key=lambda one: (one["code"], one["field"] or ""))}
        for (place, key), found in sorted(reasons.items())[:_SHOWN]
    ]
    listed = connection.execute(
        sa.text(
            "select code, severity, duty, field, min(detail) as detail, min(record) as record, sum(count)::bigint as count"
            f" from {staged.name('issue')} group by 1, 2, 3, 4 order by 2, 7 desc, 1"
        )
    ).mappings()
    tried.issues = [explained(dict(one)) for one in listed]
