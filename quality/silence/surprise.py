"""Surprise: a batch that is unlike the ones before it, told with what was usual and what came.

Ten times the rows of a usual day; a share of rejected rows, unknown codes, repeated keys or empty vital columns that jumps;
a code that vanishes; all times equal; a listing that is shorter than what stands. What is usual are the feed's own batches before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import arrivals
from store.staging import Staged

TIMES = 10  # so much more than the 95 % quantile of its days
_FEW = 50  # rows in which a share says something
_UNLIKELY = 1e-9
_JUMP = 3  # and at least so many times the usual share
_FALL = 0.8  # of what stands
_SHARES = {"rejected": "隔离", "unknown_code": "未知代码", "repeated": "重复键"}


@dataclass(frozen=True, slots=True)
class Surprise:
    """``field``: what is unusual; ``usual`` and ``came`` in words, Chinese first."""

    field: str
    usual: str
    came: str

    @property
    def detail(self) -> str:
        """As an issue tells it."""
        return f"{self.field}：通常 {self.usual}，本批 {self.came} · usual {self.usual}, came {self.came}"


def look(
    connection: Connection,
    staged: Staged,
    now: datetime,
    by_day: dict[date, int],
    rejected: int,
    claimed: int | None,
    stands: int | None,
) -> list[Surprise]:
    """Hold a merged, uncommitted batch against those before, then count it among them.

    ``by_day``: what :func:`store.arrivals.record` counted. ``claimed``: how many records a full listing says it has, ``stands`` how many
    stand; None where that says nothing.
    """
    rows = staged.rows_in
    came = {"rows": rows, "rejected": rejected, **_counts(connection, staged, rejected)}
    before: dict[str, int] = dict(
        connection.execute(
            sa.text(
                """select part, sum(rows)::bigint from landing.arrival
                   where feed = :feed and kind = 'batch' and at > :now - interval '90 days' group by part"""
            ),
            {"feed": staged.feed, "now": now},
        ).all()
    )
    found = []
    if before.get("rows", 0) >= _FEW:
        found = [*_shares(came, before), *_volume(connection, staged, by_day)]
        found += _columns(connection, staged, now) if by_day else []
        if rows >= _FEW and came["times"] == 1:
            found.append(Surprise("时间", "各行不一", f"{rows} 行时间全部相同"))
    if claimed is not None and stands and claimed < _FALL * stands:
        found.append(Surprise("总数", str(stands), str(claimed)))
    counted = {part: number for part, number in came.items() if part != "times" and number} or {"rows": 0}
    arrivals.add(
        connection,
        """select cast(:feed as text), 'batch', part, date_trunc('hour', cast(:now as timestamp)), cast(:now as timestamp)::date, n
           from unnest(cast(:parts as text[]), cast(:numbers as bigint[])) c (part, n)""",
        feed=staged.feed,
        now=now,
        parts=list(counted),
        numbers=list(counted.values()),
    )
    return found


def _counts(connection: Connection, staged: Staged, rejected: int) -> dict[str, int]:
    record, issue = staged.name("record"), staged.name("issue")
    repeated = f"(select count(*) - count(distinct record_key) from {record} where not again)"
    repeated, one_time = connection.execute(
        sa.text(
            f"""select {repeated if rejected or not staged.loaded else 0},
                       count(source_time) = count(*) and min(source_time) = max(source_time)
                from {record} where not again"""
        )
    ).one()
    unknown = connection.execute(
        sa.text(f"select coalesce(sum(count), 0)::bigint from {issue} where code = 'unknown_code'")
    ).scalar_one()
    return {"unknown_code": unknown, "repeated": repeated, "times": int(one_time or False)}


def _shares(came: dict[str, int], before: dict[str, int]) -> list[Surprise]:
    from scipy.stats import binom

    rows, found = came["rows"], []
    if rows < _FEW:
        return []
    for part, zh in _SHARES.items():
        usual = (before.get(part, 0) + 1) / (before["rows"] + 2)
        if came[part] / rows > _JUMP * usual and binom.sf(came[part] - 1, rows, min(usual, 1.0)) < _UNLIKELY:
            found.append(Surprise(zh, f"{usual:.1%}", f"{came[part] / rows:.1%}（{came[part]}/{rows}）"))
    return found


#: Rows that a day of the feed has at most, but for one day in twenty; the days of this batch left out.
_USUAL_VOLUME = """select percentile_cont(0.95) within group (order by n) from (
select sum(rows) as n from landing.arrival
where feed = :feed and kind = 'feed' and at::date between :first and :day and at::date <> all(:days)
group by at::date) d"""


def _volume(connection: Connection, staged: Staged, by_day: dict[date, int]) -> list[Surprise]:
    if not by_day:
        return []
    day = max(by_day, key=lambda one: by_day[one])
    usual = connection.execute(
        sa.text(_USUAL_VOLUME),
        {"feed": staged.feed, "first": day - timedelta(days=90), "day": day, "days": list(by_day)},
    ).scalar()
    if usual is None or by_day[day] < max(2 * _FEW, TIMES * float(usual)):
        return []
    return [Surprise("数量", f"每日至多约 {float(usual):.0f} 条", f"{day} 一日 {by_day[day]} 条")]


#: Rows, filled columns and events of a feed: before the day of its latest arrival, and on it.
_BEFORE_AND_TODAY = """select kind, part, coalesce(sum(rows) filter (where came < l.day), 0)::bigint,
       coalesce(sum(rows) filter (where came = l.day), 0)::bigint
from landing.arrival cross join (select max(came) as day from landing.arrival where feed = :feed and kind = 'feed') l
where feed = :feed and kind in ('column', 'feed', 'event') and at > :now - interval '400 days'
group by kind, part"""


def _columns(connection: Connection, staged: Staged, now: datetime) -> list[Surprise]:
    """Vital columns that are filled much less often among what came on the day of this batch than before, and codes of an event
    that were usual and do not come at all."""
    from scipy.stats import binom

    rows = connection.execute(
        sa.text(_BEFORE_AND_TODAY),
        {"feed": staged.feed, "now": now},
    ).all()
    counted = {(kind, part): (before, today) for kind, part, before, today in rows}
    before, today = counted.pop(("feed", ""), (0, 0))
    found: list[Surprise] = []
    if before < _FEW or today < _FEW:
        return found
    for (kind, part), (filled, filled_today) in counted.items():
        usual = min(filled / before, 1.0)
        if usual < 0.05 or binom.cdf(filled_today, today, usual) >= _UNLIKELY:
            continue
        empty, was = 1 - filled_today / today, 1 - usual
        if kind == "event":
            if filled_today == 0:
                found.append(Surprise(f"代码 {part}", f"{usual:.1%}", f"0（共 {today} 行）"))
        elif empty > _JUMP * was and empty - was > 0.1:
            found.append(Surprise(f"字段 {part} 为空", f"{was:.1%}", f"{empty:.1%}（共 {today} 行）"))
    return found
