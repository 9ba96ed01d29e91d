"""What the tasks of supervision do: each calls a function of the room and says its outcome in Airflow's words."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

log = logging.getLogger(__name__)
RECIPIENTS = "onemap_notices"  # Airflow Variable: {"<department code>" or "*": {"mail": "a@b", "webhook": "<conn_id>"}}


def supervise() -> dict[str, Any]:
    """Judge what changed (a new day: the whole city), then move the work orders on."""
    _guard()
    from supervision import ledger
    from supervision.orders import life

    done = ledger.supervise()
    log.info("judged as of %s: %s", done.as_of, done)
    moved = life.advance()
    if moved.unrouted:
        log.warning(
            "%d findings ask for action and have no department: see supervision/rules/routing.yaml", moved.unrouted
        )
    return {**asdict(done), "as_of": done.as_of.isoformat(), "orders": moved.steps}


def advance() -> dict[str, int]:
    """Open, close, urge and escalate."""
    _guard()
    from supervision.orders import life

    return life.advance().steps


def send() -> dict[str, int]:
    """Tell the municipal platform what waits. :raises OneMapError: it could not be told; all stays in the outbox."""
    _guard()
    from airflow.sdk.exceptions import AirflowFailException

    from supervision.orders import municipal

    done = municipal.send()
    if done.error:
        raise done.error
    if done.refused:
        raise AirflowFailException(
            f"{done.refused} changes of work orders were refused, see supervision.outbox / {done.refused} 条工单变更被市平台拒收"
        )
    return {"sent": done.sent, "waiting": done.waiting}


def poll() -> dict[str, int]:
    """Take what departments did."""
    _guard()
    from supervision.orders import municipal

    return asdict(municipal.poll())


def notices(context: Any) -> dict[str, int]:
    """Each department's open orders in one message, by mail and webhook where the Variable names recipients.

    :raises AirflowSkipException: nobody is named, or nothing is open.
    """
    _guard()
    from airflow.sdk import Variable
    from airflow.sdk.exceptions import AirflowSkipException

    from core import clock
    from supervision import notices as rolled

    recipients = Variable.get(RECIPIENTS, default=None, deserialize_json=True)
    listed = rolled.by_department(clock.today()) if recipients else []
    if not listed:
        raise AirflowSkipException(f"没有接收人（变量 {RECIPIENTS}）或没有未办结工单 / no recipients, or nothing open")
    sent = {"mail": 0, "webhook": 0}
    for notice in [*listed, rolled.city(listed)]:
        to = recipients.get(notice.department_code) or {}
        for notifier in _notifiers(notice, to):
            notifier.notify(context)
            sent["webhook" if hasattr(notifier, "conn_id") else "mail"] += 1
    return sent


def _notifiers(notice: Any, to: dict[str, str]) -> list[Any]:
    made: list[Any] = []
    if to.get("mail"):
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        made.append(SmtpNotifier(to=to["mail"], subject=notice.subject, html_content=f"<p>{notice.html}</p>"))
    if to.get("webhook"):
        from dags.webhook import WebhookNotifier

        made.append(WebhookNotifier(text=notice.text, conn_id=to["webhook"]))
    return made


def monthly_report() -> str:
    """The report of the month that has ended, as a file in the run folder; returns its name."""
    _guard()
    from core import clock, settings
    from supervision import report

    last_day = clock.today().replace(day=1) - timedelta(days=1)
    folder = settings.home() / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"supervision-{last_day:%Y-%m}.html"
    beside = path.with_suffix(".part")
    beside.write_text(report.html(report.gather(last_day), clock.now()), encoding="utf-8")
    beside.replace(path)
    log.info("written: %s", path.name)
    return path.name


def _guard() -> None:
    from core.logging import guard

    guard()
