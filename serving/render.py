"""The pages' templates: autoescaped, strict about names."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from core.clock import SHANGHAI
from serving import formats


@cache
def _environment() -> Environment:
    folder = Path(__file__).resolve().parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = day
    environment.filters["moment"] = lambda value: f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    environment.filters["clock"] = lambda value: f"{value:%Y-%m-%d %H:%M}"
    environment.filters["span"] = span
    environment.filters["money"] = money
    environment.filters["number"] = lambda value: "—" if value is None else f"{value:,}"
    environment.globals["report_formats"] = {kind.value: name for kind, name in formats.NAMES.items()}
    return environment


def template(name: str) -> Template:
    """A template of ``templates/``."""
    return _environment().get_template(name)


def day(value: Any) -> str:
    """A date, whatever form it has; —: none."""
    if value is None:
        return "—"
    return f"{value:%Y-%m-%d}" if isinstance(value, date | datetime) else str(value)[:10]


def span(seconds: float | None) -> str:
    """A length of time for people: the two largest parts at most."""
    if seconds is None:
        return "—"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} 天" + (f" {hours} 小时" if hours else "")
    if hours:
        return f"{hours} 小时" + (f" {minutes} 分" if minutes else "")
    return f"{minutes} 分"


def money(wan: float | None) -> str:
    """万元 as people say it: 1.2 亿元, 3,500 万元."""
    if wan is None:
        return "—"
    return f"{wan / 10_000:,.2f} 亿元" if wan >= 10_000 else f"{wan:,.0f} 万元"
