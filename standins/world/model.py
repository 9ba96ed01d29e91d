"""What really happened, before any system writes it down: projects, their cases, pauses and documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from standins.world.calendar import Calendar
from standins.world.catalogue import Catalogue

DEPARTMENT_ITEMS = {  # which department's own system knows the cases of an item
    "D1": ("DG-304", "DG-308", "DG-404", "DG-502", "DG-701", "DG-N-306", "DG-N-501"),
    "D3": ("DG-507", "DG-602", "DG-604", "DG-610", "DG-702", "DG-703", "DG-704", "DG-706", "DG-707", "DG-708"),
    "D4": ("DG-503", "DG-801"),
    "D5": ("DG-603", "DG-705"),
}
SYSTEM = {item: source for source, items in DEPARTMENT_ITEMS.items() for item in items}
FIRE_ITEMS = ("DG-602", "DG-702", "DG-703")  # 消防 keeps a sheet of these beside D3
PASSED = ("0", "6")  # BJJGDM of a case that is done
FAILED = "13"  # 办结（不通过）: has no BJJGDM, stands in the department's system only


@dataclass
class World:
    """The frame of one world: all that happens in it follows from these."""

    seed: int
    projects: int
    start: date
    today: date  # the day it was made; what is planted lies before it
    calendar: Calendar
    catalogue: Catalogue
    people: list[Project] = field(default_factory=list)
    plants: list[Plant] = field(default_factory=list)

    @property
    def now(self) -> int:
        """Number of the last working day before ``today``: nothing that is planted comes later."""
        return self.calendar.index(self.today) - (
            1 if self.calendar.days[self.calendar.index(self.today)] == self.today else 0
        )


@dataclass(slots=True)
class Special:
    """A special procedure 特别程序: kind A or B, granted limit (0 none) in G 工作日 or Z 自然日."""

    kind: str
    start: datetime
    end: datetime | None
    limit: int
    unit: str = "G"


@dataclass(slots=True)
class Step:
    """A step of handling 审批处理."""

    at: datetime
    code: str
    name: str
    opinion: str = "同意"


@dataclass(slots=True)
class Licence:
    """The document of a result. ``day`` its date; ``number`` as every system writes it."""

    number: str
    day: date
    certificate_id: str = ""


@dataclass(slots=True)
class Case:
    """One case 办件, whoever knows of it. Times to the second; what is not (yet) is None or empty."""

    project: Project
    item: str
    n: int
    no: str  # SBLSH_SHORT
    long_no: str  # SBLSH
    own_no: str  # the department's own number
    receipt: datetime
    variant: str = ""
    decisions: list[tuple[str, datetime]] = field(default_factory=list)  # SLZTDM but 3, when
    supplements: list[tuple[datetime, datetime | None]] = field(default_factory=list)  # 补正 [start, end)
    specials: list[Special] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    concluded: datetime | None = None
    result: str = "0"  # BJJGDM, or FAILED
    licence: Licence | None = None
    prior: str = ""  # YSBLSH
    gcdm: str = ""
    commitment: bool = False
    town: bool = False  # handled by the town's office
    municipal: bool = True  # stands in M2
    linked: bool = True  # the department writes SBLSH_SHORT beside it
    department: bool = True  # stands in the department's own system, where there is one
    certified: bool = True  # its document stands in the licence directory
    national: bool = False  # stands in P3 too
    origin: str = "1"  # SJLY
    code_written: str | None = None  # PROJECT_CODE in M2, where it is not the project's
    item_written: str = ""  # the item's code in all systems, where it is not one of the item's
    inserted: datetime | None = None  # when all rows came into M2, where not as they happened
    date_only: tuple[str, ...] = ()  # which stamps carry no time of day: accepted, concluded
    plain: bool = False  # no chance corrections, late rows or blanks: what is planted here must be read as it is
    corrected_late: datetime | None = None  # a correction of its conclusion long after
    system: str = ""  # the department's system, where the item has none

    @property
    def accepted(self) -> datetime | None:
        """The recorded acceptance."""
        return next((at for state, at in self.decisions if state == "1"), None)

    @property
    def refused(self) -> datetime | None:
        """不予受理 or 不受理."""
        return next((at for state, at in self.decisions if state in ("2", "4")), None)

    @property
    def done(self) -> datetime | None:
        """When it was concluded with a pass."""
        return self.concluded if self.result in PASSED else None

    @property
    def end(self) -> datetime | None:
        """What ended it: conclusion, return or withdrawal."""
        return self.concluded or self.refused

    def moments(self) -> Iterator[datetime]:
        """Every event of the case that some system shows."""
        yield self.receipt
        for _, at in self.decisions:
            yield at
        for start, end in self.supplements:
            yield start
            if end:
                yield end
        for special in self.specials:
            yield special.start
            if special.end:
                yield special.end
        for step in self.steps:
            yield step.at
        if self.concluded:
            yield self.concluded
        if self.licence:
            yield datetime.combine(self.licence.day, time())


@dataclass(slots=True)
class Filing:
    """The filing or approval of a project with P1: its DG-401 or DG-402."""

    submitted: datetime
    finished: datetime | None
    state: str = "办结（通过）"
    withdrawn: datetime | None = None
    expires: date | None = None  # where it is not two years after it was finished
    invalid_from: datetime | None = None

    @property
    def done(self) -> datetime | None:
        return self.finished if self.state == "办结（通过）" else None


@dataclass
class Project:
    """An investment project as it is."""

    number: int
    code: str
    name: str
    company: str
    uscc: str
    legal: str
    town_code: str
    town: str
    office: str
    office_code: str
    address: str
    industry: str
    product: str
    splclx: str
    filing_type: str
    conditions: tuple[str, ...]
    planned: tuple[str, ...] | None
    fast: bool
    agent: str
    begins: int  # working day
    early: bool  # filed at once, else when the land is there
    build_days: int
    invest: float
    trade: str
    dialect: str = "3"  # D3: 2, 3, or 2>3 (migrated)
    site: Site | None = None
    expected: tuple[str, ...] = ()
    filing: Filing | None = None
    cases: list[Case] = field(default_factory=list)
    land_approval: date | None = None
    registered: dict[str, Licence] = field(default_factory=dict)  # documents of items whose cases stand nowhere
    planted: str = ""  # the name of what was planted in it
    m1_known: bool = True
    splclx_known: bool = True
    permit_quotes: dict[str, str] = field(default_factory=dict)  # quoted numbers that differ from the real ones
    changes: list[Change] = field(default_factory=list)  # change polygons beside those of ordinary building
    still: bool = False  # nothing is seen to be built

    def of(self, item: str) -> list[Case]:
        """Its cases of an item, by receipt."""
        return sorted((c for c in self.cases if c.item == item), key=lambda c: c.receipt)

    def done(self, item: str) -> datetime | None:
        """When the item was first done, by whatever stands for it."""
        times = [c.done for c in self.of(item) if c.done]
        if item in ("DG-401", "DG-402") and self.filing and self.filing.done:
            times.append(self.filing.done)
        if item == "DG-N-303" and self.land_approval:
            times.append(datetime.combine(self.land_approval, time()))
        if item in self.registered:
            times.append(datetime.combine(self.registered[item].day, time()))
        return min(times, default=None)

    def moments(self) -> list[datetime]:
        """Every event of the project that is no imagery and no reading, in order."""
        times = [at for case in self.cases for at in case.moments()]
        if self.filing:
            times += [at for at in (self.filing.submitted, self.filing.finished) if at]
        times += [datetime.combine(d.day, time()) for d in self.registered.values()]
        if self.land_approval:
            times.append(datetime.combine(self.land_approval, time()))
        return sorted(times)


@dataclass
class Site:
    """A project's land: the red line and its area in m²."""

    redline: Polygon
    parcel_code: str
    redline_code: str
    only_p2: bool = False  # the red line is known from its approval document alone

    @property
    def area(self) -> float:
        return round(self.redline.area, 2)


@dataclass(slots=True)
class Change:
    """A change polygon 变化图斑 as the analysts drew it; ``hsx`` as written, or empty."""

    code: str
    kind: str
    shape: BaseGeometry
    qsx: str
    hsx: str
    seen: date  # the day from which it is delivered
    town_code: str = ""


@dataclass
class Plant:
    """A planted defect or near miss. ``expects(now)`` gives the findings that must stand at ``now``."""

    project: Project
    expects: Callable[[datetime], list[dict[str, Any]]] = lambda now: []
    near: list[dict[str, Any]] = field(default_factory=list)
    stalls: bool = False  # it may be silent for long
    name: str = ""
