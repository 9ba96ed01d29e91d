"""Replays that people ask for: what was supposed, by whom, and what came of it, kept so that it can be looked at again.

One is computed at a time in the city; another that is asked for meanwhile waits its turn.
"""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from core import clock
from core.errors import OneMapError
from core.redaction import redact
from insight import backtest
from insight.backtest import Change
from store.engine import engine, lock_key, transaction

log = logging.getLogger(__name__)
STALE = timedelta(minutes=30)  # after which a replay without an end is one whose process died
LISTED = 2000  # rows of a list that are kept

_ASK = "insert into supervision.what_if (asked, year, by) values (cast(:asked as jsonb), :year, :by) returning id"
_SAME = """
select id from supervision.what_if where asked = cast(:asked as jsonb) and year = :year and error is null
  and (told is not null and (told ->> 'seq')::bigint = store.last_change()
       and told ->> 'today' = :today or ended_at is null and asked_at > now() - cast(:stale as interval))
order by id desc limit 1"""
_END = "update supervision.what_if set ended_at = now(), told = cast(:told as jsonb), error = :error where id = :id"
_ONE = "select *, ended_at is null and asked_at <= now() - cast(:stale as interval) as died from supervision.what_if where id = :id"
_RECENT = "select id, asked, year, by, asked_at, ended_at, error from supervision.what_if order by id desc limit 12"


def as_dict(change: Change) -> dict[str, Any]:
    """A change JSON-able, equal for equal changes; without a folder of rules, which is the command line's."""
    return {
        "limits": dict(sorted(change.limits.items())),
        "without": sorted(change.without),
        "parallel": sorted(list(pair) for pair in change.parallel),
        "days": {day.isoformat(): works for day, works in sorted(change.days.items())},
    }


def of(asked: dict[str, Any]) -> Change:
    """What :func:`as_dict` wrote."""
    return Change(
        asked["limits"],
        tuple(asked["without"]),
        tuple((item, before) for item, before in asked["parallel"]),
        {date.fromisoformat(day): works for day, works in asked["days"].items()},
    )


def ask(change: Change, year: int, by: str) -> tuple[int, bool]:
    """(number, whether it is to be computed): the same question of the same store is answered by what stands already.

    :raises ConfigurationError: a year to come, an item or a prerequisite that the catalogue has not.
    """
    backtest.check(change, year, clock.today())
    parameters = {"asked": json.dumps(as_dict(change)), "year": year}
    with transaction() as connection:
        same = connection.execute(
            sa.text(_SAME), {**parameters, "today": clock.today().isoformat(), "stale": STALE}
        ).scalar()
        if same is not None:
            return same, False
        return connection.execute(sa.text(_ASK), {**parameters, "by": by}).scalar_one(), True


def compute(number: int) -> None:
    """Replay what was asked; what comes of it, or why nothing does, is written down."""
    with engine().connect() as guard:
        guard.execute(sa.text("select pg_advisory_lock(:k)"), {"k": lock_key("what_if", "")})
        guard.commit()
        try:
            _compute(number)
        finally:
            guard.execute(sa.text("select pg_advisory_unlock(:k)"), {"k": lock_key("what_if", "")})
            guard.commit()


def _compute(number: int) -> None:
    with transaction() as connection:
        row = connection.execute(sa.text(_ONE), {"id": number, "stale": STALE}).mappings().one()
        seq = connection.exec_driver_sql("select store.last_change()").scalar_one()
    document, error = None, None
    try:
        found = backtest.replay(of(row["asked"]), row["year"], clock.today())
        document = {**_document(found), "seq": seq, "today": clock.today().isoformat()}
    except OneMapError as problem:
        error = problem.zh
    except Exception as problem:  # whoever asked is waiting: a replay never just stops
        log.exception("what if %s", number)
        error = f"推演未能完成：{redact(str(problem))[:300]}"
    with transaction() as connection:
        words = json.dumps(document, ensure_ascii=False, default=str) if document else None
        connection.execute(sa.text(_END), {"id": number, "told": words, "error": error})


def _document(found: backtest.Backtest) -> dict[str, Any]:
    cases = found.cases.with_columns((pl.col("over_after") - pl.col("over")).alias("_more"))
    return {
        "as_of": found.as_of,
        "departments": found.departments.to_dicts(),
        "items": found.items.to_dicts(),
        "saved": found.saved.to_dicts(),
        "cases": cases.sort("_more", "case_id", descending=[True, False]).drop("_more").head(LISTED).to_dicts(),
        "changed": found.cases.height,
        "opens": found.opens.head(LISTED).to_dicts(),
        "closes": found.closes.head(LISTED).to_dicts(),
        "opened": found.opens.height,
        "closed": found.closes.height,
        "removed": found.removed,
    }


def one(number: int) -> dict[str, Any] | None:
    """A replay: asked, year, by, asked_at, ended_at, told, error, died; None: there is none of that number."""
    with transaction() as connection:
        row = connection.execute(sa.text(_ONE), {"id": number, "stale": STALE}).mappings().first()
        return dict(row) if row else None


def recent() -> list[dict[str, Any]]:
    """The last ones, without what came of them."""
    with transaction() as connection:
        return [dict(row) for row in connection.exec_driver_sql(_RECENT).mappings()]
