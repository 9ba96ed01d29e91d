"""The list of issue codes, ``quality/issues.yaml``: severity, whose duty, what it is and what to do, in both languages."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core import declared
from core.settings import ROOT

LIST = ROOT / "quality" / "issues.yaml"
Duty = Literal["provider", "ours", "operations"]
DUTY_ZH: dict[str, str] = {"provider": "数源部门", "ours": "本系统", "operations": "运维"}
SEVERITY_ZH: dict[str, str] = {"error": "错误", "warning": "警告", "info": "提示"}


class Entry(BaseModel):
    """What is known of a code. ``{…}`` holds nothing to fill in: texts stand for themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Literal["error", "warning", "info"]
    duty: Duty
    zh: str = Field(description="Title in Chinese")
    en: str = Field(description="Title in English")
    remedy_zh: str
    remedy: str


@cache
def load_all() -> dict[str, Entry]:
    """Code → entry. :raises ConfigurationError: the list is wrong, with file and line."""
    document = declared.read(LIST)
    nested = document.under("codes")
    return declared.build(nested, _List).codes


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    codes: dict[str, Entry]


def find(code: str) -> Entry | None:
    """The entry of a code; ``http_503`` is one of ``http_*``."""
    listed = load_all()
    if code in listed:
        return listed[code]
    for pattern, entry in listed.items():
        if pattern.endswith("*") and code.startswith(pattern[:-1]):
            return entry
    return None


def explained(reason: dict[str, Any]) -> dict[str, Any]:
    """A reason of the quarantine, or an issue, with title, duty and remedy in both languages; unknown codes as they are."""
    entry = find(str(reason.get("code") or ""))
    if entry is None:
        return dict(reason)
    return {
        **reason,
        "title": entry.en,
        "title_zh": entry.zh,
        "duty": entry.duty,
        "duty_zh": DUTY_ZH[entry.duty],
        "remedy": entry.remedy,
        "remedy_zh": entry.remedy_zh,
    }
