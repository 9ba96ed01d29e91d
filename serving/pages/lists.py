"""Pages of lists, as HTML, CSV and Excel: findings, cases, work orders, escalations (上级督办), the agents' next steps (代办跟进);
and the shared file of a case (部门协同)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import polars as pl
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from core import clock
from serving import rulebook
from serving.access import Grant, departments, reading, towns
from serving.pages.answering import HEADERS, Who, attached, logged, rendered
from serving.query import cases, freshness, lists
from serving.query.city import city
from serving.report import dossier
from store.engine import pairs
from supervision.orders.life import STATE_ZH, STEP_ZH

router = APIRouter()
Kind = Literal["csv", "xlsx"]
_TEXT = r"^[^\x00]*$"
LATE_ZH = {
    "running": "在办超期",
    "all": "逾期办件（在办与已办结）",
    "soon": "临期",
    "open": "在办",
    "ended": "已办结",
    "accepted": "已受理（在办与已办结）",
}
#: what a file holds: list → (title, what it shows of a row)
_FILES: dict[str, list[tuple[str, Callable[[dict[str, Any]], Any]]]] = {}


def _asked(
    q: Annotated[str | None, Query(max_length=100, pattern=_TEXT)] = None,
    town: Annotated[str | None, Query(pattern=r"^(\d{9})?$")] = None,
    department: Annotated[str | None, Query(pattern=r"^([0-9A-Z]{18})?$")] = None,
    rule: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_]{0,20}$")] = None,
    severity: Annotated[str | None, Query(pattern=r"^[1-3]?$")] = None,
    state: Annotated[str | None, Query(pattern=r"^[a-z]{0,12}$")] = None,
    project: Annotated[str | None, Query(max_length=64, pattern=_TEXT)] = None,
    late: Annotated[Literal["", "running", "all", "soon", "open", "ended", "accepted"] | None, Query()] = None,
    item: Annotated[str | None, Query(max_length=64, pattern=_TEXT)] = None,
    named: Annotated[str | None, Query(max_length=100, pattern=_TEXT)] = None,
    handled: Annotated[str | None, Query(pattern=r"^\d{0,12}$")] = None,
    ended: Annotated[str | None, Query(pattern=r"^(\d{4})?$")] = None,
    accepted: Annotated[str | None, Query(pattern=r"^(\d{4})?$")] = None,
    light: Annotated[Literal["", "双红", "红", "待数据", "黄", "蓝", "绿", "灰"] | None, Query()] = None,
    overdue: Annotated[Literal["", "1"] | None, Query()] = None,
    sort: Annotated[str | None, Query(pattern=r"^-?[a-z]{0,20}$")] = None,
) -> lists.Asked:
    """What an address asks of a list; what is empty asks nothing."""
    by = {
        "q": q.strip() if q else None,
        "town": town,
        "department": department,
        "rule": rule,
        "severity": severity,
        "state": state,
        "project": project,
        "late": late,
        "item": item,
        "named": named,
        "handled": handled,
        "ended": ended,
        "accepted": accepted,
        "light": light,
        "overdue": overdue,
    }
    return lists.Asked({name: value for name, value in by.items() if value}, sort or None)


By = Annotated[lists.Asked, Depends(_asked)]
Number = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@router.get("/findings", response_class=HTMLResponse)
def findings(request: Request, who: Who, asked: By, page: Number = 1) -> Response:
    """The city's findings; those that stand, without another word."""
    asked.by.setdefault("state", "standing")
    return _listed(
        request, who, "findings", asked, page, title="发现", states={"standing": "未消除", **lists.STANDING_ZH}
    )


@router.get("/cases", response_class=HTMLResponse)
def cases_(request: Request, who: Who, asked: By, page: Number = 1) -> Response:
    """Cases against their limits; the running ones that are late, without another word."""
    if "q" not in asked.by and "light" not in asked.by and "project" not in asked.by:
        asked.by.setdefault("late", "running")
    return _listed(request, who, "cases", asked, page, title="办件与时限", states={})


@router.get("/orders", response_class=HTMLResponse)
def orders(request: Request, who: Who, asked: By, page: Number = 1) -> Response:
    """The city's work orders; those that run, without another word."""
    asked.by.setdefault("state", "running")
    return _listed(request, who, "orders", asked, page, title="工单", states={"running": "未办结", **STATE_ZH})


