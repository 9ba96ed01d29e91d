"""A project as of a day, whole, as people look at it: position, cases against their limits, items, findings, documents.

Who asks sees only rows that the views show to the grant; clocks, stages and current items of the day come from
:mod:`supervision.judge`, which past days can be asked of too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from typing import Any

import polars as pl
import shapely
from shapely.geometry import shape

from core import clock
from schemas import channels, codes
from serving import rulebook, silence
from serving.access import Grant, departments, reading
from serving.query import projects
from serving.query.listing import Filter, select
from sources import loader
from store.engine import transaction
from supervision import judge, ledger, limits
from supervision.clock import effective
from supervision.explain import PAUSE_ZH
from supervision.limits import Limit

STANDING_ZH = {"open": "疑似，待核", "confirmed": "已确认", "lifted": "误报", "closed": "已消除"}
SEVERITY_ZH = {1: "提示", 2: "一般", 3: "严重"}
_NO_DAY = date(1, 1, 1)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that counts; ``until`` is the last day of it, or the day asked about while it runs."""

    kind: str
    start: date
    until: date
    running: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A case against its limits, promised and statutory (:mod:`supervision.limits`)."""

    case_id: str
    case_no: str
    item_code: str | None
    item_name: str
    stage: int | None
    department: str | None
    received: datetime | None
    accepted: date | None
    deemed: bool
    ended: datetime | None
    outcome: str | None
    light: str | None
    limits: tuple[Limit, ...]
    provisional: bool
    pauses: tuple[Pause, ...] = ()

    @property
    def start(self) -> date | None:
        """The first day of it that is known."""
        days = [d for d in (self.received.date() if self.received else None, self.accepted) if d]
        return min(days) if days else (self.ended.date() if self.ended else None)

    @property
    def due(self) -> date | None:
        """The due date that comes first; None: no limit."""
        return min((limit.due for limit in self.limits if limit.due), default=None)

    @property
    def over(self) -> int:
        """Days past the limit that is passed the furthest, in its unit; 0: within."""
        return limits.over(self.limits)

    @property
    def verdict(self) -> str:
        """In words, both limits: 超承诺时限 6 个工作日（…）；超法定时限 2 个工作日（…）."""
        return self._sentence(limits.verdict(self.limits))

    @property
    def short(self) -> str:
        """The same where room is short: 超承诺 6 个工作日；超法定 2 个工作日."""
        return self._sentence("；".join(limit.short for limit in self.limits))

    def _sentence(self, counted: str) -> str:
        if self.accepted is None:
            return "未受理" if self.ended is None else (self.outcome or "已结束")
        if not self.limits:
            return "无时限" + ("，已办结" if self.ended else "")
        if self.over:
            return counted
        if self.ended:
            return "按时办结：" + "；".join(f"{x.zh} {x.days} 个{x.unit}，已用 {x.used}" for x in self.limits)
        if any(p.running for p in self.pauses):
            return f"暂停计时（{'、'.join(dict.fromkeys(p.kind for p in self.pauses if p.running))}）：{counted}"
        return counted


@dataclass(slots=True)
class Dossier:
    """``items``: item_code, item_name, stage, department, state 已办|在办|可办|未办|未知, done_at, turn, milestone, prerequisites.
    ``current``: item_name, item_code, stage, department, turn, open. ``findings``: as the view, with name, standing, order."""

    code: str
    as_of: date
    past: bool
    project: dict[str, Any]
    stages: list[dict[str, Any]]
    current_stage: int | None
    finished: bool
    current: list[dict[str, Any]]
    items: list[dict[str, Any]]
    bars: list[Bar]
    findings: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    licences: list[dict[str, Any]]
    land: list[dict[str, Any]]
    scenes: list[dict[str, Any]]
    polygons: list[dict[str, Any]]
    redline: Any  # shapely geometry, may be empty
    timeline: list[dict[str, Any]] = field(default_factory=list)
    handling: int = 0

    @property
    def late(self) -> list[Bar]:
        """逾期办件: running ones past a limit (在办超期), the worst first; then those that ended late."""
        return sorted((b for b in self.bars if b.over), key=lambda b: (b.ended is not None, -b.over))

    @property
    def turn(self) -> dict[str, Any] | None:
        """The current item that is said first: of the current stage, one with an open case first."""
        here = [i for i in self.current if i["stage"] == self.current_stage] or self.current
        return min(here, key=lambda i: not i["open"], default=None)

    @property
    def sentence(self) -> str:
        """Where it stands, whose turn it is, what runs late."""
        if self.finished:
            text = "全部阶段已完成"
        elif self.current_stage is None:
            text = "尚未启动，或未能判定"
        else:
            name = next((s["stage_name"] for s in self.stages if s["stage"] == self.current_stage), "")
            text = f"当前处于第 {self.current_stage} 阶段“{name}”"
            if self.turn:
                text += f"，当前事项为“{self.turn['item_name']}”，{self.turn['turn']}（{self.whose(self.turn)}）"
                if len(self.current) > 1:
                    text += f"，另有 {len(self.current) - 1} 个事项可同时办理"
        running = [b for b in self.late if b.ended is None]
        if running:
            text += f"；在办超期 {len(running)} 件，其中“{running[0].item_name}”{running[0].verdict}"
        elif self.late:
            text += f"；已办结的逾期办件 {len(self.late)} 件"
        return text + "。"

    def whose(self, item: dict[str, Any]) -> str:
        """Who acts on a current item."""
        if "企业" in item["turn"]:
            return self.project.get("applicant_name") or "申报单位"
        return item["department"] or "责任部门未定"


def dossier(grant: Grant, code: str, as_of: date | None = None) -> Dossier | None:
    """The project as of the end of a day; None: there is no such project, or it is not shown.

    :param as_of: None: the day last judged, else today.
    """
    with reading(grant) as connection:
        whole = projects.full(connection, code)
        if whole is None:
            return None
        items = select(
            connection, "item", Filter(), fields=["item_code", "prerequisites"], order="v.valid_from nulls first"
        )
        steps = select(
            connection,
            "order_step",
            Filter().where("v.order_no = any(:nos)", nos=[o["no"] for o in whole["orders"]]),
            order="v.at, v.seq",
        )
    # a row that says the same keeps the day on which it was judged first: the day of the page is that of the last run
    judged_on = whole["project"]["judged_on"]
    today = ledger.last_day() or date.fromisoformat(judged_on) if judged_on else clock.today()
    day = as_of or today
    by = rulebook.rules()
    with transaction() as connection:
        judged = judge.judge(connection, day, [code], by, silence.watched(connection, day))
    visible = {c["id"] for c in whole["cases"]}
    past = day < today
    bars = _bars(judged, visible)
    findings = _past_findings(judged, grant) if past else whole["findings"]
    named = {i["item_code"]: i["item_name"] for i in whole["items"]} | {b.item_code: b.item_name for b in bars}
    orders = {o["finding_id"]: o for o in whole["orders"]}
    for finding in findings:
        rule = by.book.by_name.get(finding["rule"])
        finding |= {
            "name": rule.name if rule else finding["rule"],
            "standing": STANDING_ZH[finding["state"]],
            "item_name": named.get(finding["item_code"]),
            "severity_zh": SEVERITY_ZH.get(finding["severity"], ""),
            "order": orders.get(finding.get("id")),
            "lifted_by": rule.lifted_by if rule else "",
            "innocent": list(rule.innocent) if rule else [],
        }
    lines = [shapely.make_valid(shape(r["geom"])) for r in whole["redlines"] if r["geom"]]
    until = datetime.combine(day, time.max).replace(tzinfo=clock.SHANGHAI).isoformat()
    result = Dossier(
        code,
        day,
        past,
        whole["project"],
        judged.standing.stages.sort("stage").to_dicts(),
        *_standing(judged, code),
        _current(judged),
        _items(judged, {i["item_code"]: i["prerequisites"] or [] for i in items}),
        bars,
        findings,
        whole["orders"],
        _until(whole["licences"], "issued_at", until),
        _until(whole["land_approvals"], "approved_at", until),
        _until(whole["scenes"], "taken_at", until),
        _until(whole["change_polygons"], "seen_after", until),
        shapely.union_all(lines),
    )
    result.timeline, result.handling = _timeline(result, whole, steps, visible, until)
    return result


def _until(rows: list[dict[str, Any]], column: str, until: str) -> list[dict[str, Any]]:
    return [row for row in rows if row[column] is None or row[column] <= until]


def _standing(judged: judge.Judged, code: str) -> tuple[int | None, bool]:
    for row in judged.standing.projects.filter(pl.col("project_code") == code).to_dicts():
        return row["current_stage"], bool(row["finished"])
    return None, False


def _current(judged: judge.Judged) -> list[dict[str, Any]]:
    rows = judged.standing.current.select(
        "item_code",
        "item_name",
        "stage",
        "department",
        "department_code",
        "turn",
        pl.col("has_open_case").alias("open"),
    )
    return rows.to_dicts()


def _items(judged: judge.Judged, prerequisites: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Expected items in the order of the catalogue."""
    from supervision.expected import milestones

    stones = set(milestones()["item_code"])
    turns = {row["item_code"]: row["turn"] for row in judged.standing.current.to_dicts()}
    rows = (
        judged.standing.items.filter(pl.col("expected").fill_null(False)).sort("stage", "place", "item_code").to_dicts()
    )
    known = {row["item_code"] for row in rows}
    found = []
    for row in rows:
        code = row["item_code"]
        if row["done"]:
            state = "已办"
        elif row["unknown"]:
            state = "未知"
        elif row["has_open_case"]:
            state = "在办"
        else:
            state = "可办" if code in turns else "未办"
        found.append(
            {
                "item_code": code,
                "item_name": row["item_name"],
                "stage": row["stage"],
                "department": row["department"],
                "state": state,
                "done_at": row["done_at"],
                "turn": turns.get(code),
                "milestone": code in stones,
                "prerequisites": [p for p in prerequisites.get(code, []) if p in known],
            }
        )
    return found


