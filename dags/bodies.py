"""What the tasks do: each calls one function of the pipeline and says its outcome in Airflow's words.

Imported when a task runs its body, never while a DAG is parsed beyond this module itself: everything heavy is
imported inside. Ids and counts go through XCom, never data.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any, NoReturn

log = logging.getLogger(__name__)
OUTCOME = "outcome"  # the XCom key under which a (feed, window) says how it ended, also when it failed


def plan(source: str, params: dict[str, Any], schedule: str | None = None) -> list[dict[str, Any]]:
    """The (feed, window)s to be read now, in groups, each of which one task reads one after the other: what is promised and
    not yet complete, or the windows that a person asked for, by parameters or by Airflow's own backfill, whose runs each
    stand for the interval that ends at their logical date: each of these is a task of its own.

    :param schedule: cron of the source, in the city's time, or its interval (``every 15s``).
    :raises ConfigurationError: a backfill of an interval that is not past, or of feeds that cannot be asked for the past.
    """
    _guard()
    from pipeline import sync

    feeds = [str(feed) for feed in params.get("feeds") or []] or None
    start, end = _local(params.get("from")), _local(params.get("to"))
    if not (start or end) and _is_backfill():
        start, end = _interval(schedule)
    units = sync.backfill(source, start, end, feeds) if start or end else sync.plan(source, feeds)
    if (start or end) and not units:
        from core.errors import ConfigurationError

        raise ConfigurationError(
            f"nothing of {source} can be read for {start} .. {end}: its feeds are streams, which keep no past",
            remedy="ask the provider for a listing of that time, or leave the source out of the backfill",
            zh=f"{source} 在 {start} 至 {end} 没有可回补的数据项：消息流不保留历史。请向数源索取该时段清单，或不对本数源回补。",
            source=source,
        )
    for unit in units:
        log.info("planned %s", unit.label)
    groups = [[unit] for unit in units] if start or end else sync.lanes(source, units)
    return [{"label": _label(group), "units": [asdict(unit) for unit in group]} for group in groups]


def _label(group: list[Any]) -> str:
    """What a person reads of a task: the window of one, else the feeds."""
    return group[0].label if len(group) == 1 else " · ".join(dict.fromkeys(unit.feed for unit in group))


def sync(group: dict[str, Any], docs: str) -> dict[str, Any]:
    """Read a group of (feed, window)s into the store, one after the other; what an earlier try of this run has read is not
    read again. ``docs``: address of the Data Docs, for the log.

    :raises OneMapError: one did not end well, typed by whose fault; all others are read all the same.
    """
    _guard()
    from airflow.sdk import get_current_context

    from pipeline import sync
    from pipeline.outcome import Task

    context = get_current_context()
    units = [Task(**unit) for unit in group["units"]]
    earlier = []
    if len(units) > 1 and context["ti"].try_number > 1:
        earlier, units = sync.resumed(units, context["dag_run"].start_date)
        log.info("read by an earlier try: %s", ", ".join(one.feed for one in earlier) or "nothing")
    described = [outcome.as_dict() for outcome in earlier] + _read(units, docs)
    context["ti"].xcom_push(OUTCOME, described)
    if bad := [one for one in described if not _well(one)]:
        raise _failure(bad)
    return {"run_ids": [one["run_id"] for one in described]}


def read(source: str, params: dict[str, Any], schedule: str, docs: str) -> list[dict[str, Any]]:
    """Plan and read a source that is asked every few seconds, all in one process; the asset is published where something has
    changed, also when another feed failed. Nothing is tried again: the next run comes sooner than a second try.

    :returns: nothing where all went well, else one entry for :func:`settle_these`.
    :raises ConfigurationError: nothing could be planned.
    """
    groups = plan(source, params, schedule)
    from airflow.sdk import Asset, AssetAlias, get_current_context

    from pipeline.outcome import Task

    units = [Task(**unit) for group in groups for unit in group["units"]]
    described = _read(units, docs)
    if _changed(described):
        name, uri = news(source)
        get_current_context()["outlet_events"][AssetAlias(alias(source))].add(Asset(name=name, uri=uri))
    bad = [one for one in described if not _well(one)]
    return [{"bad": bad, "of": len(described)}] if bad else []


def news(source: str) -> tuple[str, str]:
    """Name and URI of the asset that says: this source has news."""
    return f"onemap_source_{source}", f"onemap://source/{source}"


def alias(source: str) -> str:
    """The name under which a task publishes that asset or does not."""
    return f"onemap_news_{source}"


def _read(units: list[Any], docs: str) -> list[dict[str, Any]]:
    """Read one after the other; how each ended."""
    from airflow.sdk import get_current_context

    from pipeline import sync

    params = get_current_context()["params"]
    asked = params.get("from") or params.get("to") or _is_backfill()
    described = []
    for unit in units:
        outcome = sync.run(unit, trigger="backfill" if asked else "schedule")
        log.info("%s: %s %s", unit.label, outcome.outcome, outcome.counts)
        described.append(outcome.as_dict())
    log.info("质量校验 Data Docs: %s", docs)
    return described


def _changed(outcomes: list[dict[str, Any]]) -> int:
    """How many records are new or have changed."""
    kinds = ("new", "changed", "history", "tombstoned", "absent")
    return sum(outcome["counts"][kind] for outcome in outcomes for kind in kinds)


def _well(outcome: dict[str, Any]) -> bool:
    return outcome["outcome"] in ("ok", "waiting") and outcome["balanced"]


def _failure(bad: list[dict[str, Any]]) -> Exception:
    """One error for all that did not end well: one that may mend itself is reported first, since it decides on trying again."""
    first = next((one for one in bad if one["fault"] == "transient"), bad[0])
    if len(bad) > 1:
        others = "; ".join(f"{one['feed']}: {one['error'] or one['outcome']}" for one in bad)
        zh = "；".join(f"{one['feed']}：{one['zh'] or one['error'] or one['outcome']}" for one in bad)
        first = first | {"error": others, "zh": zh}
    return _error(first)


def publish() -> None:
    """Tell the merge that a source has news. :raises AirflowSkipException: nothing has changed."""
    from airflow.sdk.exceptions import AirflowSkipException

    outcomes = _outcomes()
    changed = _changed(outcomes)
    log.info("%d windows read, %d records new or changed", len(outcomes), changed)
    if not changed:
        raise AirflowSkipException("无变化 / nothing has changed")


def settle(source: str, groups: list[dict[str, Any]] | None) -> None:
    """One failure a source, naming every feed that failed and whose fault it is. Runs where something failed.

    :raises AirflowFailException: always.
    """
    _guard()
    from airflow.sdk.exceptions import AirflowFailException

    if groups is None:
        raise AirflowFailException(
            f"{source}: 未能制定同步计划，见 plan 任务日志 / planning failed, see the log of plan"
        )
    outcomes = _outcomes()
    total = sum(len(group["units"]) for group in groups)
    _settle(source, [t for t in outcomes if not _well(t)], total, total - len(outcomes))


def settle_these(source: str, found: dict[str, Any]) -> None:
    """The same of what :func:`read` found. :raises AirflowFailException: always."""
    _guard()
    _settle(source, found["bad"], found["of"], 0)


def _settle(source: str, bad: list[dict[str, Any]], total: int, missing: int) -> NoReturn:
    from airflow.sdk.exceptions import AirflowFailException

    from core.errors import FAULT_ZH, Fault

    for t in bad:
        log.error(
            "%s %s: %s [%s] %s -> %s",
            t["feed"],
            t["window"],
            t["outcome"],
            FAULT_ZH.get(Fault(t["fault"])) if t["fault"] else "未平账",
            t["zh"] or t["error"] or "",
            t["remedy"] or "",
        )
    names = ", ".join(sorted({t["feed"] for t in bad}))
    raise AirflowFailException(
        f"{source}: {len(bad) + missing} of {total} did not end well ({names or 'see the tasks'}) / "
        f"{total} 项中 {len(bad) + missing} 项未成功"
    )


def unify() -> dict[str, Any]:
    """Bring the unified store up to date; returns records taken and rows written by entity."""
    _guard()
    from pipeline import unify

    done = unify.run()
    log.info("%d records taken, %d rows written: %s", done.taken, done.written, done.changes)
    return {"taken": done.taken, "written": done.written}


def reconcile(feed: str) -> dict[str, Any]:
    """Compare a feed with its source's complete listing, merge what came late. :raises OneMapError: it could not be done."""
    _guard()
    from airflow.sdk.exceptions import AirflowSkipException

    from pipeline import reconcile, registry

    if not reconcile.reconciles(registry.feed(feed)[1]):
        raise AirflowSkipException("该数据项没有可核对的清单 / there is no listing to compare with")
    done = reconcile.feed(feed).as_dict()
    log.info("%s: %s %s", feed, done["outcome"], done["compared"])
    if done["outcome"] == "failed":
        raise _error(done["run"])
    return {"outcome": done["outcome"], "run_id": done["run"]["run_id"]}


