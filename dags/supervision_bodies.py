"""What the tasks of supervision do: each calls a function of the package and says its outcome in Airflow's words."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

log = logging.getLogger(__name__)
RECIPIENTS = "onemap_notices"  # Airflow Variable: {"<department code>" or "*": {"mail": "a@b", "webhook": "<conn_id>"}}


def supervise() -> list[str]:
    """Judge what changed (a new day: the whole city), then move the work orders on; the day, where the whole city was judged."""
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
    if done.refused:
        log.warning("%d projects cannot be judged and are set aside: %s", len(done.refused), ", ".join(done.refused))
    log.info("orders: %s", moved.steps)
    return [done.as_of.isoformat()] if done.whole else []


def remind() -> int:
    """Put on the record what agent, enterprise and department are told before it is late; how many reminders are new."""
    _guard()
    from core import clock
    from supervision import care

    return len(care.remind(clock.today()))


def learn(day: str) -> None:
    """Of a day as of which the whole city was judged: where the days go, and the reform's ledger."""
    _guard()
    from datetime import date

    from insight import report

    report.keep(date.fromisoformat(day))


def foresee(day: str) -> str:
    """Of such a day: learn from the cases and forecast what runs; the model's version."""
    _guard()
    from datetime import date

    from insight.forecast import run

    forecast = run.foresee(date.fromisoformat(day))
    log.info("forecast: %s", forecast)
    return forecast.version


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


def addressees() -> list[dict[str, str]]:
    """Whom to tell today: a department (``*``: the whole city) and a way (mail, webhook), each a task of its own, so that a
    message that fails is sent again alone. Addresses stay in the Variable.

    :raises AirflowSkipException: nobody is named, or nothing is open.
    """
    _guard()
    from airflow.sdk import Variable
    from airflow.sdk.exceptions import AirflowSkipException

    from core import clock
    from supervision import notices

    recipients = Variable.get(RECIPIENTS, default=None, deserialize_json=True)
    listed = notices.by_department(clock.today()) if recipients else []
    found = [
        {"department": code, "way": way}
        for code in (*(notice.department_code for notice in listed), *("*" for _ in listed[:1]))
        for way in ("mail", "webhook")
        if (recipients.get(code) or {}).get(way)
    ]
    if not found:
        raise AirflowSkipException(f"没有接收人（变量 {RECIPIENTS}）或没有未办结工单 / no recipients, or nothing open")
    return found


def notify(context: Any, department: str, way: str) -> None:
    """One message: a department's open orders rolled up, or the whole city's, by mail or webhook."""
    _guard()
    from airflow.sdk import Variable

    from core import clock
    from supervision import notices

    listed = notices.by_department(clock.today())
    chosen = [notices.city(listed)] if department == "*" else [n for n in listed if n.department_code == department]
    address = Variable.get(RECIPIENTS, deserialize_json=True)[department][way]
    for notice in chosen:  # none, where the last order was closed meanwhile
        _notifier(notice, way, address).notify(context)


def silences() -> list[dict[str, Any]]:
    """Who is to be told of what: operations and the provider of each silence and of its end, a message an entry; :func:`tell` tells each
    once. Of an end is told who was told of the silence.

    :raises AirflowSkipException: nobody is named, or there is nothing to tell.
    """
    _guard()
    from airflow.sdk import Variable
    from airflow.sdk.exceptions import AirflowSkipException

    from quality.silence import episode
    from store.engine import transaction
    from supervision import notices

    recipients = Variable.get(RECIPIENTS, default=None, deserialize_json=True) or {}
    with transaction() as connection:
        news, told = (episode.news(connection), episode.told(connection)) if recipients else ([], set())
    found = []
    for one in news:
        ended = one.ended_at is not None
        for notice in notices.of_silence(one):
            code = notice.department_code
            found += [
                {
                    "subject": notice.subject,
                    "text": notice.text,
                    "code": code,
                    "way": way,
                    "silence": one.id,
                    "ended": ended,
                }
                for way in ("mail", "webhook")
                if (recipients.get(code) or {}).get(way)
                and (one.id, ended, code, way) not in told
                and (not ended or (one.id, False, code, way) in told)
            ]
    if not found:
        raise AirflowSkipException(
            f"没有接收人（变量 {RECIPIENTS}）或没有新的静默 / no recipients, or no news of silences"
        )
    return found


def notify_silence(context: Any, subject: str, text: str, code: str, way: str, silence: int, ended: bool) -> None:
    """One message on a silence, once; one that fails is sent again alone."""
    _guard()
    from airflow.sdk import Variable

    from quality.silence import episode
    from supervision.notices import Notice

    address = Variable.get(RECIPIENTS, deserialize_json=True)[code][way]
    notifier = _notifier(Notice(code, code, subject, text, True), way, address)
    if not episode.notify_once(silence, ended, code, way, lambda: notifier.notify(context)):
        log.info("was told before, or its sending was cut off: %s", subject)


def _notifier(notice: Any, way: str, address: str) -> Any:
    if way == "mail":
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        return SmtpNotifier(to=address, subject=notice.subject, html_content=f"<p>{notice.html}</p>")
    from dags.webhook import WebhookNotifier

    return WebhookNotifier(text=notice.text, conn_id=address)


def monthly_report() -> str:
    """The report of the month that has ended, as a file in the run folder; returns its name."""
    _guard()
    from core import clock, settings
    from serving.report import of_city, write
    from supervision import city

    last_day = clock.today().replace(day=1) - timedelta(days=1)
    folder = settings.home() / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"supervision-{last_day:%Y-%m}.html"
    beside = path.with_suffix(".part")
    beside.write_bytes(write.html(of_city(city.gather(last_day))))
    beside.replace(path)
    log.info("written: %s", path.name)
    return path.name


def _guard() -> None:
    from core.logging import guard

    guard()
