"""How often we may call a source: the quota it grants (``Source.quota``), kept over all tasks of a machine.

``1000/hour``, or several joined by ``;`` (``5/second; 1000/hour``). Units: second, minute, hour, day. Kept in a
small file under ``$ONEMAP_HOME/quota``, so that tasks, which are processes, share it; what the source itself counts
(HTTP 429, E-429) holds all the same.
"""

from __future__ import annotations

import re
import sqlite3
import time
from functools import lru_cache
from pathlib import Path

from pyrate_limiter import Duration, Limiter, Rate, SQLiteBucket

from core import settings
from core.errors import ConfigurationError, TransientError

_UNITS = {"second": Duration.SECOND, "minute": Duration.MINUTE, "hour": Duration.HOUR, "day": Duration.DAY}
_RATE = re.compile(r"\s*(\d+)\s*/\s*(second|minute|hour|day)\s*")


def rates(quota: str) -> list[Rate]:
    """``"5/second; 1000/hour"`` → rates, shortest first. :raises ConfigurationError: not of that form."""
    found = []
    for part in quota.split(";"):
        match = _RATE.fullmatch(part)
        if not match or not int(match[1]):
            raise ConfigurationError(
                f"quota {quota!r} is not of the form 1000/hour",
                remedy="write <calls>/<second|minute|hour|day>, several joined by ;",
                zh=f"调用频次 {quota!r} 写法有误，应为 1000/hour 之类，多个以分号分隔。",
                field="quota",
            )
        found.append(Rate(int(match[1]), _UNITS[match[2]]))
    return sorted(found, key=lambda rate: rate.interval)


class Quota:
    """Calls left to a source. :meth:`take` waits up to ``patience`` seconds, then says when to come back."""

    def __init__(self, source: str, quota: str | None) -> None:
        self.source = source
        self._limiter = _limiter(str(settings.home() / "quota"), source, quota) if quota else None

    def take(self, patience: float) -> None:
        """One call. :raises TransientError: none will be free within ``patience`` seconds."""
        if self._limiter is None:
            return
        deadline = time.monotonic() + patience
        while True:
            try:
                if self._limiter.try_acquire(self.source, timeout=max(0.0, deadline - time.monotonic())):
                    return
                break
            except sqlite3.OperationalError:  # another process holds the file for a moment
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        raise TransientError(
            "our quota of calls at this source is used up",
            retry_after=max(60.0, patience),
            remedy="wait, or have the source grant more calls and raise quota in its declaration",
            zh="对该数源的调用频次已用完，将稍后重试；如需提高，请与数源部门商定后修改声明中的 quota。",
            source=self.source,
            code="quota",
        )


@lru_cache(maxsize=64)
def _limiter(folder: str, source: str, quota: str) -> Limiter:
    Path(folder).mkdir(parents=True, exist_ok=True)
    file = str(Path(folder) / f"{source}.sqlite")
    return Limiter(SQLiteBucket.init_from_file(rates(quota), db_path=file, use_file_lock=True))
