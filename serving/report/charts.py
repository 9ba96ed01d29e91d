"""The charts of reports and pages, as drawings: stages, cases against their limits, maps, counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from serving import places
from serving.report.dossier import Bar, Dossier
from serving.report.drawing import LIGHT_TONE, Area, Dot, Drawing, Line, Rect, Text, fitted, width_of

WIDTH = 960
PRINTED = 720  # the width at which letters are still read on A4
_ROW, _TOP = 24, 40


Place = Callable[[date], float]  # day → x


def stages(dossier: Dossier, width: float = WIDTH) -> Drawing:
    """The eight stages as a way: done, current, ahead, not applicable."""
    drawing = Drawing(width, 92, f"项目所处阶段：{dossier.sentence}")
    step = width / len(dossier.stages)
    size = min(13.0, (step - 6) / max(len(stage["stage_name"]) for stage in dossier.stages))
    states = [(s, _state(s, dossier)) for s in dossier.stages]
    for n, (_, state) in enumerate(states[:-1]):
        drawing.add(
            Line(
                step * (n + 0.5),
                26,
                step * (n + 1.5),
                26,
                "done" if state == "完成" else "line",
                3,
                dashed=state == "不适用",
            )
        )
    for n, (stage, state) in enumerate(states):
        x = step * (n + 0.5)
        tone = {"完成": "done", "当前": "brand", "进行": "blue"}.get(state, "line")
        drawing.add(
            Dot(x, 26, 17 if state == "当前" else 14, tone, f"第 {stage['stage']} 阶段 {stage['stage_name']}：{state}")
        )
        if state in ("未开始", "不适用"):
            drawing.add(Dot(x, 26, 12, "paper"))
        drawing.add(Text(x, 31, str(stage["stage"]), {"line": "soft", "done": "ink"}.get(tone, "paper"), 14, "middle"))
        drawing.add(Text(x, 66, stage["stage_name"], "ink" if state != "不适用" else "soft", size, "middle"))
        done = stage["completed_at"]
        drawing.add(
            Text(
                x,
                84,
                f"{state} {done:%Y-%m-%d}" if state == "完成" and done else state,
                "brand" if state == "当前" else "soft",
                min(size, 11),
                "middle",
            )
        )
    return drawing


def _state(stage: dict[str, Any], dossier: Dossier) -> str:
    return "当前" if stage["stage"] == dossier.current_stage and not dossier.finished else stage["state"]


def _span(dossier: Dossier) -> tuple[date, date]:
    """First and last day of a dossier's cases, with a little room."""
    bars = [b for b in dossier.bars if b.start]
    first = min((b.start for b in bars if b.start), default=dossier.as_of) - timedelta(days=3)
    last = max(
        [
            dossier.as_of,
            *(b.ended.date() for b in bars if b.ended),
            *(b.due for b in bars if b.due and (b.ended is None or b.over)),
        ]
    )
    return first, max(last, first + timedelta(days=20)) + timedelta(days=3)


def gantt(dossier: Dossier, bars: Sequence[Bar] | None = None, width: float = WIDTH) -> Drawing:
    """Cases against their limits: the limit as a pale bar from acceptance to the due date, the case over it, pauses
    hatched, what is past a due date red; a diamond is a due date (white: promised, black: statutory), the vertical line the day asked about."""
    rows = [b for b in (dossier.bars if bars is None else bars) if b.start]
    rows.sort(key=lambda b: (b.stage or 9, b.start, b.case_id))
    groups: list[tuple[str, list[Bar]]] = []
    names = {s["stage"]: s["stage_name"] for s in dossier.stages}
    for bar in rows:
        title = f"{bar.stage} {names[bar.stage]}" if bar.stage in names else "清单外"
        if not groups or groups[-1][0] != title:
            groups.append((title, []))
        groups[-1][1].append(bar)
    height = _TOP + sum(26 + _ROW * len(g) for _, g in groups) + 16
    drawing = Drawing(
        width, max(height, 90), f"办件与时限对照：{len(rows)} 件，逾期办件 {sum(b.over > 0 for b in rows)} 件"
    )
    if not rows:
        drawing.add(Text(width / 2, 55, "尚无办件", "soft", 14, "middle"))
        return drawing
    label, verdict = width * 0.22, max(width * 0.27, 216)
    first, last = _span(dossier)
    left, right = label + 8, width - verdict - 8
    at: Place = lambda day: left + (min(max(day, first), last) - first).days / (last - first).days * (right - left)  # noqa: E731
    for tick, text in _ticks(first, last, right - left):
        drawing.add(
            Line(at(tick), _TOP - 8, at(tick), drawing.height - 10, "grid"),
            Text(at(tick) + 3, _TOP - 14, text, "soft", 10.5),
        )
    y = float(_TOP)
    for title, cases in groups:
        drawing.add(
            Rect(0, y, width, 20, "band"),
            Text(6, y + 14.5, title, "ink", 12),
            Text(width - 6, y + 14.5, f"{len(cases)} 件", "soft", 11, "end"),
        )
        y += 26
        for bar in cases:
            _bar(drawing, bar, y, at, dossier.as_of, label, verdict)
            y += _ROW
    today = at(dossier.as_of)
    drawing.add(Line(today, _TOP - 8, today, drawing.height - 10, "brand", 1.4, dashed=True))
    drawing.add(Text(today, 12, f"{dossier.as_of:%Y-%m-%d}", "brand", 11, "end" if today > right - 40 else "middle"))
    return drawing