def _bars(judged: judge.Judged, visible: set[str]) -> list[Bar]:
    facts = judged.facts
    ticking = facts.cases.filter(pl.col("acceptance_on").is_not_null())
    pauses: dict[str, list[Pause]] = {}
    for row in effective(ticking, facts.pauses, judged.as_of).to_dicts():
        pauses.setdefault(row["case_id"], []).append(
            Pause(PAUSE_ZH[row["kind"]], row["from_"], row["until"], row["running"])
        )
    stages = dict(facts.items.select("item_code", "stage").unique("item_code", keep="last").iter_rows())
    names = dict(facts.items.select("item_code", "item_name").unique("item_code", keep="last").iter_rows())
    event_zh = labels("event")
    found = []
    for row in facts.cases.filter(pl.col("case_id").is_in(list(visible))).to_dicts():
        found.append(
            Bar(
                row["case_id"],
                row["case_no"],
                row["item_code"],
                names.get(row["item_code"]) or row["item_name"] or row["item_code_written"] or "未知事项",
                stages.get(row["item_code"]),
                row["department_name"] or departments().get(row["department_code"] or ""),
                row["receipt_at"],
                row["acceptance_on"],
                bool(row["deemed"]),
                row["ended_at"],
                event_zh.get(row["end_event"] or ""),
                row["light"],
                limits.of(row),
                bool(row["provisional"]),
                tuple(pauses.get(row["case_id"], ())),
            )
        )
    return sorted(found, key=lambda b: (b.start or _NO_DAY, b.case_id))