def redrive(feed: str | None) -> dict[str, int]:
    """Take what waits in quarantine through mapping and checks again. :raises OneMapError: a run of it failed."""
    _guard()
    from pipeline import redrive

    outcomes = redrive.run(feed or None)
    for outcome in outcomes:
        log.info("%s: %s %s", outcome.feed, outcome.outcome, outcome.counts)
    for outcome in outcomes:
        if outcome.outcome not in ("ok", "waiting"):
            raise _error(outcome.as_dict())
    return {"feeds": len(outcomes), "rows": sum(outcome.counts.rows_in for outcome in outcomes)}


def housekeeping() -> dict[str, Any]:
    """Tidy what dead runs left, payloads past their keeping, statistics."""
    _guard()
    from pipeline import housekeeping

    done = housekeeping.run().as_dict()
    log.info("tidied: %s", done)
    return done


def push(outputs: list[str], period: str | None = None) -> dict[str, Any]:
    """Bring a receiver up to date, one output after the other; one that fails keeps no other from being sent.

    :raises OneMapError: it is away, refuses us, or a receipt does not balance; of several the one that may mend itself.
    """
    _guard()
    from airflow.sdk.exceptions import AirflowSkipException

    from core.errors import Fault, OneMapError
    from serving.push import run
    from sinks import loader

    sent, failed = [], []
    for output in outputs:
        try:
            sent.append(run.push(output, period=period if loader.output(output)[1].period else None))
        except OneMapError as error:
            log.error("%s: %s", output, error)
            failed.append(error)
        else:
            done = sent[-1]
            log.info("%s: %d rows = %d accepted + %d rejected", output, done.rows, done.accepted, done.rejected)
    if failed:
        raise next((error for error in failed if error.fault is Fault.TRANSIENT), failed[0])
    if all(done.open for done in sent):
        raise AirflowSkipException("已送达，等待接收方回执 / delivered, the receipt is to come")
    return {done.output: done.as_dict() for done in sent}


