"""The reform's ledger: the case's own figures, each computed from the store and shown with the rows that it comes of.

Nothing is entered by hand. A figure that the data do not carry is null with the reason, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any

from sqlalchemy.engine import Connection

from schemas import channels
from supervision import rulebook

ENOUGH = 5  # projects of a year from which a median is said
INTERNAL = "政府内部事项"
START = "施工许可"  # the item whose result lets construction start, by name in the catalogue


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``; null: ``note`` says why. ``target`` is what the city's case reports, for comparison alone.
    ``rows`` is the evidence: every row that was counted, in the columns ``columns``."""

    key: str
    zh: str
    value: float | None
    unit: str
    target: float
    note: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


_MATERIALS = """
select i.item_code, i.item_name, m ->> 'code', m ->> 'name', m ->> 'medium'
from (select distinct on (item_code) * from store.item
      where gone_at is null and (valid_from is null or valid_from <= %(day)s) and (valid_to is null or valid_to >= %(day)s)
      order by item_code, version desc) i
cross join jsonb_array_elements(case jsonb_typeof(i.materials) when 'array' then i.materials else '[]' end) m
where i.kind = %(internal)s and m ->> 'name' is not null and m ->> 'code' is not null
order by 1, 3"""
_LIMITS = """
select a.item_code, b.item_name, a.version, b.version, a.promised_limit, b.promised_limit, a.promised_limit - b.promised_limit,
       b.valid_from
from store.item a join lateral (select * from store.item n where n.gone_at is null and n.item_code = a.item_code and n.version > a.version
                                order by n.version limit 1) b on true
where a.gone_at is null and a.promised_limit is not null and b.promised_limit is not null
  and coalesce(a.promised_unit, '工作日') = '工作日' and coalesce(b.promised_unit, '工作日') = '工作日'
  and (b.valid_from is null or b.valid_from <= %(day)s) and a.promised_limit <> b.promised_limit
order by 1, 3"""
_STARTS = """
select p.id, p.project_name, p.submitted_at::date, d.done_at::date,
       coalesce(d.done_at::date, %(day)s) - p.submitted_at::date, extract(year from p.submitted_at)::int
from store.project p join supervision.project_item d on d.project_code = p.id and d.expected
where p.gone_at is null and p.submitted_at::date <= %(day)s and d.item_name like '%%' || %(start)s || '%%'
  and (d.done_at is null or d.done_at >= p.submitted_at and d.done_at::date <= %(day)s)
order by p.submitted_at, p.id"""
_ONLINE = """
select extract(year from coalesce(submitted_at, accepted_at))::int as year,
       count(*) filter (where intake_channel is not null) as online, count(*) as cases
from store."case" where gone_at is null and %(municipal)s = any (channels) and coalesce(submitted_at, accepted_at)::date <= %(day)s
group by 1 order by 1"""
_OUTSIDE = """
select f.item_code, coalesce(max(i.item_name), f.item_code), count(*), count(*) filter (where f.state = 'closed'),
       count(*) filter (where f.state in ('open', 'confirmed')), string_agg(distinct f.rule, '、')
from supervision.finding f left join (select distinct on (item_code) item_code, item_name from store.item where gone_at is null
                                      order by item_code, version desc) i using (item_code)
where f.rule = any (%(rules)s) and f.item_code <> '' and f.state <> 'lifted' and f.opened_on <= %(day)s
group by f.item_code order by count(*) desc, 1"""