def plan(lines: Sequence[dict[str, Any]], as_of: date, width: float = WIDTH) -> Drawing:
    """The lines of a plan (:class:`supervision.plan.Line` as a dict) from their earliest start to their earliest end; pale up to
    the latest end, the critical path red."""
    rows = sorted(
        (line for line in lines if line["earliest_end"]), key=lambda r: (r["earliest_start"], r["earliest_end"])
    )
    drawing = Drawing(width, max(_TOP + 22 * len(rows) + 12, 90), f"日历计划：{len(rows)} 项")
    if not rows:
        drawing.add(Text(width / 2, 55, "没有可以推算的日期", "soft", 14, "middle"))
        return drawing
    left, right = width * 0.3, width - 84
    first = min(as_of, min(r["earliest_start"] for r in rows)) - timedelta(days=3)
    last = max(as_of, max(r["latest_end"] or r["earliest_end"] for r in rows)) + timedelta(days=3)
    at: Place = lambda day: left + (day - first).days / (last - first).days * (right - left)  # noqa: E731
    for tick, text in _ticks(first, last, right - left):
        drawing.add(
            Line(at(tick), _TOP - 8, at(tick), drawing.height - 8, "grid"),
            Text(at(tick) + 3, _TOP - 14, text, "soft", 10.5),
        )
    for n, row in enumerate(rows):
        y = _TOP + 22 * n
        start, end, latest = row["earliest_start"], row["earliest_end"], row["latest_end"]
        tone = "done" if row["state"] == "已办" else "red" if row["critical"] else "blue"
        title = f"{row['item_name']}：{start} 至 {end}" + (f"，最迟 {latest}" if latest else "")
        drawing.add(Text(6, y + 15, fitted(row["item_name"], 12, left - 14), "ink", 12))
        if latest and latest > end:
            drawing.add(Rect(at(end), y + 7, at(latest) - at(end), 8, "limit", 2, title))
        drawing.add(
            Rect(at(start), y + 5, max(at(end) - at(start), 3), 12, tone, 2, title),
            Text(right + 6, y + 15, f"{end:%Y-%m-%d}", "red" if row["critical"] else "soft", 11),
        )
    today = at(as_of)
    drawing.add(Line(today, _TOP - 8, today, drawing.height - 8, "brand", 1.4, dashed=True))
    drawing.add(Text(today, 12, f"{as_of:%Y-%m-%d}", "brand", 11, "middle"))
    return drawing


