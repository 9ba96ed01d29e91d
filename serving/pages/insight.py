"""改革台账: the reform's figures with their evidence, where the days go, bottlenecks, paths; for whoever sees the whole city."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from insight import report
from serving.access import towns
from serving.pages.answering import Who, logged, rendered
from serving.report import charts, drawing

router = APIRouter()


@router.get("/insight", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """As it was kept after the last judgement of the whole city."""
    if not who.free:
        raise HTTPException(403, "改革台账是全市的数，只对可见全市的人员开放。")
    told = report.latest()
    drawn = None
    if told:
        drawn = {
            "holders": _bars("用时去向", [(h["zh"], h["days"]) for h in told["holders"]], told["elapsed"]),
            "departments": _bars(
                "部门办理用时",
                [(d["department"] or "部门未知", d["days"]) for d in told["departments"][:12]],
                next(h["days"] for h in told["holders"] if h["holder"] == "government"),
            ),
        }
    answer = rendered("insight.html.j2", request, t=told, drawn=drawn, towns=towns())
    return logged(request, who, answer, len(told["figures"]) if told else 0)


def _bars(label: str, rows: list[tuple[str, int]], whole: int) -> Markup:
    told = [(name, float(n), f"{n:,} 天 · {n / max(whole, 1):.1%}") for name, n in rows]
    return drawing.svg(charts.bars(told, label), "bars")
