"""S1 parcels and red lines, S2 change polygons, S3 scenes, S4 readings of site devices."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from shapely.geometry import MultiPolygon, Polygon, box, mapping

from standins.world import geography
from standins.world.chance import dice, share
from standins.world.geography import CITY
from standins.world.lines import Lines, stamp
from standins.world.model import Change, Project, World

KINDS = ("power", "gate", "crane", "dust")
READING_DAYS = 30
READINGS = 30000  # about as many over those days
_SHANGHAI = timezone(timedelta(hours=8))


def _utc(at: datetime) -> str:
    return f"{at - timedelta(hours=8):%Y-%m-%dT%H:%M:%SZ}"


def _day(world: World, project: Project, item: str) -> date | None:
    done = project.done(item)
    return done.date() if done else None


def _ground(world: World, project: Project, out: Lines) -> None:
    """The red line comes with the project, the parcel with its contract or before; some parcels are later divided."""
    site = project.site
    begun = datetime.combine(world.calendar.days[project.begins], time(20, 0))
    drawn = begun + timedelta(days=8 + project.number % 9)
    if not site.only_p2:
        out.state(
            "s1/redline",
            site.redline_code,
            {
                "HXBH": site.redline_code,
                "PROJECT_CODE": project.code,
                "XMMC": project.name,
                "MJ": f"{site.area:.2f}",
                "GXSJ": stamp(drawn),
                "_geometry": geography.geojson(MultiPolygon([site.redline])),
            },
            drawn,
        )
    given = _day(world, project, "DG-308") if "新增用地" in project.conditions else begun.date()
    if given is None:
        return
    at = datetime.combine(given, time(21, 0))
    row = {
        "ZDDM": site.parcel_code,
        "QLR": project.company,
        "MJ": f"{site.area:.2f}",
        "PROJECT_CODE": project.code,
        "GXSJ": stamp(at),
        "_geometry": geography.geojson(MultiPolygon([site.redline])),
    }
    if share(world.seed, "split", project.number) < 0.06:
        split = at + timedelta(days=200 + project.number % 300)
        row["_until"] = stamp(split)
        west = geography.part(site.redline, 0.5)
        for n, shape in enumerate((west, site.redline.difference(west.buffer(0.6)))):
            shape = shape if shape.geom_type == "Polygon" else max(shape.geoms, key=lambda g: g.area)
            code = f"{site.parcel_code[:12]}GB{90000 + project.number * 2 + n:05d}"
            out.state(
                "s1/parcel",
                code,
                {
                    **{k: v for k, v in row.items() if k != "_until"},
                    "ZDDM": code,
                    "MJ": f"{shape.area:.2f}",
                    "GXSJ": stamp(split),
                    "_geometry": geography.geojson(MultiPolygon([shape])),
                },
                split,
            )
    out.state("s1/parcel", site.parcel_code, row, at)


def site_changes(world: World, project: Project) -> list[Change]:
    """What the satellites see on a site that is built as permitted: ground opened after the permit, then a building."""
    permit = _day(world, project, "DG-604")
    if permit is None or project.site is None:
        return []
    chance = dice(world.seed, "change", project.number)
    found = []
    for n, (kind, share_of, wait) in enumerate(
        (("TD", 0.55, chance.randint(25, 60)), ("20", 0.4, chance.randint(75, 130)))
    ):
        day = permit + timedelta(days=wait)
        written = f"{day:%Y%m}" if chance.random() < 0.2 else f"{day}"
        found.append(
            Change(
                f"JC{day:%Y%m}{project.number:05d}{n}",
                kind,
                geography.part(project.site.redline, share_of),
                f"{permit - timedelta(days=20)}",
                written,
                day + timedelta(days=chance.randint(2, 40)),
                project.town_code,
            )
        )
    return found


def hsx_day(written: str) -> date | None:
    """The day that an HSX means: yyyyMM is the last of its month."""
    if not written:
        return None
    if "-" in written:
        return date.fromisoformat(written)
    first = date(int(written[:4]), int(written[4:]), 1)
    return (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _change(change: Change, out: Lines) -> None:
    shown = datetime.combine(max(change.seen, (hsx_day(change.hsx) or change.seen) + timedelta(days=1)), time(7, 0))
    out.state(
        "s2/change",
        change.code,
        {
            "JCBH": change.code,
            "XZQDM": "441900",
            "XMC": "东莞市",
            "TBLX": change.kind,
            "TZ": "",
            "QSX": change.qsx,
            "HSX": change.hsx or None,
            "MJ": f"{change.shape.area:.2f}",
            "SFYN": "0",
            "SFHX": "1" if change.town_code else "0",
            "_geometry": geography.geojson(change.shape),
        },
        shown,
    )


def _idle(world: World, out: Lines) -> None:
    """Changes on land that is no project's."""
    for n in range(world.projects // 3 + 10):
        chance = dice(world.seed, "idle", n)
        day = world.start + timedelta(days=chance.randint(30, 1400))
        _, shape = geography.idle_spot(world, n)
        _change(
            Change(
                f"JC{day:%Y%m}9{n:05d}",
                chance.choice(("LD", "DL2", "20", "TD", "KT", "YH")),
                shape,
                f"{day - timedelta(days=90)}",
                f"{day}",
                day + timedelta(days=chance.randint(2, 60)),
            ),
            out,
        )


def _scene(
    collection: str, name: str, footprint: Polygon, at: datetime, shown: datetime, extra: dict[str, Any], out: Lines
) -> None:
    bounds = [round(v, 6) for v in footprint.bounds]
    out.state(
        "s3/scene",
        f"{collection}|{name}",
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": collection,
            "bbox": bounds,
            "geometry": geography.rounded(mapping(footprint)),
            "properties": {"datetime": _utc(at), "updated": _utc(shown), **extra},
            "assets": {
                "visual": {
                    "href": f"https://imagery.example.org/{collection}/{name}.tif",
                    "type": "image/tiff; application=geotiff",
                }
            },
            "links": [],
        },
        shown,
    )