def figures(connection: Connection, as_of: date) -> list[Figure]:
    """The five figures, as of a day."""
    day = {"day": as_of}
    materials = _all(connection, _MATERIALS, day | {"internal": INTERNAL})
    limits = _all(connection, _LIMITS, day)
    return [
        Figure(
            "materials",
            "政府内部事项标准化材料",
            len({row[:1] + row[2:4] for row in materials}) if materials else None,
            "份",
            169,
            "现行事项清单中政府内部事项的材料，有编码与名称的才计" if materials else "事项清单没有政府内部事项的材料",
            ("事项编码", "事项", "材料编码", "材料", "介质"),
            materials,
        ),
        Figure(
            "limits",
            "承诺时限压减",
            sum(row[6] for row in limits) if limits else None,
            "个工作日",
            84,
            f"事项清单相邻版本承诺时限之差，逐事项逐版本相加；清单中有前后版本且时限不同的事项 {len({row[0] for row in limits})} 个"
            if limits
            else "事项清单没有承诺时限不同的版本",
            ("事项编码", "事项", "原版本", "新版本", "原承诺", "新承诺", "压减", "生效"),
            limits,
        ),
        _starts(_all(connection, _STARTS, day | {"start": START})),
        _online(_all(connection, _ONLINE, day | {"municipal": channels.municipal()})),
        _outside(_all(connection, _OUTSIDE, day | {"rules": sorted(rulebook.load().out_of_system)})),
    ]


def _starts(rows: list[tuple[Any, ...]]) -> Figure:
    """Median days from filing to the construction permit, by year of filing, the first against the last. Projects without one yet
    count as waiting (Kaplan-Meier): by year of the permit, the first years would show the quick ones alone, for want of older filings."""
    medians = {year: _median([row for row in rows if row[5] == year]) for year in sorted({row[5] for row in rows})}
    known = [(year, days) for year, days in medians.items() if days is not None]
    value = float(known[0][1] - known[-1][1]) if len(known) > 1 else None
    note = (
        f"从立项申报到施工许可的中位天数（尚未取得的按等待计）：{known[0][0]} 年申报的 {known[0][1]:g} 天，{known[-1][0]} 年申报的 {known[-1][1]:g} 天"
        + ("，反而推迟" if known[-1][1] > known[0][1] else "")
        if value is not None
        else f"不足两个申报年度各有 {ENOUGH} 个项目、且过半已取得施工许可，不作比较"
    )
    return Figure(
        "starts", "开工提前", value, "天", 40, note, ("项目代码", "项目", "申报", "施工许可", "天数", "申报年度"), rows
    )


def _median(rows: list[tuple[Any, ...]]) -> float | None:
    """None: too few projects, or fewer than half of them have it."""
    from lifelines import KaplanMeierFitter

    if len(rows) < ENOUGH:
        return None
    median = (
        KaplanMeierFitter().fit([row[4] for row in rows], [row[3] is not None for row in rows]).median_survival_time_
    )
    return float(median) if isfinite(median) else None


def _online(rows: list[tuple[Any, ...]]) -> Figure:
    """Filings with a WSSBQD, first year against last, in per cent of the first."""
    full = [row for row in rows if row[0] is not None and row[1]]
    value = 100 * (full[-1][1] / full[-1][2] / (full[0][1] / full[0][2]) - 1) if len(full) > 1 else None
    note = (
        f"有网上申办渠道（WSSBQD）的办件占比：{full[0][0]} 年 {full[0][1] / full[0][2]:.1%}，{full[-1][0]} 年 {full[-1][1] / full[-1][2]:.1%}"
        + ("；数据的第一年已全部网上申办，看不出此前的提升" if full[0][1] == full[0][2] else "")
        if value is not None
        else "不足两个年度有网上申办的办件，不作比较"
    )
    return Figure("online", "网上申办率提升", value, "%", 30, note, ("年度", "网上申办", "办件"), rows)


def _outside(rows: list[tuple[Any, ...]]) -> Figure:
    """Items of which something outside of the one window was found and is settled: none of it is open."""
    settled = [row for row in rows if row[3] and not row[4]]
    return Figure(
        "outside",
        "体外循环问题发现并解决的事项",
        len(settled),
        "个事项",
        13,
        f"共在 {len(rows)} 个事项发现疑似体外循环，其中 {len(settled)} 个已全部消除"
        + ("" if settled or not rows else "，其余待核或整改中"),
        ("事项编码", "事项", "发现", "已消除", "未消除", "规则"),
        rows,
    )


def _all(connection: Connection, query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(query, values)]
