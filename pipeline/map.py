"""Phase 4, map: raw columns → records and entity rows, a batch at a time; a row that cannot be mapped harms no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import polars as pl
import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from connectors.base import Issue
from core.errors import OneMapError
from mappings.compiler import Mapped, Mapping
from pipeline.decode import Decoded
from store import values

_MOST = 100  # rows of a batch that are looked for one by one; beyond, something is wrong with the mapping itself


Known = Callable[[pl.DataFrame], pl.DataFrame]  # as mappings.mapping.Mapping.apply asks


def batch(mapping: Mapping, rows: pa.Table, standing: Known | None = None) -> Mapped:
    """The batch in the common model, without what the store cannot hold; see :meth:`mappings.mapping.Mapping.apply`."""
    return _storable(mapping.apply(rows, standing))


def isolated(mapping: Mapping, decoded: Decoded, standing: Known | None = None) -> list[tuple[Decoded, Mapped]]:
    """The batch mapped, in as few parts as can be: a row that makes the mapping fail is a reject of its own part.

    :raises Exception: the mapping fails without a row too, or for more than :data:`_MOST` of them.
    """
    return list(_isolated(mapping, decoded, standing, [_MOST]))


def _isolated(
    mapping: Mapping, decoded: Decoded, standing: Known | None, left: list[int]
) -> Iterator[tuple[Decoded, Mapped]]:
    try:
        mapped = batch(mapping, decoded.rows, standing)
    except (OneMapError, SQLAlchemyError):
        raise
    except Exception as error:
        height = decoded.rows.num_rows
        batch(mapping, decoded.rows.slice(0, 0))  # raises again where no row is at fault
        if height > 1:
            for half in decoded.halves():
                yield from _isolated(mapping, half, standing, left)
            return
        left[0] -= 1
        if left[0] < 0:
            raise
        decoded = decoded.without_row("unmappable_row", f"{type(error).__name__}: {error}")
        mapped = batch(mapping, decoded.rows)
    yield decoded, mapped


def _storable(mapped: Mapped) -> Mapped:
    """Rows with a value that a column of the store cannot hold are rejected, each with its reasons."""
    found = []
    frames = [(mapped.records, values.refused_records(mapped.records))]
    frames += [(frame, values.refused(entity, frame)) for entity, frame in mapped.entities.items()]
    for frame, refusals in frames:
        found += [
            pl.DataFrame([frame["_row"].gather(refusal.rows), refusal.values.alias("value")]).with_columns(
                code=pl.lit(refusal.code), field=pl.lit(refusal.column), message=pl.lit(refusal.message)
            )
            for refusal in refusals
        ]
    if not found:
        return mapped
    raw = pl.when(pl.col("raw").str.len_bytes() > values.JSON_BYTES).then(pl.lit("{}")).otherwise(pl.col("raw"))
    rejects = (
        pl.concat(found)
        .unique(maintain_order=True)
        .join(mapped.records.with_columns(raw), on="_row", how="left", maintain_order="left")
        .select(mapped.rejects.columns)
    )
    sound = ~pl.col("_row").is_in(rejects["_row"].unique().implode())
    return Mapped(
        mapped.records.filter(sound),
        {entity: frame.filter(sound) for entity, frame in mapped.entities.items()},
        pl.concat([mapped.rejects, rejects]),
        mapped.issues,
        mapped.unchanged,
        mapped.columns,
    )


def issues(of: Mapped) -> list[tuple[Issue, int]]:
    """Issues of the mapping, each with how often it was seen."""
    return [
        (
            Issue(
                issue.code,
                issue.message if issue.value is None else f"{issue.message}: {issue.value}",
                record=issue.record_key,
                field=issue.field,
            ),
            issue.count,
        )
        for issue in of.issues
    ]


def rows_again(raws: pl.Series, places: pl.Series) -> pa.Table:
    """Rows kept as JSON objects (``source.record.raw``) as a connector would decode them: columns of text."""
    columns: dict[str, list[str | None]] = {}
    for index, raw in enumerate(raws):
        for name, value in json.loads(raw).items():
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                columns.setdefault(name, [None] * len(raws))[index] = text
    return pa.table(
        {
            **{name: pa.array(values, pa.large_string()) for name, values in columns.items()},
            "_place": pa.array(places.to_list(), pa.large_string()),
        }
    )
