"""The one clock that the hub plans windows and judges days by: Asia/Shanghai, without a zone on values.

A simulated world (``standins``) may run ahead of the wall: ``ONEMAP_CLOCK_FILE`` names a file with its offset in
seconds. Without it, as in production, this is the wall clock. Signatures and tokens never use this clock.
"""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def offset() -> timedelta:
    """How far the simulated world runs ahead of the wall clock."""
    name = os.environ.get("ONEMAP_CLOCK_FILE")
    if not name:
        return timedelta()
    try:
        return timedelta(seconds=float(Path(name).read_text() or 0))
    except FileNotFoundError:
        return timedelta()


def now() -> datetime:
    """Local time of the city, naive, to the second."""
    return (datetime.now(SHANGHAI) + offset()).replace(tzinfo=None, microsecond=0)


def today() -> date:
    """The city's date."""
    return now().date()
