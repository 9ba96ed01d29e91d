"""Findings, clocks and positions as lists, of the ledger or of any day, for people and for others to check."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError, NotFoundError
from store.engine import transaction
from supervision.finding_life import finding_id, listed
from supervision.positions import CURRENT_ITEM

if TYPE_CHECKING:  # read where something is judged: most lists are of what was
    from supervision.judge import Judged

CLOCK = [
    "case_no",
    "project_code",
    "item_code",
    "used_promised",
    "used_statutory",
    "due_promised",
    "due_statutory",
    "promised_limit",
    "promised_unit",
    "statutory_limit",
    "statutory_unit",
    "light",
    "suspended",
    "provisional",
    "deemed",
]
KEYS = [
    "id",
    "rule",
    "project_code",
    "item_code",
    "case_no",
    "level",
    "kind",
    "state",
    "opened",
    "closed",
    "severity",
    "department",
    "department_code",
    "text",
]
_LEDGER = """
select id, rule, project_code, item_code, case_no, level, kind, state, opened_on as opened, closed_on as closed, severity,
       department_name as department, department_code, text
from supervision.finding order by project_code, rule, item_code, case_no"""


@dataclass(frozen=True, slots=True)
class Findings:
    """Rows of :data:`KEYS`; ``waiting``: not judged for want of data, with ``waits_for``."""

    findings: list[dict[str, Any]]
    waiting: list[dict[str, Any]]


def findings(as_of: date | None = None) -> Findings:
    """The ledger. With ``as_of``, or before anything was judged: what fires as of that day, with state and days as the ledger
    has them by then (unknown to it: open since that day), and what it had closed by then."""
    if as_of is None and _judged_on() is not None:
        with transaction() as connection:
            rows = connection.exec_driver_sql(_LEDGER).mappings()
            waiting = connection.exec_driver_sql(
                "select rule, project_code, item_code, case_no, waits_for, text from supervision.waiting order by 2, 1, 3, 4"
            ).mappings()
            blank = dict.fromkeys(KEYS) | {"state": "waiting"}
            return Findings([dict(row) for row in rows], [{**blank, **row, "id": _id(row)} for row in waiting])
    from supervision.judge import in_chunks

    day = as_of or clock.today()
    with transaction() as connection:
        fired = pl.concat(judged.findings for judged in in_chunks(connection, day))
    current = _as_rows(fired)
    known = listed()
    fires = _as_known([row for row in current if row["state"] == "open"], known, day)
    ended = known.filter(
        (pl.col("state") == "closed") & (pl.col("closed") <= day) & ~pl.col("id").is_in([row["id"] for row in current])
    )
    everything = [*fires, *ended.rename({"department_name": "department"}).to_dicts()]
    everything.sort(key=lambda row: (row["project_code"], row["rule"], row["item_code"], row["case_no"]))
    return Findings(
        [{name: row[name] for name in KEYS} for row in everything],
        [{name: row[name] for name in [*KEYS, "waits_for"]} for row in current if row["state"] == "waiting"],
    )


def _as_rows(judged: pl.DataFrame) -> list[dict[str, Any]]:
    """Findings as judged, with :data:`KEYS` and ``waits_for``; state open or waiting."""
    rows = (
        judged.sort("project_code", "rule", "item_code", "case_no").rename({"department_name": "department"}).to_dicts()
    )
    return [
        {**row, "id": _id(row), "opened": None, "closed": None, "state": "waiting" if row["waits_for"] else "open"}
        for row in rows
    ]


def _as_known(rows: list[dict[str, Any]], ledger: pl.DataFrame, day: date) -> list[dict[str, Any]]:
    """What fires, with the state and the day of opening that the ledger has of it by a day."""
    known = {row["id"]: row for row in ledger.filter(pl.col("opened") <= day).to_dicts()}
    listed_as = []
    for row in rows:
        before = known.get(row["id"])
        decided = (
            before and before["decided"] and before["decided"] <= day and before["state"] in ("confirmed", "lifted")
        )
        listed_as.append(
            {
                **row,
                "opened": before["opened"] if before else day,
                "state": before["state"] if before and decided else "open",
            }
        )
    return listed_as


def _id(row: Any) -> str:
    return finding_id(row["rule"], row["project_code"], row["item_code"], row["case_no"])


def clocks(as_of: date | None = None) -> list[dict[str, Any]]:
    """Every case's clock, as of today unless said; ``used`` and ``due`` are the promised ones."""
    if as_of is None and _judged_on() == clock.today():
        with transaction() as connection:
            rows = [
                dict(row)
                for row in connection.exec_driver_sql(
                    f"select {', '.join(CLOCK)} from supervision.clock order by case_no, case_id"
                ).mappings()
            ]
    else:
        from supervision.judge import in_chunks

        with transaction() as connection:
            parts = [
                judged.facts.cases.select("case_id", *CLOCK) for judged in in_chunks(connection, as_of or clock.today())
            ]
        rows = pl.concat(parts).sort("case_no", "case_id").select(CLOCK).to_dicts()
    return [
        {
            "case_no": row["case_no"],
            "project_code": row["project_code"],
            "item_code": row["item_code"],
            "used": row["used_promised"],
            "due": row["due_promised"],
            **row,
        }
        for row in rows
    ]