def broken(reason: str) -> None:
    """:raises AirflowFailException: always; the declaration cannot be used."""
    from airflow.sdk.exceptions import AirflowFailException

    raise AirflowFailException(f"数源声明有误，请改正 / the declaration is broken: {reason}")


def _outcomes() -> list[dict[str, Any]]:
    """How each (feed, window) of this run ended, by the last try of its task."""
    from airflow.sdk import get_current_context
    from airflow.sdk.execution_time.xcom import XCom

    ti = get_current_context()["ti"]
    found = XCom.get_all(key=OUTCOME, task_id="sync", dag_id=ti.dag_id, run_id=ti.run_id)
    return [outcome for group in found or [] for outcome in group or []]


def _is_backfill() -> bool:
    """Whether this run was made by Airflow's backfill."""
    from airflow.sdk import get_current_context

    run = get_current_context().get("dag_run")
    return getattr(run, "run_type", None) == "backfill"


def _interval(schedule: str | None) -> tuple[datetime, datetime]:
    """The interval that this run of a backfill stands for, naive and in the city's time: the run's data interval, or from
    the schedule's time before to its own where the timetable gives a point.

    :raises ConfigurationError: the interval is not past, or there is no schedule to take it from.
    """
    from airflow.sdk import get_current_context
    from croniter import croniter

    from core import clock, interval
    from core.clock import SHANGHAI
    from core.errors import ConfigurationError

    context = get_current_context()
    end = context.get("data_interval_end") or context.get("logical_date")
    begin = context.get("data_interval_start")
    if end is None or (schedule is None and (begin is None or begin >= end)):
        raise ConfigurationError(
            "this backfill run has no data interval",
            remedy="start the DAG by hand with the parameters from and to",
            zh="本次回填没有数据区间，请改为手动触发并填写起止时间（from、to）。",
        )
    until = end.astimezone(SHANGHAI)
    if begin and begin < end:
        since = begin.astimezone(SHANGHAI)
    elif every := interval.parse(str(schedule)):
        since = until - every
    else:
        since = croniter(schedule, until).get_prev(datetime)
    if until.replace(tzinfo=None) > clock.now():
        raise ConfigurationError(
            f"the interval up to {until:%Y-%m-%d %H:%M} is not past",
            remedy="backfill intervals that end before now; what is due is read by the schedule",
            zh=f"回填区间止于 {until:%Y-%m-%d %H:%M}，尚未过去。请选择已过去的区间；到期的数据由计划任务读取。",
        )
    return since.replace(tzinfo=None), until.replace(tzinfo=None)


def _error(outcome: dict[str, Any]) -> Exception:
    from core import errors

    kinds = {
        "configuration": errors.ConfigurationError,
        "authentication": errors.AuthenticationError,
        "transient": errors.TransientError,
        "provider": errors.ProviderError,
    }
    kind = kinds.get(
        outcome["fault"] or "", errors.ProviderError if outcome["outcome"] == "held" else errors.InternalError
    )
    return kind(
        outcome["error"] or f"the batch is {outcome['outcome']}",
        remedy=outcome["remedy"] or "",
        zh=outcome["zh"] or "",
        feed=outcome["feed"],
    )


def _local(text: str | None) -> datetime | None:
    """A time of the UI's form as the city's local time, naive. :raises ConfigurationError: it is none."""
    if not text:
        return None
    from core.clock import SHANGHAI
    from core.errors import ConfigurationError

    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no time",
            remedy="write it like 2026-03-01 or 2026-03-01T08:00",
            zh=f"“{text}” 不是时间，应写作 2026-03-01 或 2026-03-01T08:00。",
        ) from None
    return time.astimezone(SHANGHAI).replace(tzinfo=None) if time.tzinfo else time


def _guard() -> None:
    from core.logging import guard

    guard()
