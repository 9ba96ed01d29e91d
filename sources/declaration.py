"""The model of ``sources/*.yaml``: owner, connection, protocol, feeds, cursor, schedule, promise, proof.

A declaration says only what differs. Its JSON Schema is published as ``schemas/source.schema.json``; errors name
file and line (see :mod:`core.declared`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(_Strict):
    """Who answers for the source (数源部门)."""

    department: str
    contact: str = Field("", description="Office and telephone of duty, no person's data")


class WindowCursor(_Strict):
    """Rows carry an increment time; half-open windows of it are read."""

    kind: Literal["window"]
    column: str = Field(description="The raw column that the source filters by")
    lag: timedelta = Field(
        timedelta(minutes=10),
        description="Rows may become visible that late, and our clock may differ: the last lag is read again",
    )
    span: timedelta | None = Field(None, description="Longest window of one fetch; none: one window to the run's start")


class FullCursor(_Strict):
    """The whole listing each time; what is absent from a complete one is gone."""

    kind: Literal["full"]


class FilesCursor(_Strict):
    """Files of a listing; what was taken is kept in the feed's state."""

    kind: Literal["files"]


class DaysCursor(_Strict):
    """Whole local days, complete at ``closes`` of the next, late rows for ``late``."""

    kind: Literal["days"]
    closes: timedelta = timedelta(hours=2)
    late: timedelta = timedelta(days=7)
    first: timedelta = Field(timedelta(days=30), description="How far back the first sync reads")
    span: timedelta = Field(timedelta(days=1), description="Longest window of one fetch, in whole days")


class StreamCursor(_Strict):
    """Messages that the source keeps for us (a persistent session)."""

    kind: Literal["stream"]


Cursor = Annotated[WindowCursor | FullCursor | FilesCursor | DaysCursor | StreamCursor, Field(discriminator="kind")]


class Feed(_Strict):
    """One kind of record of a source."""

    id: str = Field("", description="<source>.<name>; set by the loader")
    name: str = Field(description="Chinese name, for people")
    mapping: str = Field(description="Path under mappings/, without .yaml")
    cursor: Cursor
    key: list[str] = Field(description="Raw columns that name a record at the source")
    absence: bool = Field(False, description="A complete full listing proves that what is not in it is gone")
    reconcile: bool = Field(True, description="Counts and keys are compared with the source on schedule")
    options: dict[str, Any] = Field(default_factory=dict, description="Of the protocol; each connector checks its own")
    floor: int = Field(0, description="Fewer rows than this in a full listing stop the batch")
    max_rejected: float = Field(0.2, description="A larger share of rejected rows stops the batch")
    max_deleted: float = Field(0.1, description="A larger share of deletions waits for a person")


class Source(_Strict):
    """One source system."""

    source: str = Field(description="Id, the file's name")
    name: str = Field(description="Chinese name, for people")
    system: Literal["省一网共享平台", "市一体化政务服务平台", "部门审批系统", "空天地系统"]
    owner: Owner
    connection: str = Field(description="Airflow Connection id")
    protocol: str = Field(description="A connector of connectors/__init__.py")
    schedule: str = Field(description="Cron, Asia/Shanghai")
    promise: timedelta = Field(description="Freshness: the age that no feed may exceed")
    reconcile: str | None = Field("30 3 * * 6", description="Cron of the reconciliation; null: never")
    quota: str | None = Field(None, description="Calls that the source grants us, e.g. 1000/hour")
    timeout: timedelta = timedelta(seconds=60)
    parallel: int = Field(2, description="Slots of the source's Airflow pool")
    options: dict[str, Any] = Field(default_factory=dict)
    feeds: dict[str, Feed]
