"""Rows as sources write them, and short ways to look into the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from connectors.window import Window
from pipeline import plan, registry, sync
from pipeline.outcome import Outcome
from store.engine import engine

FULL = Window(full=True)


def project(number: int, name: str = "项目", **more: Any) -> dict[str, Any]:
    """A ProjectInfo of D2."""
    return {
        "projectCode": f"2312-441900-04-01-{number:06d}",
        "projectName": f"{name}{number}",
        "applyOrgan": "东莞某公司",
        "applyOrganCode": "91441900MA0000015D",
        "totalInvest": "12,345.60",
        "filingDate": "2026-01-05",
        "industryCode": "C3973",
        "place": "南城街道",
        **more,
    }


def case(number: int, at: str = "2026-03-01 10:00:00", version: int = 1, **more: Any) -> dict[str, Any]:
    """A row of M2's SB."""
    return {
        "SBLSH_SHORT": f"4419{number:08d}",
        "VERSION": str(version),
        "INSERTTIME": at,
        "SXBM": "DG-101",
        "SXMC": "企业投资项目备案",
        "SQRLX": "2",
        "SQRMC": "东莞某公司",
        "SBXMMC": f"项目{number}",
        "WSSBQD": "0",
        "SBSJ": at,
        **more,
    }


def licence(number: int, at: str, operation: str = "I", **more: Any) -> dict[str, Any]:
    """A row of P3's licence log."""
    row = {"row_guid": f"guid-{number}", "cd_time": at, "cd_operation": operation}
    if operation != "D":
        row |= {
            "certificate_number": f"证{number}",
            "issue_date": "2026-02-01 09:30:00",
            "certificate_holder": "东莞某公司",
        }
    return row | more


def sheet(number: int, at: str = "2026-03-01 10:00:00", **more: Any) -> dict[str, Any]:
    """A CASE of D4."""
    return {
        "YWLSH": f"HB{number:06d}",
        "SXBM": "DG-401",
        "SXMC": "环评",
        "SQRMC": "东莞某公司",
        "SLSJ": "2026-02-01 09:00:00",
        "GXSJ": at,
        **more,
    }


def run(feed: str, window: Window = FULL, **options: Any) -> Outcome:
    """One batch of a feed."""
    return sync.run(plan.task(registry.feed(feed)[1], window), **options)


def window(start: str | None, end: str | None) -> Window:
    """Half-open."""
    return Window(start and datetime.fromisoformat(start), end and datetime.fromisoformat(end))


def rows(statement: str, **values: Any) -> list[dict[str, Any]]:
    """Rows of a query, as dictionaries."""
    with engine().connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]


def scalar(statement: str, **values: Any) -> Any:
    """The one value of a query."""
    with engine().connect() as connection:
        return connection.execute(sa.text(statement), values).scalar()