def _past_findings(judged: judge.Judged, grant: Grant) -> list[dict[str, Any]]:
    """What fires as of a past day, for those departments that the grant is for."""
    from supervision.finding_life import finding_id

    rows = judged.findings.filter(pl.col("waits_for").list.len() == 0)
    if grant.enterprises is not None:  # as the views have it
        return []
    if grant.departments is not None:
        rows = rows.filter(pl.col("department_code").is_in(list(grant.departments)))
    found = []
    for row in rows.sort("severity", "rule", descending=[True, False]).to_dicts():
        found.append(
            {
                **row,
                "id": finding_id(row["rule"], row["project_code"], row["item_code"], row["case_no"]),
                "evidence": [{"row": ref, "sources": []} for ref in row["evidence"]],
                "state": "open",
                "opened_on": None,
                "closed_on": None,
            }
        )
    return found


@cache
def labels(name: str) -> dict[str, str]:
    """Code → Chinese label of a list of schemas/codes."""
    return {code: entry.zh for code, entry in codes.load(name).codes.items()}


@cache
def feeds() -> dict[str, str]:
    """Feed → "source's name · feed's name"."""
    return {
        f"{s.source}.{name}": f"{s.name} · {feed.name}"
        for s in loader.load_all().values()
        for name, feed in s.feeds.items()
    }