def position(project: str, as_of: date | None = None) -> dict[str, Any]:
    """一键定位: stages, current items with whose turn it is, findings and clocks of one project.

    :raises ConfigurationError: no project of that code or name, or several.
    """
    from supervision.judge import in_chunks

    with transaction() as connection:
        code, name = _project(connection, project)
        (judged,) = in_chunks(connection, as_of or clock.today(), [code])
    standing = judged.standing
    current = standing.current.select(*CURRENT_ITEM, "promised_limit", "statutory_limit")
    (where,) = standing.projects.to_dicts()
    rows = _as_rows(judged.findings)
    fires = [row for row in rows if row["state"] == "open"]
    found = [
        *_as_known(fires, listed(row["id"] for row in fires), judged.as_of),
        *(row for row in rows if row["state"] == "waiting"),
    ]
    return {
        "project_code": code,
        "project_name": name,
        "as_of": judged.as_of,
        "current_stage": where["current_stage"],
        "finished": where["finished"],
        "stages": standing.stages.select("stage", "stage_name", "state", "completed_at").sort("stage").to_dicts(),
        "current_items": current.to_dicts(),
        "findings": [{name: row[name] for name in [*KEYS, "waits_for"]} for row in found],
        "clocks": _running(judged),
    }


def _running(judged: Judged) -> list[dict[str, Any]]:
    return judged.facts.cases.filter("open").select(CLOCK).sort("case_no").to_dicts()


def _project(connection: Connection, given: str) -> tuple[str, str | None]:
    rows = connection.execute(
        sa.text(
            """select p.id, p.project_name from store.project p left join store.project_alias a on a.project_id = p.id
               where p.gone_at is null and (p.id = :given or a.alias = :given or p.project_name like '%' || :given || '%')
               group by 1, 2 order by p.id = :given desc, p.project_name = :given desc, 1 limit 6"""
        ),
        {"given": given},
    ).fetchall()
    if rows and (len(rows) == 1 or given in (rows[0][0], rows[0][1])):
        return rows[0][0], rows[0][1]
    if rows:
        some = json.dumps([f"{code} {name}" for code, name in rows], ensure_ascii=False)
        raise ConfigurationError(
            f"several projects: {some}", remedy="give the project code", zh=f"有多个项目符合：{some}，请给出项目代码。"
        )
    raise NotFoundError(
        f"no project {given}", remedy="give a project code or a part of its name", zh=f"没有项目 {given}。"
    )


def _judged_on() -> date | None:
    with transaction() as connection:
        return connection.exec_driver_sql("select max(as_of) from supervision.run").scalar()
