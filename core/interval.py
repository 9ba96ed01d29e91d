"""A schedule shorter than cron can say: ``every 15s``, ``every 2m``, ``every 1h``."""

from __future__ import annotations

import re
from datetime import timedelta

_EVERY = re.compile(r"every ([1-9][0-9]{0,4})([smh])")
_UNIT = {"s": 1, "m": 60, "h": 3600}
#: A run of Airflow is several tasks: asking more often than this would only load the source.
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(days=1)


def parse(text: str) -> timedelta | None:
    """The interval that a schedule names, or None: it does not begin with ``every`` and is for cron to judge.

    :raises ValueError: it begins so, but is no interval, or one shorter or longer than is allowed.
    """
    if not text.lstrip().lower().startswith("every"):
        return None
    if (found := _EVERY.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no interval: write every 15s, every 2m, every 1h")
    span = timedelta(seconds=int(found[1]) * _UNIT[found[2]])
    if not SHORTEST <= span <= LONGEST:
        raise ValueError(f"{text!r}: an interval is from 5 seconds to 24 hours")
    return span