@router.get("/escalations", response_class=HTMLResponse)
def escalations(request: Request, who: Who, asked: By, page: Number = 1) -> Response:
    """上级督办: what went past its limit twice and is before the superior now."""
    asked.by.update(escalated="1")
    asked.by.setdefault("state", "running")
    return _listed(request, who, "orders", asked, page, title="上级督办", states={"running": "未办结", **STATE_ZH})


@router.get("/agents.{kind}")
def agents_file(
    request: Request, kind: Kind, who: Who, town: Annotated[str | None, Query(pattern=r"^(\d{9})?$")] = None
) -> Response:
    """The same, whole, as CSV or Excel."""
    return _file(request, who, "代办跟进", _AGENTS, iter(_agents(who, town)), kind, {"town": town} if town else {})


@router.get("/{name}.{kind}")
def file(
    request: Request, name: Literal["findings", "cases", "orders", "escalations"], kind: Kind, who: Who, asked: By
) -> Response:
    """A list whole, as CSV or Excel, with the filters of its page."""
    of = "orders" if name == "escalations" else name
    if name == "escalations":
        asked.by["escalated"] = "1"
    title = {"findings": "发现", "cases": "办件", "orders": "工单", "escalations": "上级督办"}[name]
    _known(of, asked)
    return _file(request, who, title, _FILES[of], _rows(who, of, asked), kind, asked.by)


@router.get("/agents", response_class=HTMLResponse)
def agents(request: Request, who: Who, town: Annotated[str | None, Query(pattern=r"^(\d{9})?$")] = None) -> Response:
    """代办跟进: projects whose next step is the enterprise's, by town, the late first; whom an agent calls today."""
    rows = _agents(who, town)
    answer = rendered("agents.html.j2", request, rows=rows[:500], total=len(rows), town=town, towns=_towns())
    return logged(request, who, answer, len(rows))


def _agents(who: Grant, town: str | None) -> list[dict[str, Any]]:
    rows = city(who).projects.filter(
        ~pl.col("finished") & pl.col("turn").struct.field("turn").fill_null("").str.contains("企业")
    )
    if town:
        rows = rows.filter(pl.col("town") == town)
    with reading(who) as connection:
        names: dict[str, str] = pairs(
            connection.exec_driver_sql("select v.id, v.agent from asked.project v where v.agent is not null")
        )
    return [{**row, "agent": names.get(row["code"])} for row in rows.to_dicts()]


@router.get("/case/{number:path}", response_class=HTMLResponse)
def case(request: Request, number: str, who: Who) -> Response:
    """部门协同: one case as every department that takes part sees it: clock, events, pauses, materials, findings, orders and their steps."""
    if len(number) > 120 or "\x00" in number:
        raise HTTPException(404, "没有这个办件，或无权查看。")
    with reading(who) as connection:
        found = cases.case(connection, number)
        if found is None:
            raise HTTPException(404, "没有这个办件，或无权查看。")
        shared = cases.shared(connection, found["id"])
    words: dict[str, Any] = {
        "events": dossier.labels("event"),
        "channels": dossier.labels("channel"),
        "rules": rulebook.names(),
        "standing": lists.STANDING_ZH,
        "states": STATE_ZH,
        "turns": lists.TURN_ZH,
        "steps_zh": STEP_ZH,
    }
    answer = rendered("case.html.j2", request, c=found, **shared, **words, told=lists.described("cases", dict(found)))
    return logged(request, who, answer, 1)


