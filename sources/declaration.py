"""The model of ``sources/*.yaml``: owner, connection, protocol, feeds, cursor, schedule, promise, proof.

A declaration says only what differs. Its JSON Schema is published as ``schemas/source.schema.json``; errors name
file and line (see :mod:`core.declared`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core import interval

_ID = r"^[a-z][a-z0-9_]{0,39}$"  # part of DAG ids, pools, file names and keys of the store
_NO_TIME = timedelta(0)
#: The key of a feed whose rows nobody has seen yet: ``onemap source new`` writes it with the mark ``# ?``.
UNDECIDED = "?"


def _cron(text: str) -> str:
    """Five fields, as Airflow's CronTriggerTimetable takes them."""
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(f"{text!r} is no cron of five fields: minute hour day month weekday")
    try:
        croniter(text).get_next()
    except CroniterBadDateError:
        raise ValueError(f"{text!r} names no day that there is") from None
    return text


def _schedule(text: str) -> str:
    """An interval (``every 15s``) or a cron of five fields."""
    return text if interval.parse(text) is not None else _cron(text)


def _duration(value: Any) -> Any:
    """Durations say their unit: PT20M, P1D. A bare number would be read as seconds."""
    if isinstance(value, int | float) or (isinstance(value, str) and not value.strip().lstrip("-").startswith("P")):
        raise ValueError(f"{value!r} is no duration: write PT20M, PT3H, P1D")
    return value


def _positive(span: timedelta) -> timedelta:
    if span <= _NO_TIME:
        raise ValueError("must be longer than nothing")
    return span


def _not_negative(span: timedelta) -> timedelta:
    if span < _NO_TIME:
        raise ValueError("must not be negative")
    return span


def _distinct(names: list[str]) -> list[str]:
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("names a column twice")
    if not all(name.strip() for name in names):
        raise ValueError("names a column without a name")
    return names