def _bar(drawing: Drawing, bar: Bar, y: float, at: Place, as_of: date, label: float, verdict: float) -> None:
    middle = y + _ROW / 2
    title = f"{bar.item_name} {bar.case_no}：{bar.verdict}"
    drawing.add(Text(6, middle + 4, fitted(bar.item_name, 12, label - 8), "ink", 12))
    begin, end = bar.accepted or bar.start or as_of, bar.ended.date() if bar.ended else as_of
    end = max(end, begin)
    if bar.received and bar.accepted and bar.received.date() < bar.accepted:
        drawing.add(Line(at(bar.received.date()), middle, at(bar.accepted), middle, "grey", 1.5))
    if bar.due and bar.accepted:
        drawing.add(
            Rect(
                at(bar.accepted),
                y + 3,
                max(at(bar.due) - at(bar.accepted), 2),
                _ROW - 8,
                "limit",
                2,
                f"时限至 {bar.due:%Y-%m-%d}",
            )
        )
    tone = LIGHT_TONE[bar.light] if bar.light and bar.light != "灰" else ("done" if bar.ended else "grey")
    # within the limits as any other case; past the promised one red, past the statutory one dark red
    cuts = sorted(
        (x.due, "double" if x.name == "statutory" else "red") for x in bar.limits if x.over and x.due and x.due < end
    )
    if cuts:
        tone = "done" if bar.ended else "green"
    starts = [(begin, tone), *((max(day, begin), past) for day, past in cuts)]
    for (first, fill), last in zip(starts, [*(day for day, _ in starts[1:]), end], strict=True):
        drawing.add(Rect(at(first), y + 7, max(at(last) - at(first), 3), _ROW - 16, fill, 2, title))
    for pause in bar.pauses:
        drawing.add(
            Rect(
                at(pause.start),
                y + 5,
                max(at(min(pause.until, end)) - at(pause.start), 3),
                _ROW - 12,
                "pause",
                0,
                f"{pause.kind} {pause.start} 至 {pause.until}",
                hatched=True,
            )
        )
    for limit in bar.limits:
        if limit.due and bar.accepted:
            x = at(limit.due)
            diamond = ((x, middle - 6), (x + 4.5, middle), (x, middle + 6), (x - 4.5, middle))
            fill = "ink" if limit.name == "statutory" else "paper"
            drawing.add(Area((diamond,), fill, "ink", 1.2, f"{limit.zh}到期日 {limit.due:%Y-%m-%d}"))
    drawing.add(
        Text(
            drawing.width - verdict,
            middle + 4,
            fitted(bar.short, 11, verdict - 2),
            "red" if bar.over else ("brand" if bar.ended is None else "soft"),
            11,
        )
    )


