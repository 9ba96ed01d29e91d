"""What is wrong now: one trouble a provider and fault, whatever the number of failed runs. Each says what a person on duty asks:
what, whose duty, since when, what it stops, what to do next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from fnmatch import fnmatch
from functools import cache
from typing import Any

import sqlalchemy as sa

from core import clock
from core.errors import FAULT_ZH, ConfigurationError, Fault
from pipeline.health import FeedHealth, health
from quality import issues
from quality.silence import episode
from serving.push.state import LIGHTS, Standing, standing
from serving.render import span
from sources import loader
from store.engine import transaction
from supervision import feedback, rulebook, silence

#: kind of a trouble → what it is called
KINDS = {
    "failing": "读取失败",
    "late": "超过时效承诺",
    "held": "大批注销待决",
    "unbalanced": "未平账",
    "quarantine": "隔离增多",
    "drift": "结构漂移",
    "silence": "数源静默",
    "push": "推送失败",
    "dag": "流程失败",
    "machine": "运行环境",
}
SEVERITY_ZH = {1: "提示", 2: "一般", 3: "严重"}
_GROWN, _TIMES = 20, 3  # rows of the last day, and against the usual day, from which a quarantine grows
_DRIFT = ("unknown_column", "unknown_code", "column_absent", "sheet_unknown", "table_missing")


@dataclass(slots=True)
class Trouble:
    """``key`` is the same as long as it is the same trouble. ``pages``: name → place, from the root of Airflow."""

    key: str
    kind: str
    severity: int  # 1 提示, 2 一般, 3 严重
    title: str
    what: str
    duty: str
    since: str | None
    stops: str
    next: str
    source: str | None = None
    feeds: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def detect() -> list[Trouble]:
    """Everything that is wrong now, the worst first."""
    feeds = health()
    found = [
        *(*_failing(feeds), *_late(feeds), *_held(feeds), *_unbalanced(feeds)),
        *(*_silent(), *_quarantine(), *_drift(), *_pushes()),
    ]
    for more in DETECTORS:
        found += more()
    return sorted(found, key=lambda trouble: (-trouble.severity, trouble.key))


#: further detectors, of packages that know of other troubles
DETECTORS: list[Callable[[], list[Trouble]]] = []


def waiting_rules(feeds: list[str]) -> list[str]:
    """The rules that are not judged while these feeds are incomplete, by name (supervision/rules/completeness.yaml)."""
    book, needs = rulebook.load().by_name, rulebook.needs().rules
    systems = {source.source: source.system for source in loader.load_all().values()}

    def needed(feed: str, pattern: str) -> bool:
        if pattern in ("department", "all_departments"):
            return systems.get(feed.partition(".")[0]) == "部门审批系统"
        return pattern == "own" or fnmatch(feed, pattern)

    names = [
        book[rule].name if rule in book else rule
        for rule, patterns in needs.items()
        if any(needed(feed, pattern) for feed in feeds for pattern in patterns)
    ]
    return list(dict.fromkeys(names))


def _stops(feeds: list[str]) -> str:
    names = [_feed_names().get(feed, feed) for feed in feeds]
    text = f"{len(feeds)} 个数据项停在旧数据：{'、'.join(names[:6])}{' 等' if len(names) > 6 else ''}"
    rules = waiting_rules(feeds)
    return text + (f"；等待其数据而暂不判定的规则：{'、'.join(rules)}" if rules else "")


def _pages(source: str, **more: str) -> dict[str, str]:
    """Where to look; of a declaration that is broken nobody knows the Connection."""
    found = {"运行健康": f"/onemap/health#{source}", "运行": f"/dags/sync__{source}/runs"}
    if declared := loader.load_all().get(source):
        found["连接"] = f"/connections?name_pattern={declared.connection}"
    return found | more


def _who(source: str) -> str:
    """Whose source it is; the declaration says so, where it can be read."""
    declared = loader.load_all().get(source)
    if declared is None:
        return f"{source}（声明有误，责任单位不明）"
    owner = declared.owner
    return f"{owner.department}{f'（{owner.contact}）' if owner.contact else ''}"


def _failing(feeds: list[FeedHealth]) -> list[Trouble]:
    """One a source and fault."""
    groups: dict[tuple[str, str], list[FeedHealth]] = defaultdict(list)
    for feed in feeds:
        if feed.light == "failing":
            groups[feed.source, feed.fault or "ours"].append(feed)
    found = []
    for (source, fault), group in groups.items():
        worst = max(group, key=lambda feed: feed.failures)
        fault_zh = FAULT_ZH[Fault(fault)]
        duty = {"provider": f"数源：{_who(source)}", "authentication": f"本方运维与数源：{_who(source)}"}.get(
            fault, "本方运维"
        )
        found.append(
            Trouble(
                f"failing:{source}:{fault}",
                "failing",
                3 if worst.failures >= 3 or fault in ("authentication", "configuration", "ours") else 2,
                f"{worst.source_name} 读取失败（{fault_zh}）",
                f"{len(group)} 个数据项连续失败，最多 {worst.failures} 次：{worst.zh or worst.error or ''}",
                duty,
                _iso(min((feed.since for feed in group if feed.since), default=None)),
                _stops([feed.feed for feed in group]),
                _remedy(worst, fault),
                source,
                [feed.feed for feed in group],
                _pages(source),
            )
        )
    return found


def _remedy(feed: FeedHealth, fault: str) -> str:
    first = {
        "authentication": "核对该连接的账号、密钥与授权期限，必要时与数源联系人换发",
        "configuration": "按提示更正数源声明或 Airflow 连接",
        "provider": "把错误原文转给数源联系人",
        "transient": "暂时性故障会自动重试；持续时与数源联系人核对",
        "ours": "查看日志并报本系统缺陷",
    }[fault]
    return f"{first}；在 Airflow 的连接页可点“测试”" + (f"（{feed.remedy}）" if feed.remedy else "")


def _late(feeds: list[FeedHealth]) -> list[Trouble]:
    groups: dict[str, list[FeedHealth]] = defaultdict(list)
    for feed in feeds:
        if feed.light == "late":
            groups[feed.source].append(feed)
    return [
        Trouble(
            f"late:{source}",
            "late",
            3 if max(f.behind for f in group) > 3 * group[0].promise else 2,
            f"{group[0].source_name} 数据超过时效承诺",
            f"{len(group)} 个数据项最多已 {span(max(f.age or 0 for f in group))} 未更新，承诺 {span(group[0].promise)}",
            "本方运维",
            _iso(min((f.read_at for f in group if f.read_at), default=None)),
            _stops([f.feed for f in group]),
            "查看流程是否停用、排队或在重试；必要时手动触发",
            source,
            [f.feed for f in group],
            _pages(source),
        )
        for source, group in groups.items()
    ]


def _held(feeds: list[FeedHealth]) -> list[Trouble]:
    return [
        Trouble(
            f"held:{feed.feed}:{feed.open_hold}",
            "held",
            2,
            f"{feed.source_name} {feed.name} 大批注销待决",
            f"数源完整清单缺少大量在库记录，待决号 {feed.open_hold}，未经人决定不注销",
            f"本方运维决定；数源核实：{_who(feed.source)}",
            _iso(feed.last_run),
            _stops([feed.feed]),
            "向数源核实是否真的注销，在待决事项页放行或驳回",
            feed.source,
            [feed.feed],
            _pages(feed.source, 待决事项=f"/onemap/map/ops/decisions#hold-{feed.open_hold}"),
        )
        for feed in feeds
        if feed.open_hold
    ]


def _unbalanced(feeds: list[FeedHealth]) -> list[Trouble]:
    return [
        Trouble(
            f"unbalanced:{feed.feed}",
            "unbalanced",
            3,
            f"{feed.source_name} {feed.name} 未平账",
            f"批次 {feed.run_id} 流入 {feed.rows_in} 行，去向之和不等",
            "本系统缺陷",
            _iso(feed.last_run),
            "该数据项的条数不可信",
            "保留现场并报本系统缺陷",
            feed.source,
            [feed.feed],
            _pages(feed.source, 平账=f"/onemap/map/ops/balance?feed={feed.feed}"),
        )
        for feed in feeds
        if not feed.balanced
    ]


_SILENT = """
select feed, kind, part, since, text from landing.silence
where ended_at is null and coalesce(approved_until < :today, true) order by part <> '', since, id"""


def _silent() -> list[Trouble]:
    """What should speak and does not: one a source or feed that is silent as a whole, one for the parts of a live feed together."""
    with transaction() as connection:
        rows = connection.execute(sa.text(_SILENT), {"today": clock.today()}).all()
    groups: dict[tuple[str, bool], list[Any]] = defaultdict(list)
    for row in rows:
        if row.feed == silence.FEEDBACK or row.feed.partition(".")[0] in loader.load_all():
            groups[row.feed, bool(row.part)].append(row)
    found = []
    for (feed, in_part), group in groups.items():
        of_orders = feed == silence.FEEDBACK
        source = feed.partition(".")[0] if not of_orders else _municipal()
        feeds = [one for one in _feed_names() if one == feed or one.startswith(f"{feed}.")]
        name = silence.FEEDBACK_ZH if of_orders else episode.name(feed, "feed", "")
        found.append(
            Trouble(
                f"silence:{feed}{':parts' if in_part else ''}",
                "silence",
                2 if in_part else 3,
                f"{name} {'部分静默' if in_part else '静默'}",
                "；".join(
                    f"{episode.name(row.feed, row.kind, row.part).rpartition('（')[2].rstrip('）') + '：' if in_part else ''}{row.text}"
                    for row in group[:5]
                )
                + (f"；另有 {len(group) - 5} 项" if len(group) > 5 else ""),
                f"数源：{_who(source)}" if source else "本方运维",
                _iso(min(row.since for row in group)),
                "回传停止期间不催办、不督办" if of_orders else _stops(feeds),
                "请数源核实数据是否正常写入并补送；如属正常，登记 onemap feed silence-ok",
                source,
                feeds,
                _pages(source) if source else {},
            )
        )
    return found


def _municipal() -> str | None:
    """The source that is read where work orders are sent; None: its declaration is broken, which is a trouble of its own."""
    try:
        return feedback.municipal().source
    except ConfigurationError:
        return None


_GROWTH = """
select feed, count(*) filter (where opened_at > now() - interval '1 day') as today,
       count(*) filter (where opened_at <= now() - interval '1 day') / 14.0 as usual,
       min(opened_at) filter (where opened_at > now() - interval '1 day') as since,
       mode() within group (order by reasons -> 0 ->> 'code') as code