Cron = Annotated[str, AfterValidator(_cron)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Span = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
Wait = Annotated[Span, Field(le=timedelta(days=1))]
Promise = Annotated[Span, Field(le=timedelta(days=3660))]
Lag = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_not_negative)]
Columns = Annotated[list[str], AfterValidator(_distinct)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(_Strict):
    """Who answers for the source (数源部门)."""

    department: str = Field(min_length=1)
    contact: str = Field("", description="Office and telephone of duty, no person's data")


class WindowCursor(_Strict):
    """Rows carry an increment time; half-open windows of it are read."""

    kind: Literal["window"]
    column: str = Field(min_length=1, description="The raw column that the source filters by")
    lag: Lag = Field(
        timedelta(minutes=10),
        description="Rows may become visible that late, and our clock may differ: the last lag is read again",
    )
    span: Span | None = Field(None, description="Longest window of one fetch; none: one window to the run's start")


class FullCursor(_Strict):
    """The whole listing each time; what is absent from a complete one is gone."""

    kind: Literal["full"]


class FilesCursor(_Strict):
    """Files of a listing, a Singer tap: what was taken is kept in the feed's state."""

    kind: Literal["files"]


class DaysCursor(_Strict):
    """Whole local days, complete at ``closes`` of the next, late rows for ``late``."""

    kind: Literal["days"]
    closes: Lag = timedelta(hours=2)
    late: Lag = timedelta(days=7)
    first: Span = Field(timedelta(days=30), description="How far back the first sync reads")
    span: Span = Field(timedelta(days=1), description="Longest window of one fetch, in whole days")


class StreamCursor(_Strict):
    """Messages that the source keeps for us (a persistent session)."""

    kind: Literal["stream"]


Cursor = Annotated[WindowCursor | FullCursor | FilesCursor | DaysCursor | StreamCursor, Field(discriminator="kind")]


class Rhythm(_Strict):
    """When data usually arrive: what is known of it before there is a history to learn from."""

    usual: str = Field("", description="In words, for people: 每个工作日数十条")
    longest: Annotated[int, Field(ge=1, le=3660)] | Literal["any"] | None = Field(
        None,
        description="Working days without new data that are still normal, until a history is there to learn from; "
        "any: no silence is unusual (a list that changes once a year), so that one is found by its source's or by witnesses alone",
    )
    time: list[str] = Field(
        default_factory=list,
        description="entity.column of when a row speaks, where the increment does not say it; scope: the stamp in the name of "
        "the part that is sent; none: the increment, else when it is received",
    )
    delay: Lag | None = Field(
        None, description="How long after that time a row may become visible at the source; default: the cursor's lag"
    )
    surprise: Literal["tell", "hold"] = Field(
        "tell", description="A batch unlike those before it: an issue, or it also waits for a person"
    )


class Feed(_Strict):
    """One kind of record of a source."""

    id: str = Field("", description="<source>.<name>; set by the loader")
    name: str = Field(min_length=1, description="Chinese name, for people")
    mapping: str = Field(pattern=r"^\w[\w-]*([./]\w[\w-]*)*$", description="Path under mappings/, without .yaml")
    cursor: Cursor
    key: Columns = Field(min_length=1, description="Raw columns that name a record at the source")
    absence: bool = Field(False, description="A complete full listing proves that what is not in it is gone")
    reconcile: bool = Field(True, description="Counts and keys are compared with the source on schedule")
    options: dict[str, Any] = Field(default_factory=dict, description="Of the protocol: sources/options")
    contract: Literal["auto"] | None = Field(
        None,
        description="auto: the raw columns and their types are taken from the live source and pinned (onemap source pin); "
        "default: schemas/feeds.yaml, else the columns that the mapping names",
    )
    drift: Literal["adapt", "hold", "stop"] = Field(
        "adapt",
        description="Columns that are new, vanished or renamed: adapt tells and goes on; hold stores nothing of the batch "
        "until a person lets these changes in (onemap hold) or the mapping says what they are; stop fails until the mapping does",
    )
    rhythm: Rhythm = Field(default_factory=Rhythm, description="When its data usually arrive")
    floor: int = Field(0, ge=0, description="Fewer rows than this in a full listing stop the batch")
    max_rejected: Share = Field(0.2, description="A larger share of rejected rows stops the batch")
    max_deleted: Share = Field(0.1, description="A larger share of deletions waits for a person")

    @model_validator(mode="after")
    def _absence_is_proven(self) -> Feed:
        if self.absence and self.cursor.kind != "full":
            raise ValueError("absence: true needs cursor kind full: only a complete listing proves what is gone")
        return self

    @property
    def delay(self) -> timedelta:
        """How long after the time that a row speaks of it may become visible at the source."""
        if self.rhythm.delay is not None:
            return self.rhythm.delay
        if isinstance(self.cursor, WindowCursor):
            return self.cursor.lag
        return self.cursor.late if isinstance(self.cursor, DaysCursor) else _NO_TIME


class Source(_Strict):
    """One source system."""

    source: str = Field(pattern=_ID, description="Id, the file's name")
    name: str = Field(min_length=1, description="Chinese name, for people")
    system: Literal["省一网共享平台", "市一体化政务服务平台", "部门审批系统", "空天地系统"]
    owner: Owner
    connection: str = Field(pattern=r"^[\w.-]+$", description="Airflow Connection id")
    protocol: str = Field(description="A connector of connectors/__init__.py")
    schedule: Schedule = Field(
        description="Cron, Asia/Shanghai; or an interval from 5 seconds to 24 hours: every 15s, every 2m, every 1h. "
        "A reading that takes longer is not asked again meanwhile"
    )
    promise: Promise = Field(description="Freshness: the age that no feed may exceed")
    reconcile: Cron | None = Field("30 3 * * 6", description="Cron of the reconciliation; null: never")
    quota: str | None = Field(
        None,
        pattern=r"^\s*[1-9]\d*\s*/\s*(second|minute|hour|day)\s*(;\s*[1-9]\d*\s*/\s*(second|minute|hour|day)\s*)*$",
        description="Calls that the source grants us, e.g. 1000/hour, several joined by ;",
    )
    timeout: Wait = timedelta(seconds=60)
    parallel: int = Field(2, ge=1, le=64, description="Slots of the source's Airflow pool")
    options: dict[str, Any] = Field(default_factory=dict, description="Of the protocol: sources/options")
    feeds: dict[Annotated[str, Field(pattern=_ID)], Feed]
