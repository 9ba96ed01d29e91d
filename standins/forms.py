"""The forms in which values really arrive: one meaning, several spellings, always the same one for the same row.

Nothing here changes what a value means (source-systems.md, "Common to all"): numbers as strings, nulls as "" or
absent, times in another layout, trailing blanks, full-width letters and digits. Which form a row takes depends on
a hash of its key alone, so that two answers about one row are equal byte for byte.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
EXCEL_EPOCH = datetime(1899, 12, 30)  # day 0 of the 1900 system, as every reader has it

_PLAIN = re.compile(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$")
_MONTH = re.compile(r"^(\d{4})-?(\d{2})$")
_DAY = re.compile(r"^(\d{4})(\d{2})(\d{2})$")
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def dice(*parts: Any) -> int:
    """A number of 32 bits that depends on the parts alone."""
    return zlib.crc32("|".join(map(str, parts)).encode())


def when(value: Any) -> datetime | None:
    """Local time of a value in any form of source-systems.md; None where it is none (empty, zero date, other text)."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float):
        return _number(float(value))
    text = str(value).strip().lstrip("\ufeff")
    if len(text) == 19 and text[4] == "-":  # the usual form, much faster
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    try:
        if found := _PLAIN.match(text):
            return datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]  # six parts, no zone
        if found := _MONTH.match(text):
            return datetime(int(found[1]), int(found[2]), 1)
        if found := _DAY.match(text):
            return datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # the same
        if "T" in text:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return moment.astimezone(SHANGHAI).replace(tzinfo=None) if moment.tzinfo else moment
        return _number(float(text))
    except ValueError:
        return None


def _number(value: float) -> datetime | None:
    if value > 1e11:  # Unix time in ms
        return datetime.fromtimestamp(value / 1000, SHANGHAI).replace(tzinfo=None)
    if 1 <= value < 200_000:  # a serial of the 1900 system
        return EXCEL_EPOCH + timedelta(seconds=round(value * 86_400))
    return None


def stamp(moment: datetime) -> str:
    """yyyy-MM-dd HH:mm:ss"""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC of a local time."""
    return moment.replace(tzinfo=SHANGHAI).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def serial(moment: datetime | date) -> float:
    """Days of the 1900 system."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment - EXCEL_EPOCH) / timedelta(days=1)


def full_width(text: str) -> str:
    """Letters, digits and marks of ASCII in their full-width forms."""
    return text.translate(_FULL_WIDTH)


def content(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without what is about delivery."""
    return {name: value for name, value in row.items() if name[0] != "_"}


class Dress:
    """How one feed writes its rows. ``texts`` and ``times`` may change their form, ``numbers`` come as string or
    number, and whatever is empty as null, "" or not at all; keys are left alone.
    """

    def __init__(
        self,
        key: str,
        *,
        texts: Iterable[str] = (),
        times: Iterable[str] = (),
        numbers: Iterable[str] = (),
        keep: Iterable[str] = (),
    ) -> None:
        self.key = key
        self.texts = frozenset(texts)
        self.times = frozenset(times)
        self.numbers = frozenset(numbers)
        self.keep = frozenset({key, *keep})

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        fate = dice(row.get(self.key))
        dressed: dict[str, Any] = {}
        for place, (name, value) in enumerate(row.items()):
            if name[0] == "_":
                continue
            if name in self.keep:
                dressed[name] = value
                continue
            roll = (fate >> (place % 16)) % 16
            if value is None or value == "":
                if roll < 5:
                    dressed[name] = ""
                elif roll < 10:
                    dressed[name] = None
                continue  # else absent
            dressed[name] = self._form(name, value, roll)
        return dressed

    def _form(self, name: str, value: Any, roll: int) -> Any:
        if name in self.numbers:
            if roll % 2 and not isinstance(value, str):
                return f"{value}"
        elif name in self.times and isinstance(value, str) and len(value) == 19:
            if roll == 3:
                return value.replace("-", "/")
            if roll == 7:
                return value + ".0"
        elif name in self.texts and isinstance(value, str):
            if roll == 1:
                return value + "  "
            if roll == 5:
                return full_width(value)
            if roll == 11:
                return "\ufeff" + value
        return value


PLAIN = Dress("")