from landing.quarantine where state = 'open' and opened_at > now() - interval '15 days' group by feed"""


def _quarantine() -> list[Trouble]:
    with transaction() as connection:
        rows = [dict(row) for row in connection.exec_driver_sql(_GROWTH).mappings()]
    found = []
    for row in rows:
        source = row["feed"].partition(".")[0]
        if row["today"] < _GROWN or row["today"] < _TIMES * float(row["usual"]) or source not in loader.load_all():
            continue
        why = issues.explained({"code": row["code"]}) if row["code"] else {}
        found.append(
            Trouble(
                f"quarantine:{row['feed']}",
                "quarantine",
                2,
                f"{_feed_names().get(row['feed'], row['feed'])} 隔离增多",
                f"一日内新增 {row['today']} 条，平日 {float(row['usual']):.0f} 条；最多的原因：{why.get('title_zh') or row['code'] or '见页面'}",
                why.get("duty_zh") or "数源或本方运维",
                _iso(row["since"]),
                "这些记录未入库，相关项目、办件停在旧数据",
                why.get("remedy_zh") or "查看原因，修正后重处理",
                source,
                [row["feed"]],
                _pages(source, 隔离区=f"/onemap/map/ops/quarantine?feed={row['feed']}"),
            )
        )
    return found


_DRIFTED = """
select feed, code, field, sum(count) as count, min(first_seen_at) as since from landing.issue i
where code = any(:codes) and last_seen_at > now() - interval '1 day' and first_seen_at > now() - interval '7 days'
  and not exists (select from serving.drift_decision d where d.feed = i.feed and d.code = i.code and d.field = coalesce(i.field, ''))
