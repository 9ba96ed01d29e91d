"""One round: what is wrong now, and whoever is to be told of it. Safe to repeat, one at a time."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core import clock
from core.errors import NotFoundError, OneMapError
from core.redaction import redact
from serving.alerts import detect, incidents, machine, routes, send
from store.engine import one_at_a_time, transaction

log = logging.getLogger(__name__)
detect.DETECTORS.append(machine.detect)
_DELIVERED = """
select i.id, i.kind, i.severity, i.source, i.content, i.closed_at is not null as closed, n.route, n.last_at, n.last_at < now() - cast(:every as interval) as due
from serving.incident i left join serving.incident_notice n on n.incident_id = i.id and n.route = :route
where i.closed_at is null or (n.route is not null and n.closed_at is null) order by i.severity desc, i.id"""
_NOTE = """
insert into serving.incident_notice (incident_id, route, closed_at) values (:id, :route, case when :over then now() end)
on conflict (incident_id, route) do update set last_at = now(), times = serving.incident_notice.times + 1,
    closed_at = case when :over then now() end"""
_MESSAGE = """
insert into serving.incident_message (incident_id, route, channel, event, title, error) values (:id, :route, :channel, :event, :title, :error)"""


def run(base: str) -> dict[str, int]:
    """Look, and tell. ``base``: address of Airflow, for links. Returns how many messages were sent, by event, and how many failed."""
    done = {"opened": 0, "repeated": 0, "closed": 0, "failed": 0}
    with one_at_a_time("alerts") as held:
        if not held:
            return done
        incidents.observe(detect.detect())
        plan, now = routes.load(), clock.now()
        for route in plan.routes:
            if route.awake(now):
                for event in _deliver(route, plan.repeat_hours, base):
                    done[event] += 1
    return done


def _deliver(route: routes.Route, repeat_hours: float, base: str) -> list[str]:
    with transaction() as connection:
        every = timedelta(hours=repeat_hours)
        rows = [
            dict(r) for r in connection.execute(sa.text(_DELIVERED), {"route": route.name, "every": every}).mappings()
        ]
    sent = []
    for row in rows:
        if row["closed"]:
            event = "closed"
        elif row["route"] is None:
            event = "opened" if route.takes(row) else ""
        else:
            event = "repeated" if row["due"] else ""
        if event:
            sent.append(event if _send(route, event, row, base) else "failed")
    return sent


def _send(route: routes.Route, event: str, incident: dict[str, Any], base: str) -> bool:
    title, body = send.words(event, incident, base)
    error = deliver(route.channel, title, body)
    with transaction() as connection:
        delivery = {
            "id": incident.get("id"),
            "route": route.name,
            "channel": route.channel,
            "event": event,
            "title": title,
        }
        connection.execute(sa.text(_MESSAGE), {**delivery, "error": error})
        if error is None and incident.get("id"):  # what did not arrive is tried again in the next round
            connection.execute(sa.text(_NOTE), {"id": incident["id"], "route": route.name, "over": event == "closed"})
    return error is None


def deliver(channel: str, title: str, body: str) -> str | None:
    """Send into a channel; why it did not arrive, None: it did."""
    try:
        send.send(channel, title, body)
    except OneMapError as problem:
        log.warning("alert to %s: %s", channel, problem)
        return redact(f"{problem.zh} {problem.message}")[:500]
    return None


def try_route(name: str, base: str, by: str) -> str | None:
    """发送测试通知: a message that says it is a test. Returns why it did not arrive; None: it did.

    :raises NotFoundError: there is no such route.
    """
    known = {route.name: route for route in routes.load().routes}
    if name not in known:
        raise NotFoundError(
            f"no route {name!r}",
            remedy=f"one of {', '.join(known) or 'none'}",
            zh=f"没有告警路由 {name}，可用：{'、'.join(known) or '无'}。",
        )
    content = {
        "title": "告警渠道测试",
        "what": f"{by} 发送的测试通知，收到即说明本渠道可用",
        "duty": "无须处置",
        "since": f"{clock.now():%Y-%m-%d %H:%M}",
        "stops": "无",
        "next": "无",
        "pages": {"告警": "/onemap/map/ops/alerts"},
    }
    title, body = send.words("test", {"kind": "dag", "severity": 1, "content": content}, base)
    error = deliver(known[name].channel, title, body.replace(f"{detect.KINDS['dag']}：", "", 1))
    with transaction() as connection:
        delivery = {
            "id": None,
            "route": name,
            "channel": known[name].channel,
            "event": "test",
            "title": title,
            "error": error,
        }
        connection.execute(sa.text(_MESSAGE), delivery)
    return error
