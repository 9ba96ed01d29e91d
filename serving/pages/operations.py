"""Pages of operations: a field down to the bytes that it came in, the quarantine with its re-drive, source against store over time.

They know no towns: whoever is held to some, or may not operate, is told that there are none.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from core import clock
from core.errors import ConfigurationError
from quality import issues
from serving import balance, lineage, trying
from serving.access import Grant
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.query import freshness
from serving.render import span
from serving.report import charts, dossier, drawing
from serving.sql.views import views
from sources import loader
from store import archive, listing, quarantine, tables

router = APIRouter(prefix="/ops")
SHOWN = 500
STATES = {"open": "待处理", "redriven": "已重处理", "dismissed": "不予处理", "superseded": "已被新报文取代"}


async def _operator(who: Who) -> Grant:
    if not who.operates:
        raise HTTPException(403, "运行页面只对全市范围的运维人员开放。")
    return who


Operator = Annotated[Grant, Depends(_operator)]


@router.get("/lineage/{entity}/{id:path}", response_class=HTMLResponse)
def of_row(request: Request, entity: str, id: str, who: Operator) -> Response:
    """Each field of a row, the record that it was taken from, its mapping and its receipt."""
    traced = lineage.lineage(who, entity, id) if entity in tables.golden else None
    if traced is None:
        raise HTTPException(404, "没有这一行。")
    records = {record["record"]: record for record in traced["records"]}
    answer = rendered(
        "lineage.html.j2", request, t=traced, zh=views()[entity].zh, records=records, feeds=dossier.feeds(), raw=who.raw
    )
    return logged(request, who, answer, 1, personal=who.raw)


@router.get("/receipt/{number}", response_class=HTMLResponse)
def receipt(request: Request, number: int, who: Operator) -> Response:
    """What was asked, what came, and the way to its bytes."""
    found = _receipt(number)
    asked = json.dumps(found["request"], ensure_ascii=False, indent=1)
    return logged(
        request,
        who,
        rendered(
            "receipt.html.j2",
            request,
            r=found,
            asked=asked,
            title=dossier.feeds().get(found["feed"], found["feed"]),
            raw=who.raw,
        ),
        1,
    )


@router.get("/receipt/{number}/content")
def content(request: Request, number: int, who: Operator) -> Response:
    """The bytes as received, to be saved."""
    may_read_raw(who)
    found = _receipt(number)
    if not found["kept"]:
        raise HTTPException(410, f"回执 {number} 的报文已按保存期限清理。")
    answer = StreamingResponse(
        archive.read(found["sha256"]),
        media_type="application/octet-stream",
        headers={**HEADERS, **lineage.to_save(found)},
    )
    return logged(request, who, answer, 1, personal=True)


def _receipt(number: int) -> dict[str, Any]:
    found = lineage.receipt(number) if 0 < number < 1 << 63 else None
    if found is None:
        raise HTTPException(404, f"没有回执 {number}。")
    return found


def may_read_raw(who: Grant) -> None:
    """:raises HTTPException: what was received or sent, unmasked, is not for who asks."""
    if not who.raw:
        raise HTTPException(403, "原始记录未经脱敏，只对可编辑 Airflow 连接的人员开放。")


@router.get("/quarantine", response_class=HTMLResponse)
def rejected(
    request: Request,
    who: Operator,
    feed: Annotated[str | None, Query(max_length=100)] = None,
    state: Literal["open", "redriven", "dismissed", "superseded"] = "open",
) -> Response:
    """Rejected rows, the latest first: why, whose duty, what to do; and the way to take them up again."""
    rows = quarantine.listed(feed or None, state, SHOWN)
    for row in rows:
        row["reasons"] = [issues.explained(reason) for reason in row["reasons"]]
    answer = rendered(
        "quarantine.html.j2",
        request,
        rows=rows,
        shown=SHOWN,
        feed=feed or None,
        state=state,
        states=STATES,
        feeds=dossier.feeds(),
        waiting=quarantine.feeds_with_open(),
        raw=who.raw,
        redrive=request.app.state.redrive,
        decides=who.decides,
    )
    return logged(request, who, answer, len(rows), personal=who.raw)


@router.get("/quarantine/{number}", response_class=HTMLResponse)
def rejected_row(request: Request, number: int, who: Operator) -> Response:
    """One rejected row as it came."""
    may_read_raw(who)
    try:
        row = listing.entry(number)
    except ConfigurationError as error:
        raise HTTPException(404, error.zh) from error
    row["reasons"] = [issues.explained(reason) for reason in row["reasons"]]
    text = row["raw"] if isinstance(row["raw"], str) else json.dumps(row["raw"], ensure_ascii=False, indent=1)
    answer = rendered(
        "rejected.html.j2",
        request,
        q=row,
        text=text,
        states=STATES,
        title=dossier.feeds().get(row["feed"], row["feed"]),
    )
    return logged(request, who, answer, 1, personal=True)


@router.get("/sources", response_class=HTMLResponse)
def sources(request: Request, who: Operator) -> Response:
    """Every source: who answers for it, its rhythm and promise, up to when it was read."""
    declared = list(loader.load_all().values())
    answer = rendered(
        "sources.html.j2",
        request,
        declared=declared,
        tries=trying.may(who),
        promise={s.source: span(s.promise.total_seconds()) for s in declared},
        fresh_by={state.source: state for state in freshness.freshness().sources},
    )
    return logged(request, who, answer, len(declared))


@router.get("/balance", response_class=HTMLResponse)
def balanced(request: Request, who: Operator, feed: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """Source against store: of every feed the latest day, or the days of one."""
    days = balance.over_time(feed or None, None if feed else clock.today() - timedelta(days=30))
    latest = {row["feed"]: row for row in reversed(days)}
    rows = (
        days if feed else sorted(latest.values(), key=lambda row: (-abs(row["lost"]), -row["quarantined"], row["feed"]))
    )
    drawn = drawing.svg(charts.over_time(list(reversed(days))), "balance") if feed and len(days) > 1 else None
    answer = rendered("balance.html.j2", request, rows=rows, feed=feed or None, feeds=dossier.feeds(), drawn=drawn)
    return logged(request, who, answer, len(rows))
