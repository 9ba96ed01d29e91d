"""A source that changed its shape: columns new, vanished, widened or renamed, and new codes; with a patch to the mapping.

Seen on rows as they come, against the mapping and what the feed's records had before.
"""

from __future__ import annotations

from collections.abc import Mapping as Values
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import pyarrow as pa

from mappings import paths
from mappings.cleaning import fold_name
from mappings.language import REST
from mappings.mapping import Mapping
from pipeline.onboard import candidates, write
from pipeline.onboard.knowledge import Knowledge, gather
from pipeline.onboard.profile import ColumnProfile, profile

Kind = Literal["new", "vanished", "renamed", "widened", "type", "code"]
ZH = {
    "new": "新增列",
    "vanished": "消失的列",
    "renamed": "改名",
    "widened": "变宽",
    "type": "类型变化",
    "code": "新代码",
}
LEAST = 20  # rows without a column before its absence says something: a column may be empty in a few
_WIDER = 1.5


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``column``: the raw column as it is or was; ``to`` the new name; ``patch``: lines for the mapping."""

    kind: Kind
    column: str
    detail: str
    patch: str
    to: str | None = None

    @property
    def zh(self) -> str:
        return f"{ZH[self.kind]}：{self.column}" + (f" → {self.to}" if self.to else "")


def find(mapping: Mapping, rows: pa.Table, before: Values[str, ColumnProfile] | None = None) -> list[Change]:
    """What differs between rows and mapping. ``before``: the profile of records that the hub has already, where it has some:
    only a column that had values can vanish, and only what was narrower is wider now.
    """
    if not rows.num_rows:
        return []
    now = profile(mapping.feed, rows)
    there = {fold_name(name): name for name in now.columns if "." not in name or name in rows.column_names}
    known = {fold_name(name): name for name in mapping.contract.columns}
    new = [name for folded, name in there.items() if folded not in known and not name.startswith("_")]
    if mapping.declaration.ignore == REST:
        new = [name for name in new if now.columns[name].filled]
    used = {fold_name(paths.base(name)) for name in mapping.declaration.columns} | {
        fold_name(name) for name in mapping.declaration.columns
    }
    gone = [
        name
        for folded, name in known.items()
        if folded in used
        and (folded not in there or not now.columns[there[folded]].filled)
        and now.rows >= LEAST
        and (before is None or (name in before and before[name].filled >= 0.5 * before[name].rows))
    ]
    changes: list[Change] = []
    for name in gone:
        heir = _heir(name, new, now.columns, (before or {}).get(name))
        if heir is not None:
            new.remove(heir)
            changes.append(
                Change("renamed", name, f"{now.rows} 行中没有 {name}，而有 {heir}", _renamed(mapping, name, heir), heir)
            )
        else:
            changes.append(
                Change("vanished", name, f"{now.rows} 行中都没有值", f"# {name}: 数源不再提供，改用他列或去掉")
            )
    if mapping.declaration.ignore != REST or before is not None:
        knowledge = gather() if new else Knowledge()
        changes += [_new(mapping, name, now.columns[name], knowledge) for name in new]
    for name, column in now.columns.items():
        old = (before or {}).get(name)
        if old is not None and old.filled and column.longest > max(_WIDER * old.longest, old.longest + 20):
            changes.append(
                Change("widened", name, f"最长 {old.longest} → {column.longest} 字符", f"# {name}: 核对长度限制")
            )
    changes += types(mapping, now.columns)
    changes += _codes(mapping, rows)
    return changes


def types(mapping: Mapping, columns: Values[str, ColumnProfile]) -> list[Change]:
    """Columns of a pinned contract some of whose values are of another type than it says."""
    found = []
    for name, column in columns.items():
        given = mapping.contract.columns.get(name)
        wanted = given.type if given else None
        if wanted and wanted != "text" and column.filled and (share := column.share(wanted)) < 1:
            found.append(
                Change(
                    "type",
                    name,
                    f"约定为 {wanted}，{1 - share:.1%} 的值不是",
                    f"# {name}: 请数源核对；确已改版的，onemap source pin {mapping.feed.partition('.')[0]}",
                )
            )
    return found


def _heir(name: str, new: list[str], columns: Values[str, ColumnProfile], old: ColumnProfile | None) -> str | None:
    """The new column that is the vanished one by another name: alike in name, or in its values where these are known."""
    scored = []
    for candidate in new:
        score = SequenceMatcher(None, fold_name(name), fold_name(candidate)).ratio()
        if old is not None and old.values:
            values = {value for value, _ in old.values}
            shared = len(values & {value for value, _ in columns[candidate].values}) / len(values)
            score = max(score, 0.5 + shared / 2 if old.few and shared > 0.5 else score)
            if old.kind != columns[candidate].kind:
                score *= 0.6
        scored.append((score, candidate))
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] >= 0.7 else None


def _renamed(mapping: Mapping, name: str, heir: str) -> str:
    """Both names: rows of the archive have the old one."""
    lines = []
    for block in mapping.declaration.entities:
        lines += [
            f"{block.entity}.{column}: {{first_of: [{write.flow(heir)}, {write.flow(name)}]}}"
            for column, value in block.columns.items()
            if name in value.columns
        ]
    return "\n".join(lines) or f"key/time: {{first_of: [{write.flow(heir)}, {write.flow(name)}]}}"


def _new(mapping: Mapping, name: str, column: ColumnProfile, knowledge: Knowledge) -> Change:
    guess = candidates.best(column, list(mapping.targets), knowledge)
    patch = f"ignore: + {write.flow(name)}"
    if guess is not None:
        patch = f"{guess[0]}.{guess[1]}: {write.flow(name)}   # ? {guess[2]}\n# 或 {patch}"
    return Change("new", name, f"{column.filled}/{column.rows} 行有值，{column.kind}", patch)


def _codes(mapping: Mapping, rows: pa.Table) -> list[Change]:
    found: dict[str, list[tuple[str, int]]] = {}
    for issue in mapping.apply(rows).issues:
        if issue.code == "unknown_code" and issue.value is not None:
            found.setdefault(issue.field, []).append((issue.value, issue.count))
    return [
        Change(
            "code",
            field,
            "、".join(f"{value} ×{count}" for value, count in values[:10]),
            "\n".join(f"{write.flow(value)}: null   # ? {field} 的含义" for value, _ in values[:10]),
        )
        for field, values in found.items()
    ]
