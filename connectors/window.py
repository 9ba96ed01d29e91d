"""The part of a feed that one run reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open interval [start, end) of a feed's increment, local time; an open bound is None.

    ``full``: everything that the source has; what is not in it is gone. Only a full window proves absence.
    """

    start: datetime | None = None
    end: datetime | None = None
    full: bool = False

    def __str__(self) -> str:
        return "full" if self.full else f"{self.start or '…'} .. {self.end or '…'}"
