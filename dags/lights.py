"""How the health of feeds is shown to people: words, tones, order. Used by page and command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.health import FeedHealth


@dataclass(frozen=True, slots=True)
class Light:
    """How a state is shown: words first, colour second."""

    zh: str
    en: str
    tone: str


LIGHTS = {  # trouble first
    "failing": Light("故障", "failing", "bad"),
    "held": Light("待人工", "held", "warn"),
    "silent": Light("静默", "silent", "bad"),
    "late": Light("超期", "late", "warn"),
    "never": Light("未同步", "never read", "idle"),
    "ok": Light("正常", "ok", "good"),
}
_ORDER = list(LIGHTS)


def ordered(feeds: list[FeedHealth]) -> list[FeedHealth]:
    """Trouble first; within it what fails longest, or is furthest behind its promise."""
    return sorted(feeds, key=lambda f: (_ORDER.index(f.light), -f.failures, -f.behind, f.feed))
