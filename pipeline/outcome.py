"""What a run of the pipeline leaves behind, as data: the same for DAGs, command line and pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from core.errors import (
    AuthenticationError,
    ConfigurationError,
    Fault,
    InternalError,
    OneMapError,
    ProviderError,
    TransientError,
)

_BY_FAULT: dict[Fault, type[OneMapError]] = {
    kind.fault: kind for kind in (ConfigurationError, AuthenticationError, TransientError, ProviderError, InternalError)
}


@dataclass(slots=True)
class Counts:
    """Where the rows that came in went (docs/architecture.md, "Counting")."""

    rows_in: int = 0
    new: int = 0
    changed: int = 0
    history: int = 0
    unchanged: int = 0
    quarantined: int = 0
    tombstoned: int = 0
    absent: int = 0  # deletions by proven absence: they did not come in

    @property
    def balanced(self) -> bool:
        """In = stored + unchanged + quarantined + tombstoned."""
        return self.rows_in == (
            self.new + self.changed + self.history + self.unchanged + self.quarantined + self.tombstoned
        )

    @property
    def gone(self) -> int:
        """Records taken away: by word of the source, or because listing or part no longer has them."""
        return self.tombstoned + self.absent


@dataclass(slots=True)
class Outcome:
    """One try at one (feed, window). ``outcome``: ok, failed, held (a gate waits for a person), waiting."""

    run_id: int
    feed: str
    window: str
    outcome: str
    counts: Counts = field(default_factory=Counts)
    fault: str | None = None
    error: str | None = None
    remedy: str | None = None
    zh: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def as_error(self) -> OneMapError:
        """The failure as an exception, whose class is by whose fault; for callers that live by exceptions."""
        return _BY_FAULT[Fault(self.fault or "ours")](
            self.error or self.outcome, remedy=self.remedy or "", zh=self.zh or "", feed=self.feed
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, small: this is what an Airflow task returns."""
        data = asdict(self)
        for name in ("started_at", "ended_at"):
            data[name] = data[name].isoformat() if data[name] else None
        data["balanced"] = self.counts.balanced
        return data


@dataclass(slots=True)
class Task:
    """One (feed, window) to be read, small enough for XCom. ``window`` as :meth:`connectors.base.Window` fields."""

    feed: str
    start: str | None
    end: str | None
    full: bool
    label: str  # readable map index: "m2.sb full"