group by feed, code, field"""


def _drift() -> list[Trouble]:
    """A column or a code that was not there before: one a feed."""
    with transaction() as connection:
        rows = [dict(r) for r in connection.execute(sa.text(_DRIFTED), {"codes": list(_DRIFT)}).mappings()]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["feed"]].append(row)
    found = []
    for feed, group in groups.items():
        source = feed.partition(".")[0]
        if source not in loader.load_all():
            continue
        text = "、".join(
            f"{issues.explained({'code': r['code']}).get('title_zh', r['code'])} {r['field'] or ''}".strip()
            for r in group[:5]
        )
        found.append(
            Trouble(
                f"drift:{feed}",
                "drift",
                1,
                f"{_feed_names().get(feed, feed)} 结构漂移",
                text,
                f"数源：{_who(source)}；映射：本方数据工程师",
                _iso(min(r["since"] for r in group)),
                "新字段、新代码未入统一库，其余照常",
                "与数源确认含义，补映射或代码表后重放",
                source,
                [feed],
                _pages(source, 映射与决定=f"/onemap/map/ops/mapping/{feed}#drift"),
            )
        )
    return found


def _pushes() -> list[Trouble]:
    """What others do not get: one a receiver and state."""
    groups: dict[tuple[str, str], list[Standing]] = defaultdict(list)
    for one in standing():
        if one.light in ("failing", "late", "refused"):
            groups[one.sink, one.light].append(one)
    found = []
    for (sink, light), group in groups.items():
        worst = max(group, key=lambda one: (one.failures, one.rejected, one.waiting))
        what = {
            "failing": f"连续失败 {worst.failures} 次：{worst.zh or worst.error or ''}",
            "late": f"待送 {sum(one.waiting for one in group)} 条，或回执迟迟未到",
            "refused": f"拒收 {sum(one.rejected for one in group)} 条",
        }[light]
        receiver = f"{worst.department}{f'（{worst.contact}）' if worst.contact else ''}"
        found.append(
            Trouble(
                f"push:{sink}:{light}",
                "push",
                3 if light == "failing" and worst.failures >= 3 else 2 if light != "refused" else 1,
                f"{worst.sink_name} 推送{LIGHTS[light][0]}",
                what,
                "接收方：" + receiver
                if worst.fault in ("provider", "authentication") or light == "refused"
                else "本方运维",
                _iso(
                    min(
                        (at for one in group if (at := one.failing_since or one.open_since or one.waiting_since)),
                        default=None,
                    )
                ),
                f"{worst.department} 未收到：{'、'.join(one.name for one in group)}",
                "查看拒收原因，更正数据或声明后重推"
                if light == "refused"
                else "核对连接与接收方状态；恢复后自动原样补送，不重不漏",
                None,
                [],
                {"推送": "/onemap/map/ops/pushes", "连接": f"/connections?name_pattern={worst.connection}"},
            )
        )
    return found


@cache
def _feed_names() -> dict[str, str]:
    return {f"{s.source}.{n}": f"{s.name} {f.name}" for s in loader.load_all().values() for n, f in s.feeds.items()}


def _iso(at: datetime | None) -> str | None:
    """In the city's time."""
    from core.clock import SHANGHAI

    if at is None:
        return None
    return f"{at.astimezone(SHANGHAI) if at.tzinfo else at:%Y-%m-%d %H:%M}"