def _scenes(world: World, out: Lines) -> None:
    left, low, right, top = CITY
    middle = (left + right) / 2
    month = world.start.replace(day=8)
    while month <= out.until.date():
        for half, area in (("W", box(left, low, middle, top)), ("E", box(middle, low, right, top))):
            at = datetime.combine(month, time(10, 52, 11))
            chance = dice(world.seed, "scene", month, half)
            extra = {"eo:cloud_cover": round(chance.uniform(0, 60), 1), "gsd": 0.8, "platform": "GF-2"}
            _scene(
                "satellite",
                f"GF2_{month:%Y%m%d}_{half}",
                area,
                at,
                at + timedelta(days=chance.randint(2, 12)),
                extra,
                out,
            )
        month = (month + timedelta(days=31)).replace(day=8)
    for project in world.people:
        permit = _day(world, project, "DG-604")
        if permit is None or project.site is None:
            continue
        spot = geography.degrees(project.site.redline.buffer(60).envelope)
        for n in range(3):
            at = datetime.combine(permit + timedelta(days=20 + 45 * n), time(9, 30, project.number % 60))
            extra = {"gsd": 0.05, "platform": "M300", "dg:project_code": project.code}
            _scene("uav", f"UAV_{at:%Y%m%d}_{project.number:05d}", spot, at, at + timedelta(hours=30), extra, out)


def _readings(world: World, out: Lines) -> None:
    """Devices on the sites that are being built, from 30 days before today on."""
    first = world.today - timedelta(days=READING_DAYS)
    last = out.until.date()
    sites = []
    for project in world.people:
        permit, ended = _day(world, project, "DG-604"), _day(world, project, "DG-707")
        if permit and permit < last and (ended is None or ended > first):
            sites.append((project, permit, ended or date.max))
    if not sites:
        return
    active = sum(1 for _, permit, ended in sites if permit < world.today <= ended) or 1
    a_day = max(1, min(12, READINGS // (READING_DAYS * active * 2)))  # hours a day, two devices a site
    for project, permit, ended in sites:
        day = max(first, permit)
        while day <= min(last, ended):
            for kind in (KINDS[project.number % 4], KINDS[(project.number + 1) % 4]):
                chance = dice(world.seed, "reading", project.number, day, kind)
                for n in range(a_day):
                    at = datetime.combine(day, time(7 + n, chance.randint(0, 59), chance.randint(0, 59)))
                    value = {
                        "power": chance.uniform(20, 300),
                        "gate": chance.randint(0, 60),
                        "crane": chance.randint(0, 25),
                        "dust": chance.uniform(20, 180),
                    }[kind]
                    row = {
                        "project_code": project.code,
                        "device": f"{kind[:2].upper()}{project.number:05d}",
                        "t": int(at.replace(tzinfo=_SHANGHAI).timestamp() * 1000),
                        "kind": kind,
                        "v": None if chance.random() < 0.005 else round(value, 1),
                    }
                    late = chance.random() < 0.01
                    if not late and chance.random() < 0.95:
                        row["_mqtt"] = True
                    out.log(
                        "s4/reading", row, at + (timedelta(days=chance.randint(1, 6)) if late else timedelta(seconds=2))
                    )
            day += timedelta(days=1)


def tell(world: World, out: Lines) -> None:
    """The rows of S1 to S4."""
    for project in world.people:
        if project.site is not None:
            _ground(world, project, out)
            for change in [*(() if project.still else site_changes(world, project)), *project.changes]:
                _change(change, out)
    _idle(world, out)
    _scenes(world, out)
    _readings(world, out)