def _ticks(first: date, last: date, width: float) -> list[tuple[date, str]]:
    """First days of months, as many as have room."""
    months, day = [], date(first.year, first.month, 1)
    while day <= last:
        if day >= first:
            months.append(day)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    every = next((n for n in (1, 2, 3, 6, 12) if len(months) / n * 58 <= width), 12)
    if len(months) < 2:
        days = [first + timedelta(days=n) for n in range(0, (last - first).days, max((last - first).days // 5, 1))]
        return [(d, f"{d:%m-%d}") for d in days]
    return [(m, f"{m:%Y-%m}") for m in months if (m.month - 1) % every == 0]


# -- maps --------------------------------------------------------------------------------------------------------------


class _Plane:
    """Degrees → points of a drawing: equirectangular about the middle, the longer side fitted."""

    def __init__(
        self, bounds: tuple[float, float, float, float], x: float, y: float, width: float, height: float
    ) -> None:
        west, south, east, north = bounds
        self.middle = ((west + east) / 2, (south + north) / 2)
        self.squeeze = math.cos(math.radians(self.middle[1]))
        self.scale = min(width / max((east - west) * self.squeeze, 1e-9), height / max(north - south, 1e-9))
        self.centre = (x + width / 2, y + height / 2)

    def __call__(self, longitude: float, latitude: float) -> tuple[float, float]:
        return (
            self.centre[0] + (longitude - self.middle[0]) * self.squeeze * self.scale,
            self.centre[1] - (latitude - self.middle[1]) * self.scale,
        )

    def rings(self, geometry: Any) -> tuple[tuple[tuple[float, float], ...], ...]:
        found = []
        for part in shapely.get_parts(geometry):
            if part.geom_type == "Polygon":
                found += [tuple(self(x, y) for x, y, *_ in ring.coords) for ring in (part.exterior, *part.interiors)]
        return tuple(found)

    def metres(self, length: float) -> float:
        """Points of so many metres, north to south."""
        return length / 111_195 * self.scale


def site(dossier: Dossier, width: float = 460, height: float = 320) -> Drawing:
    """The red line, what satellites saw change on it, with a scale; without a red line it says so."""
    drawing = Drawing(width, height, f"{dossier.project.get('project_name') or dossier.code}用地红线及变化图斑")
    drawing.add(Rect(0, 0, width, height, "band", 6))
    if dossier.redline.is_empty:
        drawing.add(Text(width / 2, height / 2, "没有用地红线", "soft", 13, "middle"))
        return drawing
    polygons = [(p, shapely.make_valid(shape(p["geom"]))) for p in dossier.polygons if p["geom"]]
    west, south, east, north = dossier.redline.bounds
    pad = max(east - west, north - south, 0.0008) * 0.25
    plane = _Plane((west - pad, south - pad, east + pad, north + pad), 8, 8, width - 16, height - 44)
    window = shapely.box(west - 3 * pad, south - pad, east + 3 * pad, north + pad)
    drawing.add(Area(plane.rings(dossier.redline), "redfill", "redline", 2, "用地红线"))
    for row, geometry in polygons:
        inside = shapely.intersection(geometry, window)
        if plane.rings(inside):
            drawing.add(
                Area(
                    plane.rings(inside),
                    "groundfill",
                    "ground",
                    1.2,
                    f"变化图斑 {row['polygon_code']} {row['seen_after'] or ''}",
                )
            )
    if polygons:  # the line above what lies on it
        for ring in plane.rings(dossier.redline):
            drawing.shapes += [Line(*a, *b, "redline", 2) for a, b in zip(ring, ring[1:], strict=False)]
    _legend(drawing, 12, height - 14, [("redline", "用地红线"), *([("ground", "变化图斑")] if polygons else [])])
    _scale(drawing, plane, width - 14, height - 14)
    return drawing


def _scale(drawing: Drawing, plane: _Plane, right: float, y: float) -> None:
    length = next((n for n in (20000, 10000, 5000, 2000, 1000, 500, 200, 100, 50, 20) if plane.metres(n) <= 110), 10)
    size = plane.metres(length)
    drawing.add(
        Line(right - size, y, right, y, "ink", 1.5),
        Line(right - size, y - 4, right - size, y, "ink", 1.5),
        Line(right, y - 4, right, y, "ink", 1.5),
    )
    drawing.add(
        Text(right - size - 5, y, f"{length // 1000} km" if length >= 1000 else f"{length} m", "soft", 11, "end")
    )


def _legend(drawing: Drawing, x: float, y: float, entries: Sequence[tuple[str, str]], size: float = 11) -> None:
    for tone, text in entries:
        drawing.add(Rect(x, y - size + 1.5, 10, 10, tone, 2), Text(x + 14, y, text, "soft", size))
        x += 14 + width_of(text, size) + 16


def city(
    points: Sequence[tuple[float, float, str, str]], only: str | None = None, width: float = 460, height: float = 360
) -> Drawing:
    """Towns and projects: (longitude, latitude, light, title); ``only`` a town's code: zoomed to it. Overview: datum unsure."""
    codes, names, shapes = places.towns()
    drawing = Drawing(width, height, f"项目分布：{len(points)} 个项目")
    drawing.add(Rect(0, 0, width, height, "band", 6))
    chosen = [shapes[codes.index(only)]] if only in codes else list(shapes)
    west, south, east, north = shapely.total_bounds(np.array(chosen, dtype=object))
    plane = _Plane((west, south, east, north), 10, 10, width - 20, height - 46)
    window = shapely.box(west, south, east, north).buffer(0.2)
    for code, name, polygon in zip(codes, names, shapes, strict=True):
        if only and not polygon.intersects(window):
            continue
        simple = shapely.simplify(polygon, 0.0006 if not only else 0.0001)
        drawing.add(
            Area(
                plane.rings(simple),
                "paper" if not only or code == only else "town",
                "townline",
                1.4 if code == only else 0.8,
                name,
            )
        )
    clipped = [_clipped(s, width, height - 28) for s in drawing.shapes[1:]]
    drawing.shapes = [drawing.shapes[0], *(s for s in clipped if s.rings)]
    for code, name, polygon in zip(codes, names, shapes, strict=True):
        if not only or code == only:
            inner = shapely.point_on_surface(polygon)
            drawing.add(Text(*plane(inner.x, inner.y), name, "soft", 9 if not only else 13, "middle"))
    for x, y, light, title in sorted(points, key=lambda p: -list(LIGHT_TONE).index(p[2])):
        px, py = plane(x, y)
        if 0 <= px <= width and 0 <= py <= height - 28:
            drawing.add(Dot(px, py, 4.6, "paper"), Dot(px, py, 3.6, LIGHT_TONE[light], title))
    present = {p[2] for p in points}
    _legend(
        drawing,
        12,
        height - 10,
        [(tone, light + ("灯" if light != "无" else "")) for light, tone in LIGHT_TONE.items() if light in present],
    )
    return drawing


def _clipped(area: Any, width: float, height: float) -> Any:
    """An area within the frame."""
    frame = shapely.box(0, 0, width, height)
    rings: list[tuple[tuple[float, float], ...]] = []
    for ring in area.rings:
        part = shapely.intersection(shapely.make_valid(shapely.Polygon(ring)), frame)
        rings += [
            tuple(p.exterior.coords) for p in shapely.get_parts(part) if p.geom_type == "Polygon" and not p.is_empty
        ]
    return Area(tuple(rings), area.fill, area.stroke, area.width, area.title)


# -- counts ------------------------------------------------------------------------------------------------------------


def stacked(rows: Sequence[tuple[str, dict[str, int]]], label: str, unit: str = "个", width: float = WIDTH) -> Drawing:
    """Horizontal bars of lights: (name, {light: count}); totals at the end."""
    lights = [light for light in LIGHT_TONE if any(counts.get(light) for _, counts in rows)]
    drawing = Drawing(width, 26 * len(rows) + 40, label)
    most = max((sum(counts.values()) for _, counts in rows), default=0) or 1
    left = max([width_of(name, 12) for name, _ in rows] or [0]) + 14
    room = width - left - 70
    for n, (name, counts) in enumerate(rows):
        y, x = 8 + 26 * n, left
        drawing.add(Text(left - 8, y + 14, name, "ink", 12, "end"))
        for light in lights:
            size = counts.get(light, 0) / most * room
            if size:
                drawing.add(
                    Rect(x, y, max(size - 1, 1), 19, LIGHT_TONE[light], 2, f"{name} {light} {counts[light]} {unit}")
                )
                if size > 22 and light != "黄":
                    drawing.add(
                        Text(
                            x + size / 2,
                            y + 13.5,
                            str(counts[light]),
                            "paper" if light not in ("无", "灰") else "ink",
                            11,
                            "middle",
                        )
                    )
                elif size > 22:
                    drawing.add(Text(x + size / 2, y + 13.5, str(counts[light]), "ink", 11, "middle"))
                x += size
        drawing.add(Text(x + 6, y + 14, f"{sum(counts.values())} {unit}", "soft", 11.5))
    _legend(
        drawing,
        left,
        drawing.height - 10,
        [(LIGHT_TONE[light], "无" if light == "无" else f"{light}灯") for light in lights],
    )
    return drawing


def over_time(rows: Sequence[dict[str, Any]], width: float = WIDTH, height: float = 220) -> Drawing:
    """Rows of the balance of one feed, oldest day first: ``live``, ``claimed`` and ``quarantined`` by day."""
    drawing = Drawing(width, height, f"{rows[0]['day']} 至 {rows[-1]['day']}：在库、来源声明、待处理隔离")
    most = max(max(row[name] or 0 for row in rows) for name in ("live", "claimed", "quarantined")) or 1
    days = [date.fromisoformat(row["day"]) for row in rows]
    left, right, bottom = 80, width - 16, height - 28
    at: Place = lambda day: left + (day - days[0]).days / ((days[-1] - days[0]).days or 1) * (right - left)  # noqa: E731
    level: Callable[[float], float] = lambda value: bottom - value / most * (bottom - 16)  # noqa: E731
    for value in (0, most // 2, most):
        drawing.add(
            Line(left, level(value), right, level(value), "grid"),
            Text(left - 8, level(value) + 4, f"{value:,}", "soft", 11, "end"),
        )
    for name, tone in (("claimed", "done"), ("live", "blue"), ("quarantined", "red")):
        known = [(at(day), level(row[name])) for day, row in zip(days, rows, strict=True) if row[name] is not None]
        for (x1, y1), (x2, y2) in zip(known, known[1:], strict=False):
            drawing.add(Line(x1, y1, x2, y2, tone, 2))
        for x, y in known:
            drawing.add(Dot(x, y, 3, tone))
    drawing.add(
        Text(left, height - 8, rows[0]["day"], "soft", 11), Text(right, height - 8, rows[-1]["day"], "soft", 11, "end")
    )
    return drawing


def bars(rows: Sequence[tuple[str, float, str]], label: str, tone: str = "brand", width: float = WIDTH) -> Drawing:
    """Horizontal bars: (name, value, what is written at the end)."""
    drawing = Drawing(width, 26 * len(rows) + 12, label)
    most = max((value for _, value, _ in rows), default=0) or 1
    left = min(max([width_of(name, 12) for name, _, _ in rows] or [0]) + 14, width * 0.5)
    room = width - left - max([width_of(text, 11.5) for _, _, text in rows] or [0]) - 16
    for n, (name, value, text) in enumerate(rows):
        y = 8 + 26 * n
        drawing.add(Text(left - 8, y + 14, fitted(name, 12, left - 10), "ink", 12, "end"))
        drawing.add(Rect(left, y, max(value / most * room, 2 if value else 0), 19, tone, 2, f"{name}：{text}"))
        drawing.add(Text(left + value / most * room + 6, y + 14, text, "soft", 11.5))
    return drawing
