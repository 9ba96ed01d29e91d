"""Who is told of what, and when: ``serving/alerts/routes.yaml``, or the file that ``ONEMAP_ALERT_ROUTES`` names. Addresses and
secrets stand in Airflow Connections."""

from __future__ import annotations

import os
from datetime import datetime, time
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core import declared, settings
from serving.alerts.detect import KINDS

FILE = settings.ROOT / "serving" / "alerts" / "routes.yaml"


class _Recipient(BaseModel):
    """A channel, and the hours in which it may be used; what comes outside of them waits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    channel: str = Field(description="id of the Airflow Connection: mail, wecom, dingtalk, feishu or webhook")
    hours: str | None = Field(None, pattern=r"^\d{2}:\d{2}-\d{2}:\d{2}$", description="08:00-20:00, the city's time")
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(default_factory=list, description="1 is Monday")

    def awake(self, now: datetime) -> bool:
        """Whether it may be reported at that time of the city."""
        if self.weekdays and now.isoweekday() not in self.weekdays:
            return False
        if self.hours is None:
            return True
        begin, end = (time.fromisoformat(text) for text in self.hours.split("-"))
        return begin <= now.time() < end if begin <= end else now.time() >= begin or now.time() < end


class Route(_Recipient):
    """One recipient: what it is told of (empty: all)."""

    kinds: list[str] = Field(default_factory=list, description=", ".join(KINDS))
    sources: list[str] = Field(default_factory=list, description="ids of sources, * stands for any text")
    severity: Annotated[int, Field(ge=1, le=3)] = 1

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"no kind {', '.join(unknown)}; one of {', '.join(KINDS)}")
        return kinds

    def takes(self, incident: dict[str, Any]) -> bool:
        """Whether it is told of such an incident."""
        return (
            incident["severity"] >= self.severity
            and (not self.kinds or incident["kind"] in self.kinds)
            and (not self.sources or any(fnmatch(incident["source"] or "", pattern) for pattern in self.sources))
        )


class ReminderRoute(_Recipient):
    """A channel for reminders before it is late: to whom (``told``; empty: all three) of which names (empty: all)."""

    told: list[Literal["agent", "enterprise", "department"]] = Field(default_factory=list)
    names: list[str] = Field(
        default_factory=list,
        description="agent, social credit code or department as the reminder has it; * stands for any text",
    )

    def takes(self, reminder: dict[str, Any]) -> bool:
        """Whether it is for such a reminder."""
        return (not self.told or reminder["told"] in self.told) and (
            not self.names or any(fnmatch(reminder["name"], pattern) for pattern in self.names)
        )


class Routes(BaseModel):
    """``repeat_hours``: after which an incident that lasts is told again; ``reminders``: routes of what is told before it is late."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeat_hours: Annotated[float, Field(gt=0)] = 4
    routes: list[Route] = Field(default_factory=list)
    reminders: list[ReminderRoute] = Field(default_factory=list, description="the first that takes a reminder sends it")


def load() -> Routes:
    """:raises ConfigurationError: something in the file is wrong, with its line."""
    return declared.load(Path(os.environ.get("ONEMAP_ALERT_ROUTES") or FILE), Routes)
