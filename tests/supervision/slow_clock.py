"""The clock of one case, day by day, written from the text of docs/rules.md: slow, obvious, and nobody else's code.

Events are dictionaries of the columns of ``store.case_event``; ``works(day)`` says whether a day is a working day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

DAY = timedelta(days=1)
NATURAL = "自然日"
Event = dict[str, Any]
Works = Callable[[date], bool]

TELLS = {  # what time of a case an event tells
    "SUBMITTED": "receipt",
    "ACCEPTED": "acceptance",
    "REJECTED_INTAKE": "refusal",
    "SUPPLEMENT_ASKED": "asked",
    "SUPPLEMENT_START": "supplement",
    "SUPPLEMENT_END": "supplement",
    "SPECIAL_START": "special",
    "SPECIAL_END": "special",
    "HANDLING": "process",
    **dict.fromkeys(
        ("DONE_OK", "DONE_TOLERANT", "DONE_FAIL", "DONE_RETURNED", "WITHDRAWN", "REVOKED", "VOIDED", "LAPSED"), "end"
    ),
}
CONCLUSIONS = ("DONE_OK", "DONE_TOLERANT", "DONE_FAIL")


def has_time(stamp: datetime) -> bool:
    return stamp.time() != time()


def earlier(a: datetime, b: datetime) -> bool:
    """a before b: by time where both have one, else by date."""
    return a < b if has_time(a) and has_time(b) else a.date() < b.date()


def counts(day: date, unit: str | None, works: Works) -> bool:
    return unit == NATURAL or works(day)


def nth(start: date, n: int, unit: str | None, works: Works) -> date:
    """The n-th counted day after a day."""
    day = start
    while n > 0:
        day += DAY
        n -= counts(day, unit, works)
    return day


@dataclass
class Pause:
    kind: str
    start: datetime
    end: datetime | None
    until: date | None  # the last day of its granted limit


@dataclass
class Told:
    """What the slow clock says."""

    acceptance_on: date | None = None
    deemed: bool = False
    ended_on: date | None = None
    used: dict[str, int | None] = field(default_factory=dict)
    due: dict[str, date | None] = field(default_factory=dict)
    light: str | None = None
    suspended: bool = False


def corrected(events: list[Event]) -> list[Event]:
    """Versions: the last holds; an SL with another state and a later time is an event of its own; so is every SB."""
    kept = [e for e in events if e["version"] is None]
    series: dict[tuple, list[Event]] = {}
    for e in events:
        if e["version"] is not None:
            series.setdefault((e["channel"], e["series"], e["series_key"]), []).append(e)
    for (_, name, _), versions in series.items():
        versions.sort(key=lambda e: e["version"])
        if name == "SB":
            kept += versions
        elif name == "SL":
            states = [
                e
                for e, after in zip(versions, [*versions[1:], None], strict=True)
                if after is None or after["event"] != e["event"]
            ]
            kept += [
                e
                for e, after in zip(states, [*states[1:], None], strict=True)
                if after is None or earlier(e["at"], after["at"])
            ]
        else:
            kept += [e for e in versions if e["version"] == versions[-1]["version"]]
    return kept


def clock(events: list[Event], limits: dict[str, tuple[int | None, str | None]], today: date, works: Works) -> Told:
    """The case's clock at the end of a day. ``limits``: promised and statutory, each (days, unit)."""
    known = corrected(events)
    happened = [e for e in known if e["at"].date() <= today]
    order = ["M2", "D3", "P3"]

    def best(kind: str) -> str | None:
        return next((c for c in order if any(e["channel"] == c and TELLS[e["event"]] == kind for e in happened)), None)

    def of(kind: str, rows: list[Event] = happened) -> list[Event]:
        channel = best(kind)
        return sorted((e for e in rows if e["channel"] == channel and TELLS[e["event"]] == kind), key=lambda e: e["at"])

    # pauses: what began by today; their ends as they are known
    pauses: list[Pause] = []
    for kind in ("supplement", "special"):
        starts = [e for e in of(kind) if e["event"].endswith("_START")]
        rows = of(kind, known)
        ends = [e["at"] for e in rows if e["event"].endswith("_END")] + [e["until"] for e in rows if e["until"]]
        gdbs = kind == "supplement" and best(kind) == "M2"
        if gdbs:
            first = min((e["at"] for e in starts), default=None)
            again = [e["at"] for e in of("receipt", known) if first and earlier(first, e["at"])]
            ends = again + [e["at"] for e in known if e["channel"] == "M2" and e["series"] in ("SL", "SPCL", "BJ")]
        closed_by: dict[datetime | None, list[Event]] = {}
        for e in starts:
            fits = [x for x in ends if (earlier(e["at"], x) if gdbs else not earlier(x, e["at"]))]
            # a date alone is some time of its day: it comes after the times of that day that are known
            closed_by.setdefault(min(fits, key=lambda x: (x.date(), not has_time(x), x), default=None), []).append(e)
        for end, same in closed_by.items():
            start = same[0]
            limit = next(
                (
                    (e["limit_days"], e["limit_unit"])
                    for e in same
                    if e["at"].date() == start["at"].date() and e["limit_days"] is not None
                ),
                None,
            )
            until = nth(start["at"].date(), limit[0], limit[1], works) if limit and limit[0] > 0 else None
            pauses.append(Pause(kind, start["at"], end, until))

    told = Told()
    recorded = min((e["at"] for e in of("acceptance")), default=None)
    refusals = [e["at"] for e in of("refusal")]
    told.acceptance_on = recorded.date() if recorded else None

    # deemed accepted
    first_asked = min((e["at"] for e in of("supplement") if e["event"] == "SUPPLEMENT_START"), default=None)
    receipts = [e for e in of("receipt") if not (first_asked and earlier(first_asked, e["at"]))]
    received = max(receipts, key=lambda e: (e["version"] or 0, -e["at"].timestamp()))["at"] if receipts else None
    decisions = [e["at"] for kind in ("acceptance", "refusal", "asked") for e in of(kind)]
    decisions += [e["at"] for e in of("supplement") if e["event"] == "SUPPLEMENT_START"]
    concluded = [e["at"] for e in of("end") if e["event"] in CONCLUSIONS]
    points = ([received] if received else []) + sorted(p.end for p in pauses if p.kind == "supplement" and p.end)
    for point in sorted(points):
        last = nth(point.date(), 5, None, works)
        after = [d for d in decisions if not earlier(d, point)]
        late = last < today and not any(d.date() <= last for d in after)
        without = not after and any(not earlier(c, point) for c in concluded)
        cancelled = any(not earlier(r, point) and (recorded is None or earlier(r, recorded)) for r in refusals)
        if (late or without) and not cancelled and (recorded is None or point.date() < recorded.date()):
            told.acceptance_on, told.deemed = point.date(), True
            break

    # end
    ends = sorted([e["at"] for kind in ("end", "refusal") for e in of(kind)])
    begin = datetime.combine(told.acceptance_on, time()) if told.deemed else recorded
    if ends and begin:
        after = [e for e in ends if not earlier(e, begin)]
        told.ended_on = min(after).date() if after else begin.date()
    elif ends:
        told.ended_on = ends[0].date()
    if told.acceptance_on is None:
        told.light = "灰" if told.ended_on else None
        told.used = told.due = {"promised": None, "statutory": None}
        return told

    accepted, end = told.acceptance_on, told.ended_on or today
    counted = [p for p in pauses if accepted <= p.start.date() <= end]
    spans = []
    for p in counted:
        stops = [d for d in (p.end and p.end.date(), p.until) if d]
        spans.append((p.start.date(), min(stops) if stops else end))
        told.suspended |= not stops and told.ended_on is None
    blue = told.ended_on is None and any(
        (p.end is None or p.end.date() > today) and (p.until is None or p.until >= today) for p in counted
    )

    def used_day(day: date, unit: str | None) -> bool:
        return counts(day, unit, works) and not any(a < day <= b for a, b in spans)

    for name, (limit, unit) in limits.items():
        used, day = 0, accepted
        while day < end:
            day += DAY
            used += used_day(day, unit)
        told.used[name] = used if limit is not None else None
        told.due[name] = None
        if limit is not None:
            day, left = accepted, limit
            while left > 0:
                day += DAY
                left -= used_day(day, unit)
            told.due[name] = day

    promised, statutory = limits["promised"][0], limits["statutory"][0]
    if told.ended_on:
        told.light = "灰"
    elif statutory is not None and told.used["statutory"] > statutory:
        told.light = "双红"
    elif promised is not None and told.used["promised"] > promised:
        told.light = "红"
    elif promised is None and statutory is None:
        told.light = None
    elif blue:
        told.light = "蓝"
    else:
        dated = [n for n in ("promised", "statutory") if told.due[n]]
        first = min(dated, key=lambda n: told.due[n])  # equal: the promised one
        limit = limits[first][0]
        left = limit - told.used[first]
        told.light = "黄" if left <= 1 or left <= 0.2 * limit else "绿"
    return told