def _listed(
    request: Request, who: Grant, name: str, asked: lists.Asked, number: int, *, title: str, states: dict[str, str]
) -> Response:
    _known(name, asked, states)
    with reading(who) as connection:
        rows, total = lists.page(connection, name, asked, number)
    shown = {k: v for k, v in asked.by.items() if k != "escalated"}
    path = request.url.path.rsplit("/", 1)[-1]

    def address(**change: Any) -> str:
        pairs = {**shown, "sort": asked.sort, **change}
        return "?" + urlencode({k: v for k, v in pairs.items() if v})

    values: dict[str, Any] = {
        "kind": name,
        "path": path,
        "title": title,
        "rows": rows,
        "total": total,
        "number": number,
        "pages": max((total + lists.PAGE - 1) // lists.PAGE, 1),
        "by": dict.fromkeys(lists.LISTS[name].filters, "") | shown,
        "sort": asked.sort or "",
        "columns": lists.LISTS[name].columns,
        "states": states,
        "late": LATE_ZH,
        "towns": _towns(),
        "departments": _departments(),
        "rules": rulebook.names(),
        "address": address,
        "decides": who.decides,
        "today": clock.today(),
    }
    return logged(request, who, rendered("worklist.html.j2", request, **values), len(rows))


def _known(name: str, asked: lists.Asked, states: dict[str, str] | None = None) -> None:
    """:raises HTTPException: a word that the list does not know, with those that it does."""
    allowed = {"town": towns(), "department": departments(), "rule": rulebook.names()}
    if states:
        allowed["state"] = states
    for filter_, known in allowed.items():
        value = asked.by.get(filter_)
        if value and value not in known:
            shown = "、".join(list(known)[:40])
            raise HTTPException(
                400,
                f"没有{ {'town': '镇街', 'department': '部门', 'rule': '规则', 'state': '状态'}[filter_] } {value}。可用：{shown}{' 等' if len(known) > 40 else ''}。",
            )
    order = (asked.sort or "").removeprefix("-")
    if order and order not in lists.LISTS[name].columns:
        raise HTTPException(400, f"不能按 {order} 排序。可用：{'、'.join(lists.LISTS[name].columns)}。")


def _towns() -> list[tuple[str, str]]:
    return sorted((code, lists.short_town(code)) for code in towns())


def _departments() -> list[tuple[str, str]]:
    return sorted(
        ((code, name.removeprefix("东莞市")) for code, name in departments().items()), key=lambda pair: pair[0]
    )


# -- files ---------------------------------------------------------------------------------------------------------------

_PROJECT = [
    ("项目代码", lambda r: r["project_code"]),
    ("项目名称", lambda r: r["project_name"]),
    ("镇街", lambda r: r["town_name"]),
]
_LIMITS = [
    ("灯", lambda r: r["light"]),
    ("承诺时限", lambda r: r["promised_limit"]),
    ("承诺已用", lambda r: r["used_promised"]),
    ("承诺时限单位", lambda r: r["promised_unit"]),
    ("承诺到期日", lambda r: r["due_promised"]),
    ("超承诺时限", lambda r: next((x.over for x in r["limits"] if x.name == "promised"), None)),
    ("法定时限", lambda r: r["statutory_limit"]),
    ("法定已用", lambda r: r["used_statutory"]),
    ("法定时限单位", lambda r: r["statutory_unit"]),
    ("法定到期日", lambda r: r["due_statutory"]),
    ("超法定时限", lambda r: next((x.over for x in r["limits"] if x.name == "statutory"), None)),
]
_FILES.update(
    findings=[
        ("编号", lambda r: r["id"]),
        ("规则", lambda r: r["rule"]),
        ("严重程度", lambda r: r["severity_zh"]),
        *_PROJECT,
        ("事项编码", lambda r: r["item_code"]),
        ("办件编号", lambda r: r["case_no"]),
        ("内容（疑似，待核）", lambda r: r["text"]),
        ("责任部门", lambda r: r["department_name"]),
        ("状态", lambda r: r["state_zh"]),
        ("出现日", lambda r: r["opened_on"]),
        ("消除日", lambda r: r["closed_on"]),
        ("工单", lambda r: r["order_no"]),
        ("轮到谁", lambda r: r["turn"]),
        ("工单到期日", lambda r: r["due_on"]),
        *_LIMITS,
    ],
    cases=[
        ("办件编号", lambda r: r["case_no"]),
        ("事项编码", lambda r: r["item_code"]),
        ("事项", lambda r: r["item_name"]),
        *_PROJECT,
        ("部门", lambda r: r["department_name"]),
        ("起算日", lambda r: r["acceptance_on"]),
        ("办结时间", lambda r: r["ended_at"]),
        ("轮到谁", lambda r: r["turn"]),
        *_LIMITS,
    ],
    orders=[
        ("工单", lambda r: r["no"]),
        ("规则", lambda r: r["rule"]),
        ("严重程度", lambda r: r["severity_zh"]),
        *_PROJECT,
        ("办件编号", lambda r: r["case_no"]),
        ("事由", lambda r: r["text"]),
        ("责任部门", lambda r: r["department_name"]),
        ("状态", lambda r: r["state_zh"]),
        ("轮到谁", lambda r: r["turn"]),
        ("派单", lambda r: r["dispatched_at"]),
        ("本环节到期日", lambda r: r["due_on"]),
        ("催办日", lambda r: r["urged_on"]),
        ("督办日", lambda r: r["escalated_on"]),
        ("反馈结论", lambda r: r["result"]),
        ("反馈内容", lambda r: r["answer"]),
        ("办结", lambda r: r["closed_at"]),
        *_LIMITS,
    ],
)
_AGENTS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("项目代码", lambda r: r["code"]),
    ("项目名称", lambda r: r["name"]),
    ("企业", lambda r: r["enterprise"]),
    ("镇街", lambda r: r["town_name"]),
    ("代办员", lambda r: r["agent"]),
    ("当前事项", lambda r: (r["turn"] or {}).get("item_name")),
    ("阶段", lambda r: r["stage"]),
    ("灯", lambda r: r["light"]),
    ("在办超期", lambda r: r["late"]),
    ("发现", lambda r: r["findings"]),
]


