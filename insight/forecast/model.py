"""The model: how long a case stays open, by a proportional hazards regression over shares of its limit (lifelines), its chance set
right against what came true later (scikit-learn), its days by conformal quantiles (MAPIE).

What is learned is a row of numbers (:class:`Model`), kept as JSON and read as such: nothing is unpickled. What is learned on days
before a cut is set right on days after it, so that no case calibrates what it taught.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from insight.forecast.known import FEATURES

log = logging.getLogger(__name__)

CONFIDENCE = 0.8  # of the interval of the end
LEAST = 200  # days looked at, on either side of the cut, from which anything is learned
SETTLED = 60  # natural days after which nearly every outcome is known
MOST = 60_000  # days looked at that are learned from, the latest
TAUGHT = 0.7  # share of them, the earlier ones, that teach; the later ones set right
FLOOR = 1e-4
DIGITS = 6  # of a share, so that equal ones tie
EDGE = 4.0  # standard deviations
REASONS = 3
NAMES = list(FEATURES)


@dataclass(frozen=True, slots=True)
class Model:
    """``mean``, ``sd``, ``beta`` by feature; ``times``, ``hazard``: baseline cumulative hazard (a step function of the share used);
    ``slope``, ``by_share``, ``intercept``: chance = logistic of these over the raw
    chance's log-odds and the share used; ``widened``: days that the
    interval's ends are moved outwards by; ``taught``, ``late``: days looked at and those of them whose case became overdue."""

    as_of: date
    cut: date
    mean: list[float]
    sd: list[float]
    beta: list[float]
    times: list[float]
    hazard: list[float]
    slope: float
    by_share: float
    intercept: float
    widened: float
    taught: int
    late: int

    @property
    def version(self) -> str:
        """The day that it was learned on, and a digest of what was learned."""
        text = json.dumps(self.as_dict(), sort_keys=True).encode()
        return f"{self.as_of:%Y%m%d}-{hashlib.sha256(text).hexdigest()[:8]}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "as_of": self.as_of.isoformat(), "cut": self.cut.isoformat()}


def read(document: dict[str, Any]) -> Model:
    """What :meth:`Model.as_dict` wrote."""
    return Model(
        **{**document, "as_of": date.fromisoformat(document["as_of"]), "cut": date.fromisoformat(document["cut"])}
    )


def learn(looks: pl.DataFrame, as_of: date) -> Model | None:
    """:param looks: :func:`insight.forecast.known.on_days`, as known on ``as_of``. None: too few to learn from."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from sklearn.linear_model import LogisticRegression

    seen = looks.sort("day", "case_id").tail(MOST)
    if seen.height < 2 * LEAST:
        return None
    cut = seen["day"][int(seen.height * TAUGHT)]
    taught = seen.filter(pl.col("day") < cut)
    settled = pl.col("late").is_not_null() & (pl.col("day") <= pl.lit(as_of).dt.offset_by(f"-{SETTLED}d"))
    later = seen.filter((pl.col("day") >= cut) & settled)
    if taught.height < LEAST or later.height < LEAST:
        return None
    raw = taught.select(NAMES).to_numpy().astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column without a value
        mean = np.nan_to_num(np.nanmean(raw, axis=0))
        sd = np.nan_to_num(np.nanstd(raw, axis=0))
    sd = np.where(sd > 1e-9, sd, 1.0)
    standard = pl.DataFrame(_standard(taught, mean, sd), schema=NAMES)
    varied = [name for name in NAMES if standard[name].n_unique() > 1]  # a column of one value says nothing
    table = standard.select(varied).with_columns(
        taught["begun"].round(DIGITS), taught["end"].round(DIGITS), taught["ended"].cast(pl.Int8)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that separate: the penalty holds them
        try:
            fitted = CoxPHFitter(penalizer=0.01).fit(
                table.to_pandas(), duration_col="end", event_col="ended", entry_col="begun"
            )
        except ConvergenceError as error:
            log.warning("no forecast: %s", error)
            return None
    baseline = fitted.baseline_cumulative_hazard_
    weights = fitted.params_.to_dict()
    # lifelines' baseline is that of the mean of the table; ours is that of a look which is usual in everything
    usual = float(np.exp(-sum(weights[name] * standard[name].mean() for name in varied)))
    model = Model(
        as_of,
        cut,
        mean.tolist(),
        sd.tolist(),
        [float(weights.get(name, 0.0)) for name in NAMES],
        [float(t) for t in baseline.index],
        [float(h) * usual for h in baseline.iloc[:, 0]],
        1.0,
        0.0,
        0.0,
        0.0,
        taught.height,
        int(taught["late"].sum() or 0),
    )
    open_yet = later.filter(pl.col("spent") <= pl.col("limit"))
    outcome = open_yet["late"].cast(pl.Int8).to_numpy()
    if 5 <= outcome.sum() < len(outcome):
        right = LogisticRegression(C=1e3).fit(_odds_and_share(model, open_yet), outcome)
        slope, by_share = (float(weight) for weight in right.coef_[0])
        model = replace(model, slope=slope, by_share=by_share, intercept=float(right.intercept_[0]))
    widened = _widened(model, later.filter("ended"))
    return replace(model, widened=widened)


def chances(model: Model, looks: pl.DataFrame) -> np.ndarray:
    """The chance of each look that its case becomes overdue; 1 where it is already."""
    right = 1 / (1 + np.exp(-(_odds_and_share(model, looks) @ [model.slope, model.by_share] + model.intercept)))
    return np.where(looks["spent"].to_numpy() > looks["limit"].to_numpy(), 1.0, right)


def ends(model: Model, looks: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counted days from each look to the end of its case: first and last of the interval, and the likely one between; 0 where the
    case is open for longer than any that taught, and nothing can be said."""
    low, high, likely = (_quantile(model, looks, q) for q in _levels())
    censored = _hazard(model, looks["begun"].to_numpy()) < model.hazard[-1]
    return (
        np.where(censored, np.clip(low - model.widened, 1, likely), 0).astype(np.int64),
        np.where(censored, np.maximum(high + model.widened, likely), 0).astype(np.int64),
        np.where(censored, likely, 0).astype(np.int64),
    )


