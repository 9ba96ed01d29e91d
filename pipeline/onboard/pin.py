"""``contract: auto``: a feed's contract taken from its live source, with types, and pinned in a file until a person pins it anew.

The file stands at ``schemas/contracts/pinned/<feed>.yaml`` (:data:`schemas.raw.PINNED`); what a source sends then is held
against it as against any contract: unknown, vanished and renamed columns, and values of another type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mappings import paths
from pipeline.onboard import write
from pipeline.onboard.profile import ColumnProfile, Profile
from schemas import raw


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file that was written, and what it says otherwise than the one before: in words, [] where nothing."""

    path: Path
    changes: list[str]


def pin(profile: Profile, key: list[str], time: str | None, *, day: str) -> Pinned:
    """Write a feed's contract as its sample has it."""
    path = raw.PINNED / f"{profile.feed}.yaml"
    before = raw.pinned(profile.feed)
    columns = {
        name: c
        for name, c in profile.columns.items()
        if paths.base(name) == name or paths.base(name) not in profile.columns
    }
    lines = [
        f"# 依据数源当前 {profile.rows} 行样本固定于 {day}（contract: auto）。数源改版后先看 onemap source drift，再以 onemap source pin 重新固定。",
        f"feed: {profile.feed}",
        f"key: {write.flow(key)}",
        *([f"time: {write.flow(time)}"] if time else []),
        "columns:",
    ]
    for name, column in columns.items():
        given: dict[str, object] = {"type": of(column)}
        if column.label:
            given["zh"] = column.label
        if column.filled == profile.rows:
            given["required"] = True
        lines.append(f"  {write.flow(name)}: {write.flow(given)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    raw.pinned.cache_clear()
    return Pinned(path, _changes(before, {name: of(column) for name, column in columns.items()}))


def of(column: ColumnProfile) -> str:
    """The raw type of a column, by its values: text unless all that were looked at are of one narrower."""
    if not column.filled:
        return "text"
    for kind in ("geometry", "json", "time", "number"):
        if column.share(kind) == 1 and not (kind == "time" and not column.formats):
            return kind
    return "text"


def _changes(before: raw.RawContract | None, now: dict[str, str]) -> list[str]:
    if before is None:
        return []
    old = {name: column.type for name, column in before.columns.items()}
    return [
        *(f"新增列 {name}（{now[name]}）" for name in now if name not in old),
        *(f"不再有 {name}" for name in old if name not in now),
        *(f"{name}：{old[name]} → {now[name]}" for name in now if name in old and old[name] != now[name]),
    ]
