"""Names of items and departments as insight tells them: of all years alike, by the catalogue's newest version."""

from __future__ import annotations

import polars as pl

from supervision.facts import Facts


def cases(facts: Facts) -> pl.DataFrame:
    """The cases with ``item_name`` as the item is called now, its ``kind``, and ``department``: who handles the case, else who answers for
    the item."""
    newest = facts.items.sort("valid_from").unique("item_code", keep="last", maintain_order=True)
    return facts.cases.join(
        newest.select("item_code", pl.col("item_name").alias("_name"), "kind", "department"), on="item_code", how="left"
    ).with_columns(
        pl.coalesce("_name", "item_name").alias("item_name"),
        pl.coalesce("department_name", "department").alias("department"),
    )
