"""Reminders to agents, enterprises and departments, by the channels of alerts: each once, many to one recipient as one message.

:mod:`supervision.care` says what is told to whom; ``reminders`` in ``routes.yaml`` says by which channel. A reminder without a route stays
on the pages alone. One that no channel took is tried again until its day has passed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core import clock
from serving.alerts import routes
from serving.alerts.run import deliver
from store.engine import one_at_a_time, transaction
from supervision.care import AUDIENCE_ZH

log = logging.getLogger(__name__)
MOST = 50  # lines of a message; the rest is on the page
PAUSE = timedelta(minutes=30)  # from one try to the next

_WAITING = """
select id, kind, told, name, text, until from supervision.reminder
where sent_at is null and sending_at is null and until >= :day and at + tries * cast(:pause as interval) <= now() order by told, name, until, id"""
_SENDING = "update supervision.reminder set sending_at = now() where id = any(:ids)"
_CUT_OFF = """
update supervision.reminder set error = '发送中断，是否送达不明，不再重发'
where sending_at is not null and sent_at is null and error is distinct from '发送中断，是否送达不明，不再重发'"""
_SENT = "update supervision.reminder set sent_at = now(), sent_by = :route, tries = tries + 1, error = null where id = any(:ids)"
_FAILED = "update supervision.reminder set tries = tries + 1, sending_at = null, error = :error where id = any(:ids)"
_MESSAGE = """
insert into serving.incident_message (incident_id, route, channel, event, title, error) values (null, :route, :channel, 'reminder', :title, :error)"""


def run(base: str) -> dict[str, int]:
    """Send the reminders that wait. ``base``: address of Airflow, for the link. Returns messages sent and failed, and reminders sent."""
    done = {"sent": 0, "failed": 0, "reminders": 0}
    plan = routes.load()
    if not plan.reminders:
        return done
    with one_at_a_time("reminders") as held:
        if held:
            with transaction() as connection:  # nobody else is at it: what was begun and has no end was cut off
                connection.exec_driver_sql(_CUT_OFF)
            for route, audience, name, rows in _messages(plan, clock.now()):
                _deliver(route, audience, name, rows, base, done)
    return done


def _messages(plan: routes.Routes, now: datetime) -> list[tuple[routes.ReminderRoute, str, str, list[dict[str, Any]]]]:
    """What waits, by route and recipient: the first route that takes a reminder has it."""
    with transaction() as connection:
        waiting = connection.execute(sa.text(_WAITING), {"day": clock.today(), "pause": PAUSE}).mappings()
        rows = [dict(row) for row in waiting]
    found: dict[tuple[str, str, str], tuple[routes.ReminderRoute, list[dict[str, Any]]]] = {}
    for row in rows:
        route = next((route for route in plan.reminders if route.takes(row)), None)
        if route is not None and route.awake(now):
            found.setdefault((route.name, row["told"], row["name"]), (route, []))[1].append(row)
    return [(route, audience, name, mine) for (_, audience, name), (route, mine) in found.items()]


def _deliver(
    route: routes.ReminderRoute, audience: str, name: str, rows: list[dict[str, Any]], base: str, done: dict[str, int]
) -> None:
    title = f"[一张图·临期提醒] {AUDIENCE_ZH[audience]} {name}：{len(rows)} 件"
    lines = [row["text"] for row in rows[:MOST]]
    if len(rows) > MOST:
        lines.append(f"另有 {len(rows) - MOST} 件，见页面")
    about = {"ids": [row["id"] for row in rows]}
    with transaction() as connection:
        connection.execute(sa.text(_SENDING), about)
    error = deliver(route.channel, title, "\n".join([*lines, f"页面：{base.rstrip('/')}/onemap/map/reminders"]))
    with transaction() as connection:
        connection.execute(
            sa.text(_MESSAGE), {"route": route.name, "channel": route.channel, "title": title, "error": error}
        )
        if error is None:
            connection.execute(sa.text(_SENT), {**about, "route": route.name})
        else:
            connection.execute(sa.text(_FAILED), {**about, "error": error})
    done["failed" if error else "sent"] += 1
    done["reminders"] += 0 if error else len(rows)
