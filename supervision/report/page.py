"""The report as one HTML page with charts in SVG."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from supervision.orders.life import STATE_ZH
from supervision.report.state import State

LIGHTS = {"双红": "#7f1d1d", "红": "#dc2626", "黄": "#d4a106", "绿": "#3f9142", "蓝": "#2f6db5", "灰": "#9aa0a6"}
_BARS = 12


def html(state: State, made: datetime) -> str:
    """The page; complete in itself."""
    saved = state.items.filter(state.items["saved_cases"] > 0).sort("saved_days", descending=True)
    by_department = state.departments.filter(state.departments["saved_cases"] > 0).sort("saved_days", descending=True)
    return _template().render(
        s=state,
        made=made,
        lights=[(name, state.lights.get(name, 0), colour) for name, colour in LIGHTS.items()],
        saved=saved.head(_BARS).to_dicts(),
        saved_departments=by_department.head(_BARS).to_dicts(),
        departments=state.departments.to_dicts(),
        towns=state.towns.to_dicts(),
        stages=state.stages.to_dicts(),
        rules=state.rules.to_dicts(),
        outside=state.outside.to_dicts(),
        orders=state.orders.to_dicts(),
        states=STATE_ZH,
    )


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: "—" if value is None else f"{value:,}"
    environment.filters["percent"] = lambda value: "—" if value is None else f"{value:.1%}"
    environment.filters["days"] = lambda value: "—" if value is None else f"{value:,.1f}"
    environment.filters["day"] = lambda value: f"{value:%Y-%m-%d}" if isinstance(value, date) else "—"
    return environment.get_template("page.html.j2")
