"""A case against its two limits, in one wording wherever a person or an application meets it, and what counts as late.

在办超期 (running overdue)
    cases whose clock runs and has passed a limit: light 红 (promised) or 双红 (statutory), as of the day judged.
逾期办件 (overdue)
    cases, running or ended, that used more days than a limit; the running overdue ones are part of them.

Rules: docs/rules.md, "Limits", "Lights"; both counts stand in docs/data-dictionary.md too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

#: name of a limit in the columns of a clock → what it is called
LIMIT_ZH = {"promised": "承诺", "statutory": "法定"}
LATE = ("双红", "红")  # the lights of a running case past a limit
#: count → (Chinese, English)
COUNTS = {
    "running_overdue": (
        "在办超期",
        "cases whose clock runs and has passed the promised (红) or the statutory limit (双红), as of the day judged",
    ),
    "overdue": (
        "逾期办件",
        "cases, running or ended, that used more days than the promised or the statutory limit; the running overdue ones are part of them",
    ),
}


def passed(name: str) -> pl.Expr:
    """Whether a case used more than the limit ``name``; columns of a clock."""
    return (pl.col(f"used_{name}") > pl.col(f"{name}_limit")).fill_null(False)


def overdue() -> pl.Expr:
    """逾期办件: past either limit, running or ended."""
    return passed("promised") | passed("statutory")


def overdue_sql(alias: str) -> str:
    """逾期办件 as a condition over a case of the views."""
    return f"({alias}.used_promised > {alias}.promised_limit or {alias}.used_statutory > {alias}.statutory_limit)"


def running_overdue_sql(alias: str) -> str:
    """在办超期 as a condition over a case of the views."""
    return f"{alias}.light in ('{LATE[0]}', '{LATE[1]}')"


def verdicts() -> pl.Expr:
    """:func:`verdict` of a frame of clocks."""
    parts = []
    for name, zh in LIMIT_ZH.items():
        used, limit, unit = pl.col(f"used_{name}"), pl.col(f"{name}_limit"), pl.col(f"{name}_unit").fill_null("日")
        counted = pl.format(
            "（时限 {}，已用 {}{}）",
            limit,
            used,
            pl.coalesce(pl.format("，到期 {}", pl.col(f"due_{name}").cast(pl.String)), pl.lit("")),
        )
        parts.append(
            pl.when(passed(name))
            .then(pl.format(f"超{zh}时限 {{}} 个{{}}{{}}", used - limit, unit, counted))
            .otherwise(pl.format(f"{zh}时限剩余 {{}} 个{{}}{{}}", limit - used, unit, counted))
        )
    return pl.concat_str(parts, separator="；", ignore_nulls=True)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a case. ``used`` and ``days`` in ``unit`` (工作日, 自然日); ``due``: its last day within."""

    name: str
    days: int
    unit: str
    used: int
    due: date | None

    @property
    def zh(self) -> str:
        return LIMIT_ZH[self.name]

    @property
    def over(self) -> int:
        """Days past it; 0: within."""
        return max(self.used - self.days, 0)

    @property
    def short(self) -> str:
        """超承诺 6 个工作日."""
        return (
            f"超{self.zh} {self.over} 个{self.unit}"
            if self.over
            else f"{self.zh}剩 {self.days - self.used} 个{self.unit}"
        )

    @property
    def sentence(self) -> str:
        """超承诺时限 6 个工作日（时限 5，已用 11，到期 2026-11-19）."""
        counted = f"（时限 {self.days}，已用 {self.used}{f'，到期 {self.due}' if self.due else ''}）"
        if self.over:
            return f"超{self.zh}时限 {self.over} 个{self.unit}{counted}"
        return f"{self.zh}时限剩余 {self.days - self.used} 个{self.unit}{counted}"


def of(clock: Mapping[str, Any]) -> tuple[Limit, ...]:
    """The limits of a case, the promised one first; none: it has no limit, or was not accepted.

    :param clock: ``promised_limit``, ``promised_unit``, ``used_promised``, ``due_promised``, and the same of ``statutory``.
    """
    found = []
    for name in LIMIT_ZH:
        days, used, due = clock[f"{name}_limit"], clock[f"used_{name}"], clock[f"due_{name}"]
        if days is not None and used is not None:
            due = date.fromisoformat(due[:10]) if isinstance(due, str) else due
            found.append(Limit(name, days, clock[f"{name}_unit"] or "日", used, due))
    return tuple(found)


def over(limits: tuple[Limit, ...]) -> int:
    """Days past the limit that is passed the furthest; 0: within all."""
    return max((limit.over for limit in limits), default=0)


def verdict(limits: tuple[Limit, ...]) -> str:
    """Both limits in words; empty: none."""
    return "；".join(limit.sentence for limit in limits)