def _timeline(
    result: Dossier,
    whole: dict[str, Any],
    steps: list[dict[str, Any]],
    visible: set[str],
    until: str,
) -> tuple[list[dict[str, Any]], int]:
    """What happened, newest first, each once though several systems tell it; 部门办理 only as a count."""
    events = [e for e in whole["events"] if e["at"] is not None and e["at"] <= until and e["case_id"] in visible]
    shown = [event for event in events if event["event"] not in ("HANDLING", "CONSULTED")]
    rows = [
        *_case_events(shown, {b.case_id: (b.item_name, b.case_no) for b in result.bars}),
        *_documents(result),
        *_findings_and_orders(result, steps, until),
        *_registration(result, until),
    ]
    for row in rows:
        row["by"] = "、".join(sorted(name for name in row["by"] if name))
        at = row["at"]
        row["day"], row["time"] = at[:10], "" if "T00:00:00" in at or len(at) == 10 else at[11:16]
    newest_first = sorted(rows, key=lambda r: (r["day"], r["time"], r["kind"], r["title"]), reverse=True)
    return newest_first, len(events) - len(shown)


def _entry(at: str, kind: str, what: str, title: str, detail: str, *by: str | None) -> dict[str, Any]:
    return {"at": at, "kind": kind, "what": what, "title": title, "detail": detail, "by": {name or "" for name in by}}


def _case_events(events: list[dict[str, Any]], names: dict[str, tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
    """An event of a case on a day is one, and says which systems tell it."""
    event_zh, channel_zh = labels("event"), labels("channel")
    entries: dict[tuple[str, str, str], dict[str, Any]] = {}
    for event in events:
        kind, at, case = event["event"], event["at"], event["case_id"]
        item, number = names.get(case, (None, event["case_no"]))
        key = (case, kind, at[:10])
        if key not in entries:
            entries[key] = _entry(at, "case", event_zh.get(kind, kind), item or "", f"办件 {number}")
        entries[key]["by"].add(channel_zh.get(event["channel"], event["channel"]))
    yield from entries.values()


def _documents(result: Dossier) -> Iterator[dict[str, Any]]:
    for licence in result.licences:
        if licence["issued_at"]:
            title = licence["type_name"] or licence["title"] or "证照"
            yield _entry(licence["issued_at"], "licence", "发证", title, licence["number"] or "", licence["organ_name"])
    for land in result.land:
        if land["approved_at"]:
            yield _entry(land["approved_at"], "licence", "用地批复", land["approval_no"], "", land["organ"])


def _findings_and_orders(result: Dossier, steps: list[dict[str, Any]], until: str) -> Iterator[dict[str, Any]]:
    from supervision.orders.life import STEP_ZH

    for finding in result.findings:
        opened = finding["opened_on"]
        if opened and opened <= until[:10]:
            yield _entry(opened, "finding", "发现", finding["name"], finding["text"], finding["department_name"])
    for step in steps:
        if step["at"] <= until:
            what = f"工单{STEP_ZH[step['step']]}"
            yield _entry(step["at"], "order", what, step["order_no"], step["why"] or "", step["by"])


def _registration(result: Dossier, until: str) -> Iterator[dict[str, Any]]:
    submitted = result.project["submitted_at"]
    if submitted and submitted <= until:
        register = labels("channel")[channels.of_kind("register")[0]]
        yield _entry(submitted, "project", "项目申报", result.project["project_name"], "", register)
