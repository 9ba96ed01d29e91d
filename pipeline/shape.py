"""Has a source changed its shape? Asked of the first rows of each batch, before anything is stored."""

from __future__ import annotations

import json
import logging
from typing import Any

import polars as pl
import pyarrow as pa
import sqlalchemy as sa

from connectors.base import Issue
from core.errors import HeldError, OneMapError, ProviderError
from core.redaction import redact
from mappings import paths
from mappings.cleaning import fold_name
from mappings.language import REST
from mappings.mapping import Mapping
from pipeline import map as map_phase
from pipeline.onboard import drift
from pipeline.onboard.profile import ColumnProfile, profile
from sources.declaration import Feed
from store import deletions, holds, rawrow
from store.engine import engine, transaction

log = logging.getLogger(__name__)
_LOOKED = 2000  # rows of a batch that are looked at closely
_STORED = 500  # records of the store that say what the columns were before
_USUAL = 0.5  # share of them that had a value: else its absence says nothing
_SOME = sa.text("select raw from source.record where feed = :feed and tombstoned_at is null limit :most")
_TIMELINE = sa.text(
    "select code, field, detail, first_seen_at, last_seen_at, count from landing.issue"
    " where feed = :feed and code in ('unknown_column', 'column_absent', 'unknown_code', 'type_changed', 'shape_changed')"
    " order by first_seen_at"
)


def guard(feed: Feed, mapping: Mapping, rows: pa.Table, run_id: int) -> list[Issue]:
    """Issues of columns that vanished or changed their name; new ones are issues of the mapping already.

    :raises ProviderError: the shape is another and the feed's policy is ``stop``, or is ``hold`` and no person let the
        changes in (:class:`HeldError`): nothing of the batch is stored.
    """
    if not rows.num_rows:
        return []
    if not _differs(feed, mapping, rows):
        if feed.drift == "hold":
            with transaction() as connection:
                holds.shape_settled(connection, feed.id)
        return []
    found = _changes(feed, mapping, rows)
    if not found:
        return []
    text = "; ".join(f"{change.kind} {change.column}" + (f" -> {change.to}" if change.to else "") for change in found)
    changes = sorted(change.zh for change in found)
    if feed.drift == "stop":
        raise ProviderError(
            f"the shape of {feed.id} has changed: {text}",
            remedy=f"see onemap source drift {feed.id}; put its patch into the mapping, then run the feed again",
            zh=f"{feed.id} 的字段有变化（{'；'.join(changes)}），按声明停止，本批次未入库，请运行 onemap source drift {feed.id}，改映射后重跑。",
            feed=feed.id,
            code="shape_changed",
        )
    if feed.drift == "hold" and not _let_in(feed.id, run_id, changes):
        raise HeldError(
            f"the shape of {feed.id} has changed: {text}",
            remedy=f"see onemap source drift {feed.id}; put its patch into the mapping, or release these changes (onemap hold)",
            zh=f"{feed.id} 的字段有变化（{'；'.join(changes)}），按声明暂不入库，请运行 onemap source drift {feed.id}，"
            "改映射，或放行这些变化（onemap hold），再重跑。",
            feed=feed.id,
            code="shape_changed",
        )
    return _absent(found)


def looked(feed: Feed, mapping: Mapping, rows: pa.Table) -> tuple[list[Issue], str]:
    """What :func:`guard` would say, without asking anybody: (issues, why nothing of the batch would be stored, in Chinese; "")."""
    found = _changes(feed, mapping, rows) if rows.num_rows and _differs(feed, mapping, rows) else []
    changes = sorted(change.zh for change in found)
    why = {"stop": "按声明停止，不入库", "hold": "按声明暂不入库，须由人放行"}.get(feed.drift)
    if found and feed.drift == "hold":
        with engine().connect() as connection:
            if holds.release_of_shape(connection, feed.id, changes) is not None:
                why = None
    return _absent(found), f"字段有变化（{'；'.join(changes)}），{why}。" if found and why else ""


def _changes(feed: Feed, mapping: Mapping, rows: pa.Table) -> list[drift.Change]:
    kinds = ("new", "vanished", "renamed", "type")
    try:
        return [one for one in drift.find(mapping, rows.slice(0, _LOOKED), before(feed.id)) if one.kind in kinds]
    except OneMapError:
        raise
    except Exception as error:  # a row that fails the mapping is that row's: the phases after find it alone
        log.warning("%s: the shape of the batch could not be looked at: %s", feed.id, redact(str(error)))
        return []


def _absent(found: list[drift.Change]) -> list[Issue]:
    return [
        Issue(
            "type_changed" if change.kind == "type" else "column_absent",
            f"{change.detail}: {change.zh}",
            field=change.column,
        )
        for change in found
        if change.kind != "new"
    ]


def _let_in(feed: str, run_id: int, changes: list[str]) -> bool:
    """Whether a person let these changes in; else one is asked."""
    with transaction() as connection:
        release = holds.release_of_shape(connection, feed, changes)
        if release is None:
            holds.open_hold(connection, feed, run_id, 0, deletions.live(connection, feed), changes)
        else:
            holds.use(connection, release, run_id)
    return release is not None


def before(feed: str) -> dict[str, ColumnProfile] | None:
    """What the columns of some of the feed's records are; None where the store has none."""
    raws = _stored(feed)
    if not raws:
        return None
    table = map_phase.rows_again(pl.Series(raws, dtype=pl.String), pl.Series([""] * len(raws)))
    return profile(feed, table).columns


def timeline(feed: str) -> list[dict[str, Any]]:
    """What the feed's runs saw of such changes, the oldest first."""
    with engine().connect() as connection:
        return [
            {
                "first_seen": f"{row.first_seen_at:%Y-%m-%d %H:%M}",
                "last_seen": f"{row.last_seen_at:%Y-%m-%d %H:%M}",
                "count": row.count,
                "code": row.code,
                "field": row.field,
                "detail": row.detail[:120],
            }
            for row in connection.execute(_TIMELINE, {"feed": feed})
        ]


def _stored(feed: str) -> list[str]:
    with engine().connect() as connection:
        return [rawrow.text(raw) for raw in connection.execute(_SOME, {"feed": feed, "most": _STORED}).scalars()]


def _differs(feed: Feed, mapping: Mapping, rows: pa.Table) -> bool:
    """Whether it is worth a look: a column nobody knows where that holds, or none of one that records usually have."""
    names = {fold_name(name) for name in rows.column_names if not name.startswith("_")}
    known = {fold_name(name): name for name in mapping.contract.columns}
    if feed.drift != "adapt" and mapping.declaration.ignore != REST and names - known.keys():
        return True
    if any(column.type for column in mapping.contract.columns.values()) and drift.types(
        mapping, profile(feed.id, rows.slice(0, _LOOKED)).columns
    ):
        return True
    if rows.num_rows < drift.LEAST:
        return False
    used = {fold_name(paths.base(name)) for name in mapping.declaration.columns} & known.keys()
    filled = {fold_name(name) for name in rows.column_names if rows.column(name).null_count < rows.num_rows}
    lacking = used - filled
    if not lacking:
        return False
    raws = [json.loads(raw) for raw in _stored(feed.id)]
    return any(sum(known[name] in raw for raw in raws) > _USUAL * len(raws) for name in lacking) if raws else False
