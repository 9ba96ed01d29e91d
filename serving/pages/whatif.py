"""推演: a past year replayed by the real clocks under other limits, items, order or days; asked for by a form, computed beside."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from core import clock
from core.errors import ConfigurationError
from insight import whatif
from insight.backtest import Change
from serving import audit
from serving.access import Grant, reading
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.report import backtest as words
from serving.report import charts, drawing

router = APIRouter()
ROWS = 3  # of each kind of change that the form offers
BARS = 12
OTHERS = 10  # departments without a late case that are listed
_MAX = 3650  # days of a promised limit
Items = Annotated[list[str], Form(max_length=64)]

_CATALOGUE = """
select distinct on (v.item_code) v.item_code, v.item_name, v.promised_limit, v.promised_unit, v.prerequisites, v.soft_prerequisites
from asked.item v order by v.item_code, v.valid_from desc nulls last, v.version desc"""


@router.get("/what-if", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """The form, and the replays that were asked for."""
    _city(who)
    rows = whatif.recent()
    answer = rendered("whatif.html.j2", request, **_form(who), recent=[_named(row) for row in rows])
    return logged(request, who, answer, len(rows))


@router.post("/what-if")
def ask(
    who: Who,
    beside: BackgroundTasks,
    year: Annotated[int, Form(ge=2000, le=2200)],
    item: Items = [],  # noqa: B006 - FastAPI copies it
    limit: Items = [],  # noqa: B006
    without: Items = [],  # noqa: B006
    parallel: Items = [],  # noqa: B006
    holiday: Items = [],  # noqa: B006
    until: Items = [],  # noqa: B006
    workday: Items = [],  # noqa: B006
) -> Response:
    """Suppose, and compute beside; the address of the replay."""
    _city(who)
    try:
        change = _change(item, limit, without, parallel, holiday, until, workday)
        number, fresh = whatif.ask(change, year, who.actor)
    except ConfigurationError as error:
        raise HTTPException(400, error.zh) from error
    audit.append(who.actor, "what if", str(number), {"year": year, **whatif.as_dict(change)})
    if fresh:
        beside.add_task(whatif.compute, number)
    return RedirectResponse(f"what-if/{number}", 303, headers=HEADERS, background=beside)


@router.get("/what-if/{number}", response_class=HTMLResponse)
def one(request: Request, number: int, who: Who) -> Response:
    """A replay: table and chart by department, items, cases and findings that it changes; while it is computed, a page that looks again."""
    _city(who)
    found = whatif.one(number) if 0 < number < 2**53 else None
    if found is None:
        raise HTTPException(404, "没有这次推演。")
    computed = found["told"]
    answer = rendered(
        "whatif-one.html.j2",
        request,
        headers={} if computed or found["error"] or found["died"] else {"Refresh": "3"},
        found=_named(found),
        t=computed,
        drawn=_drawn(computed) if computed else None,
        departments=_listed(computed["departments"]) if computed else [],
        most=OTHERS,
        names=_names(who),
        total={
            n: sum(row[n] for row in computed["departments"])
            for n in ("cases", "late", "late_after", "over", "over_after")
        }
        if computed
        else None,
    )
    return logged(request, who, answer, len(computed["departments"]) if computed else 0)


def _city(who: Grant) -> None:
    """:raises HTTPException: who asks does not see the whole city."""
    if not who.free:
        raise HTTPException(403, "推演涉及全市办件，只对可见全市的人员开放。")


def _change(*given: list[str]) -> Change:
    """The form's rows as a change; empty ones ask nothing.

    :raises ConfigurationError: a row that is not whole, or cannot be read.
    """
    item, limit, without, parallel, holiday, until, workday = ([text.strip() for text in column] for column in given)
    limits: dict[str, int] = {}
    for code, days in zip(item, limit, strict=False):
        if not code and not days:
            continue
        if not code or not days.isascii() or not days.isdigit() or int(days) > _MAX:
            raise _unreadable(f"承诺时限“{code} {days}”：请选事项并填 0 至 {_MAX} 的天数")
        limits[code] = int(days)
    pairs = []
    for pair in filter(None, parallel):
        code, _, before = pair.partition(",")
        pairs.append((code, before))
    calendar: dict[date, bool] = {}
    for begin, end in zip(holiday, until, strict=False):
        if begin or end:
            first, last = _day(begin or end), _day(end or begin)
            if last < first or (last - first).days > 60:
                raise _unreadable(f"放假 {first} 至 {last}：止日不早于起日，至多 60 天")
            calendar |= {first + timedelta(days=n): False for n in range((last - first).days + 1)}
    calendar |= {_day(text): True for text in filter(None, workday)}
    return Change(limits, tuple(filter(None, without)), tuple(pairs), calendar)


def _day(text: str) -> date:
    if not re.fullmatch(r"20\d\d-\d\d-\d\d", text):
        raise _unreadable(f"日期“{text}”")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _unreadable(f"日期“{text}”") from error


def _unreadable(zh: str) -> ConfigurationError:
    return ConfigurationError(f"a row that cannot be read: {zh}", remedy="see the form", zh=f"无法读取：{zh}。")


def _form(who: Grant) -> dict[str, Any]:
    with reading(who) as connection:
        rows = [dict(row) for row in connection.exec_driver_sql(_CATALOGUE).mappings()]
    names = {row["item_code"]: row["item_name"] for row in rows}
    pairs = [
        (row["item_code"], before, f"{row['item_name']} 不待 {names.get(before, before)}")
        for row in rows
        for before in dict.fromkeys([*_texts(row["prerequisites"]), *_texts(row["soft_prerequisites"])])
    ]
    return {"items": rows, "pairs": pairs, "years": range(clock.today().year, clock.today().year - 6, -1), "rows": ROWS}


def _names(who: Grant) -> dict[str, str]:
    with reading(who) as connection:
        return {row["item_code"]: row["item_name"] for row in connection.exec_driver_sql(_CATALOGUE).mappings()}


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "supposed": words.supposed(whatif.of(row["asked"]))}


def _listed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Departments with late cases, and of the others those with most cases."""
    late = [row for row in rows if row["late"] or row["late_after"]]
    return late + [row for row in rows if not row["late"] and not row["late_after"]][:OTHERS]


def _drawn(computed: dict[str, Any]) -> Markup | None:
    """Late cases by department, as it is and as supposed."""
    rows = [row for row in computed["departments"] if row["late"] or row["late_after"]][:BARS]
    bars = [
        (f"{row['department']} · {when}", float(row[name]), f"{row[name]:,} 件")
        for row in rows
        for when, name in (("现行", "late"), ("假设", "late_after"))
    ]
    return drawing.svg(charts.bars(bars, "逾期办件按部门，现行与假设"), "bars") if bars else None


def _texts(listed: Any) -> list[str]:
    """The texts of a JSON list, as it came: a catalogue may hold anything."""
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
