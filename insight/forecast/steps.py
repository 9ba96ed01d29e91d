"""The likely days of a project's next steps: how long an item, once it can be filed, waits to be received, and how long it then takes
to be done, by item, with those that still wait or run counted as such (Kaplan-Meier, lifelines)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

ENOUGH = 20  # ended waits of an item from which it speaks for itself, not all items for it
LEVELS = (np.arange(40) + 0.5) / 40  # of the distributions that are added up
LONGEST = 2000  # days; what lasts longer is not said
STEPS = {
    "project_code": pl.String,
    "item_code": pl.String,
    "item_name": pl.String,
    "begins_on": pl.Date,
    "begins_first": pl.Date,
    "begins_last": pl.Date,
    "done_on": pl.Date,
    "done_first": pl.Date,
    "done_last": pl.Date,
}


@dataclass(frozen=True, slots=True)
class Waits:
    """Survival curves in natural days: (days, share that waits longer), by item; "" for all items together."""

    filing: dict[str, tuple[np.ndarray, np.ndarray]]
    doing: dict[str, tuple[np.ndarray, np.ndarray]]


def learn(steps: pl.DataFrame, as_of: date) -> Waits:
    """:param steps: :data:`insight.forecast.known.STEPS` as of the day."""
    today = pl.lit(as_of)
    filing = steps.filter(
        (pl.col("ready_on") <= today)
        & (pl.col("received_on").is_null() | (pl.col("received_on") >= pl.col("ready_on")))
    ).select(
        "item_code",
        (pl.coalesce("received_on", today) - pl.col("ready_on")).dt.total_days().alias("days"),
        pl.col("received_on").is_not_null().alias("ended"),
    )
    doing = steps.filter(
        pl.col("received_on").is_not_null() & (pl.coalesce("done_on", today) >= pl.col("received_on"))
    ).select(
        "item_code",
        (pl.coalesce("done_on", today) - pl.col("received_on")).dt.total_days().alias("days"),
        pl.col("done_on").is_not_null().alias("ended"),
    )
    return Waits(_curves(filing), _curves(doing))


def ahead(steps: pl.DataFrame, waits: Waits, as_of: date, level: float) -> pl.DataFrame:
    """:data:`STEPS`: for each current item without a case the likely days of its receipt and of its end, each with the first and last
    day of the interval that holds ``level`` of such. Nothing of an item whose wait is longer than all that ever ended."""
    rows = []
    ends = ((1 - level) / 2, 0.5, (1 + level) / 2)
    for row in steps.filter(pl.col("current") & pl.col("received_on").is_null()).iter_rows(named=True):
        waited = max((as_of - row["ready_on"]).days, 0)
        begins = _left(_curve(waits.filing, row["item_code"]), waited)
        does = _left(_curve(waits.doing, row["item_code"]), 0)
        if begins is None or does is None:
            continue
        whole = np.add.outer(begins, does).ravel()
        low, likely, high = (_day(as_of, np.quantile(begins, q)) for q in ends)
        done_low, done_likely, done_high = (_day(as_of, np.quantile(whole, q)) for q in ends)
        if likely is None:
            continue
        named = (row["project_code"], row["item_code"], row["item_name"])
        rows.append((*named, likely, low, high, done_likely, done_low, done_high))
    return pl.DataFrame(rows, schema=STEPS, orient="row")


def _curves(waits: pl.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    from lifelines import KaplanMeierFitter

    def fitted(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        curve = KaplanMeierFitter().fit(rows["days"].to_numpy(), rows["ended"].to_numpy()).survival_function_
        return curve.index.to_numpy().astype(float), curve.iloc[:, 0].to_numpy()

    enough = waits.group_by("item_code").agg(pl.col("ended").sum()).filter(pl.col("ended") >= ENOUGH)["item_code"]
    found = {item: fitted(waits.filter(pl.col("item_code") == item)) for item in enough.sort()}
    if waits["ended"].sum() >= ENOUGH:
        found[""] = fitted(waits)
    return found


def _curve(curves: dict[str, tuple[np.ndarray, np.ndarray]], item: str) -> tuple[np.ndarray, np.ndarray] | None:
    return curves.get(item, curves.get(""))


def _left(curve: tuple[np.ndarray, np.ndarray] | None, waited: int) -> np.ndarray | None:
    """Days from now at :data:`LEVELS` of what is left of a wait; None: nobody ever waited so long and was served."""
    if curve is None:
        return None
    days, longer = curve
    place = int(np.searchsorted(days, waited, side="right")) - 1
    still = longer[place] if place >= 0 else 1.0
    if still <= 0:
        return None
    at = np.searchsorted(-longer, -(still * (1 - LEVELS)), side="left")
    return np.where(at < len(days), days[np.minimum(at, len(days) - 1)] - waited, LONGEST).clip(0)


def _day(as_of: date, days: float) -> date | None:
    return None if days >= LONGEST else as_of + timedelta(days=round(float(days)))