def reasons(model: Model, looks: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """For each look the three things that move its chance most: name, value, usual (the mean of what taught), effect: the chance as
    it is less the chance had that one thing been as usual (``elapsed``: share of the limit used, had nothing been). None where
    the case is overdue already: that is no forecast."""
    if looks.is_empty():
        return []
    whole = chances(model, looks)
    effects = [whole - chances(model, looks.with_columns(begun=pl.lit(0.0), spent=pl.lit(0, pl.Int64)))]
    for name, usual in zip(NAMES, model.mean, strict=True):
        effects.append(whole - chances(model, looks.with_columns(pl.lit(usual).alias(name))))
    table = np.column_stack(effects)
    order = np.argsort(-np.abs(table), axis=1, kind="stable")[:, :REASONS]
    share = pl.col("spent") / pl.max_horizontal("limit", pl.lit(1))
    values = looks.select(share, *NAMES).to_numpy().astype(float)
    over = (looks["spent"] > looks["limit"]).to_numpy()
    names, usuals = ["elapsed", *NAMES], [0.0, *model.mean]
    return [
        [
            {"name": names[j], "value": float(values[i, j]), "usual": usuals[j], "effect": float(table[i, j])}
            for j in row
            if np.isfinite(values[i, j]) and not over[i]
        ]
        for i, row in enumerate(order)
    ]


# -- the curve ---------------------------------------------------------------------------------------------------------


def _standard(looks: pl.DataFrame, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    # what lies far outside of all that taught says no more than its edge
    return np.clip(np.nan_to_num((looks.select(NAMES).to_numpy().astype(float) - mean) / sd), -EDGE, EDGE)


def _ratio(model: Model, looks: pl.DataFrame) -> np.ndarray:
    """The hazard of each look beside the baseline's."""
    return np.exp(_standard(looks, np.array(model.mean), np.array(model.sd)) @ np.array(model.beta))


def _hazard(model: Model, at: np.ndarray) -> np.ndarray:
    place = np.searchsorted(model.times, at, side="right") - 1
    return np.where(place >= 0, np.array(model.hazard)[np.maximum(place, 0)], 0.0)


def _raw(model: Model, looks: pl.DataFrame) -> np.ndarray:
    """The chance to be open at 1, open as it is now."""
    begun = looks["begun"].to_numpy()
    ahead = _hazard(model, np.ones_like(begun)) - _hazard(model, begun)
    return np.exp(-np.maximum(ahead, 0) * _ratio(model, looks))


def _odds_and_share(model: Model, looks: pl.DataFrame) -> np.ndarray:
    return np.column_stack([_odds(_raw(model, looks)), looks["begun"].to_numpy()])


def _odds(chance: np.ndarray) -> np.ndarray:
    held = np.clip(chance, FLOOR, 1 - FLOOR)
    return np.log(held / (1 - held))


# -- the interval ------------------------------------------------------------------------------------------------------

_LOOK = ["limit", "rest", "begun", *NAMES]


def _columns(looks: pl.DataFrame) -> np.ndarray:
    return looks.select(_LOOK).to_numpy().astype(float)


def _levels() -> tuple[float, float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2, 0.5


def _quantile(model: Model, looks: pl.DataFrame, level: float) -> np.ndarray:
    """Counted days from now until a share ``level`` of such cases has ended."""
    wanted = _hazard(model, looks["begun"].to_numpy()) - np.log(1 - level) / _ratio(model, looks)
    place = np.minimum(np.searchsorted(model.hazard, wanted, side="left"), len(model.times) - 1)
    share = np.array(model.times)[place] - looks["begun"].to_numpy()
    return np.maximum(np.rint(share * (looks["limit"].to_numpy() + 1)) + looks["rest"].to_numpy(), 1)


def _widened(model: Model, looks: pl.DataFrame) -> float:
    """By how many days the ends of the interval move outwards so that it holds :data:`CONFIDENCE` of what came true."""
    from mapie.regression import ConformalizedQuantileRegressor

    columns = _columns(looks)
    estimators = [_Quantile(model, level) for level in _levels()]
    fitted = ConformalizedQuantileRegressor(estimators, confidence_level=CONFIDENCE, prefit=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantiles that meet at the end of the curve
        fitted.conformalize(columns, looks["left"].to_numpy().astype(float))
        _, interval = fitted.predict_interval(columns[:1], symmetric_correction=True)
    return float(interval[0, 1, 0] - estimators[1].predict(columns[:1])[0])


class _Quantile:
    """A quantile of the model, in the form of a fitted regressor of scikit-learn."""

    def __init__(self, model: Model, level: float) -> None:
        self.model, self.level, self.is_fitted_, self.n_features_in_ = model, level, True, len(_LOOK)

    def fit(self, X: np.ndarray, y: np.ndarray) -> _Quantile:
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return _quantile(self.model, pl.DataFrame(X, schema=_LOOK), self.level)
