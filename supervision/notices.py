"""What a department is told once a day: its open orders rolled up, never one message a finding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from core.errors import ConfigurationError
from quality.silence import episode
from quality.silence.episode import News
from schemas.departments import register
from sources import loader
from sources.declaration import Owner
from supervision import feedback, silence
from supervision.orders import queries
from supervision.orders.life import STATE_ZH

SHOWN = 20  # orders named in a message; the rest are counted


@dataclass(frozen=True, slots=True)
class Notice:
    """One department's message; ``urgent``: something of it is past its limit."""

    department_code: str
    department_name: str
    subject: str
    text: str
    urgent: bool

    @property
    def html(self) -> str:
        """The text as simple HTML."""
        return "<br>".join(escape(line) for line in self.text.splitlines())


def by_department(today: date) -> list[Notice]:
    """One notice for each department that has open orders; those past their limits first, then the most severe and oldest."""
    orders: dict[str, list[dict[str, Any]]] = {}
    for order in queries.listed():
        orders.setdefault(order["department_code"], []).append(order)
    return [_notice(code, rows, today) for code, rows in sorted(orders.items())]


def city(notices: list[Notice]) -> Notice:
    """All departments in one message, for whoever supervises them."""
    text = "\n\n".join(notice.text for notice in notices)
    return Notice("*", "全市", f"[一张图] 全市工单 {len(notices)} 个部门未办结", text, any(n.urgent for n in notices))


def of_silence(news: News) -> list[Notice]:
    """What operations (``*``) and the provider of a source are told once when it falls silent, and once when it speaks again;
    operations alone, where its declaration cannot be read."""
    of_orders = news.feed == silence.FEEDBACK
    owner = _owner(None if of_orders else news.feed.partition(".")[0])
    name = silence.FEEDBACK_ZH if of_orders else episode.name(news.feed, news.kind, news.part)
    if news.ended_at:
        subject = f"[一张图] {name} 已恢复报送"
        text = f"{name} 自 {news.since:%Y-%m-%d %H:%M} 静默，已于 {news.ended_at:%Y-%m-%d %H:%M} 恢复；暂停的判定随数据自动恢复。"
    else:
        asked = f"{owner.department}（{owner.contact or '值班室'}）" if owner else "运维更正其声明，并请数源"
        subject = f"[一张图] {name} 静默"
        text = (
            f"{name} 自 {news.since:%Y-%m-%d %H:%M} 起没有新数据：{news.text}。\n"
            f"请 {asked}核实数据是否正常写入并补送；"
            f"其间依赖该数据的判定暂停，不催办、不督办。如属正常，请运维登记：onemap feed silence-ok {news.id if news.part else news.feed} --until 日期 --note 理由"
        )
    codes = dict(register().select("name", "code").iter_rows())
    provider = [(codes.get(owner.department, owner.department), owner.department)] if owner else []
    urgent = news.ended_at is None
    return [Notice(to, to_name, subject, text, urgent) for to, to_name in (("*", "运维"), *provider)]


def _owner(source: str | None) -> Owner | None:
    """Whose a source is (None: where work orders are sent); None: its declaration is broken."""
    try:
        return (loader.load(source) if source else feedback.municipal()).owner
    except ConfigurationError:
        return None


def _notice(code: str, rows: list[dict[str, Any]], today: date) -> Notice:
    late = [row for row in rows if row["due_on"] and row["due_on"] < today]
    name = rows[0]["department_name"] or code
    waits = {zh: sum(row["state"] == state for row in rows) for state, zh in STATE_ZH.items()}
    counts = "，".join(f"{zh} {count}" for zh, count in waits.items() if count)
    lines = [f"{name}：未办结工单 {len(rows)} 件（{counts}），超时限 {len(late)} 件。"]
    for row in [*late, *(row for row in rows if row not in late)][:SHOWN]:
        mark = "督办 " if row["escalated_on"] else "催办 " if row["urged_on"] else ""
        lines.append(f"· {mark}{row['no']} {STATE_ZH[row['state']]}，到期 {row['due_on'] or '—'}：{row['text']}")
    if len(rows) > SHOWN:
        lines.append(f"… 另有 {len(rows) - SHOWN} 件")
    subject = f"[一张图] {name} 未办结工单 {len(rows)} 件" + (f"，超时限 {len(late)} 件" if late else "")
    return Notice(code, name, subject, "\n".join(lines), bool(late))