def _rows(who: Grant, name: str, asked: lists.Asked) -> Iterator[dict[str, Any]]:
    with reading(who) as connection:
        yield from lists.whole(connection, name, asked)


def _file(
    request: Request,
    who: Grant,
    title: str,
    columns: list[tuple[str, Callable[[dict[str, Any]], Any]]],
    rows: Iterable[dict[str, Any]],
    kind: Kind,
    by: dict[str, Any],
) -> Response:
    file_name = f"{title}_{clock.now():%Y%m%d_%H%M}.{kind}"
    about = [("名称", title), ("导出时间", f"{clock.now():%Y-%m-%d %H:%M}"), ("数据截至", freshness.current().line)]
    about.append(("筛选", "；".join(f"{k}={v}" for k, v in by.items()) or "全部"))
    out = TemporaryFile("w+b")  # noqa: SIM115  # closed when the answer has been sent
    count = (_as_csv if kind == "csv" else _as_workbook)(out, columns, rows, about)
    out.seek(0)
    media = (
        "text/csv; charset=utf-8"
        if kind == "csv"
        else "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )

    def parts() -> Iterator[bytes]:
        with out:
            while part := out.read(1 << 16):
                yield part

    answer = StreamingResponse(parts(), media_type=media, headers={**HEADERS, **attached(file_name)})
    return logged(request, who, answer, count)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is kept a text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def _as_csv(
    out: Any, columns: list[tuple[str, Any]], rows: Iterable[dict[str, Any]], about: list[tuple[str, str]]
) -> int:
    text = io.TextIOWrapper(
        out, "utf-8-sig", newline="", write_through=True
    )  # the mark lets Excel know that it is UTF-8
    writer, count = csv.writer(text), 0
    writer.writerow([name for name, _ in columns])
    for count, row in enumerate(rows, 1):  # noqa: B007
        writer.writerow([_cell(value(row)) for _, value in columns])
    text.detach()
    return count


def _as_workbook(
    out: Any, columns: list[tuple[str, Any]], rows: Iterable[dict[str, Any]], about: list[tuple[str, str]]
) -> int:
    import xlsxwriter

    book = xlsxwriter.Workbook(
        out, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    )
    head, days = book.add_format({"bold": True, "bg_color": "#E9F1FB"}), book.add_format({"num_format": "yyyy-mm-dd"})
    times = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    sheet, count = book.add_worksheet("数据"), 0
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.repeat_rows(0)
    sheet.set_footer(f"&L{about[0][1]}  {about[1][1]}&R第 &P 页，共 &N 页")
    for n, (name, _) in enumerate(columns):
        sheet.set_column(n, n, 60 if "内容" in name or name == "事由" else 14)
        sheet.write(0, n, name, head)
    for count, row in enumerate(rows, 1):  # noqa: B007
        for n, (_, value) in enumerate(columns):
            cell = value(row)
            if cell is None:
                continue
            if hasattr(cell, "hour"):
                sheet.write_datetime(count, n, cell, times)
            elif hasattr(cell, "year"):
                sheet.write_datetime(count, n, cell, days)
            else:
                sheet.write(count, n, cell)
    notes = book.add_worksheet("说明")
    notes.set_column(0, 1, 24)
    for n, (name, text) in enumerate(about):
        notes.write(n, 0, name, head)
        notes.write(n, 1, text)
    book.close()
    return count
