"""Which columns of the common model a raw column may be: every trace that speaks for one, weighed.

A trace is a precedent (another feed's mapping reads a column of this name), the name itself, its initials (BJBMMC),
a name that is like it, or what the values are. The weights are those that placed the hub's own feeds best when each was
drafted with itself hidden (``python -m bench.drafts``).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from pipeline.onboard.knowledge import Knowledge, Named
from pipeline.onboard.profile import ColumnProfile
from schemas import aliases, codes, entities
from schemas.entities import Column

_CREDIT_CODES = {"uscc", "applicant_uscc", "applicant_id", "holder_code"}
_REASONS = 3  # that a person is shown of one guess


@dataclass(frozen=True)
class Candidate:
    """A column of an entity that the raw one may be. ``score`` 0 to 1; ``fits``: the values can be it; ``value``: how the
    precedents read it, as the YAML has it."""

    entity: str
    column: str
    score: float
    reasons: tuple[str, ...]
    fits: bool
    value: Any = None


class _Trace(NamedTuple):
    entity: str
    column: str
    score: float
    why: str
    value: Any = None


def of(column: ColumnProfile, known: Knowledge) -> list[Candidate]:
    """Every candidate, the likeliest first; one whose values cannot be it counts a third."""
    found = []
    for (entity, target), (score, reasons, value) in _weighed(_traces(column, known)).items():
        fits, doubts = _fits(column, entities.load(entity).columns[target])
        if doubts:
            reasons = [*reasons, doubts]
        found.append(Candidate(entity, target, score if fits else score * 0.3, tuple(reasons), fits, value))
    return sorted(found, key=lambda c: -c.score)


def best(column: ColumnProfile, among: list[str], known: Knowledge) -> tuple[str, str, str] | None:
    """(entity, column, reason) that a raw column is likeliest, among some entities; None where nothing speaks for one."""
    found = [one for one in of(column, known) if one.entity in among and one.fits and one.score >= 0.6]
    return (found[0].entity, found[0].column, "；".join(found[0].reasons)) if found else None


def _weighed(traces: Iterator[_Trace]) -> dict[tuple[str, str], tuple[float, list[str], Any]]:
    """(entity, column) → the score of its strongest trace, the reasons with that one's first, how it is read."""
    gathered: dict[tuple[str, str], tuple[float, list[str], Any]] = {}
    for entity, target, score, why, value in traces:
        before = gathered.get((entity, target))
        if before is None or score > before[0]:
            gathered[entity, target] = (score, [why, *(before[1] if before else [])], value or (before and before[2]))
        elif why not in before[1] and len(before[1]) < _REASONS:
            before[1].append(why)
    return gathered


def _traces(column: ColumnProfile, known: Knowledge) -> Iterator[_Trace]:
    name = _plain(column.name)
    folded = aliases.fold(name)
    yield from _precedents(folded, known)
    yield from _names(name, column.label, known)
    if name.isascii():
        yield from _initials(folded, known)
        yield from _similar_words(name, folded, known)
    else:
        yield from _similar_names(folded, known)
    if column.filled:
        yield from _values(column)


def _plain(name: str) -> str:
    """What a column is called where its name is a path: an element's text by the element, else the path without places."""
    return re.sub(r"\[\d+\]", "", name).removesuffix("._text")


def _named(names: list[Named], change: float = 0, why: str = "") -> Iterator[_Trace]:
    for one in names:
        yield _Trace(one.entity, one.column, one.how + change, why or one.why)


def _precedents(folded: str, known: Knowledge) -> Iterator[_Trace]:
    """Mappings that read a column of this name: stronger where all of an entity's feeds read it alike."""
    by_target: dict[tuple[str, str], list[Any]] = defaultdict(list)
    readers: dict[str, set[str]] = defaultdict(set)
    for one in known.precedents.get(folded, ()):
        by_target[one.entity, one.column].append(one)
        readers[one.entity].add(one.feed)
    for (entity, target), ones in by_target.items():
        feeds = sorted({one.feed for one in ones})
        share = len(feeds) / len(readers[entity])
        alone = [one for one in ones if one.alone]
        usual = Counter(repr(one.value) for one in alone).most_common(1)
        value = next((one.value for one in alone if repr(one.value) == usual[0][0]), None) if usual else None
        score = (0.97 if share == 1 else 0.5 + 0.4 * share) - (0 if alone else 0.2)
        yield _Trace(entity, target, score, f"已有映射：{'、'.join(feeds[:3])}", value)


def _names(name: str, label: str, known: Knowledge) -> Iterator[_Trace]:
    """The name, the column's comment, the last part of a heading that stands over several columns."""
    yield from _named(known.names.get(aliases.fold(name), []))
    if folded := aliases.fold(label):
        yield from _named(known.names.get(folded, []), why=f"注释“{label}”")
    part = name.rpartition("_")[2]
    if part != name and not part.isascii():
        yield from _named(known.names.get(aliases.fold(part), []), -0.15, f"末段：{part}")


def _initials(folded: str, known: Knowledge) -> Iterator[_Trace]:
    """Initials of the Chinese name, whole or at the end: BJBMMC ends as 部门名称 does."""
    if len(folded) >= 2:
        yield from _named(known.initials.get(folded, []), 0.05 if len(folded) >= 4 else 0)
    for length in range(len(folded) - 1, 2, -1):
        for one in known.initials.get(folded[-length:], ()):
            yield _Trace(one.entity, one.column, 0.4 + 0.02 * length, f"结尾与{one.why}")


def _similar_words(name: str, folded: str, known: Knowledge) -> Iterator[_Trace]:
    """English names of which half the words are the same."""
    ours = frozenset(aliases.words(name))
    if len(ours) <= 1 and len(folded) <= 3:
        return
    for theirs, named in known.words:
        if (both := len(ours & theirs)) and 0.5 <= (like := both / len(ours | theirs)) < 1:
            yield _Trace(named.entity, named.column, 0.35 + 0.3 * like, f"近似名称：{named.column}")


def _similar_names(folded: str, known: Knowledge) -> Iterator[_Trace]:
    """Chinese names of which one stands in the other."""
    for name, columns in known.names.items():
        if not name.isascii() and len(name) >= 3 and (name in folded or folded in name):
            like = SequenceMatcher(None, name, folded).ratio()
            for one in columns if 0.6 <= like < 1 else ():
                yield _Trace(one.entity, one.column, 0.3 + 0.4 * like, f"近似名称：{name}")


def _values(column: ColumnProfile) -> Iterator[_Trace]:
    """Values whose check digit says what they are."""
    if column.share("uscc") > 0.9:
        for name, model in entities.load_all().items():
            for target in _CREDIT_CODES & model.columns.keys():
                yield _Trace(name, target, 0.55, "值为统一社会信用代码")
    if column.share("project_code") > 0.9:
        for name, model in entities.load_all().items():
            if "project_code" in model.columns:
                yield _Trace(name, "project_code", 0.92, "值为校验位正确的项目代码")


def _fits(column: ColumnProfile, target: Column) -> tuple[bool, str]:
    """Whether the values can be the column, and what speaks for it."""
    if not column.filled:
        return True, ""
    share = {
        "date": max(column.share("time"), column.share("epoch_ms")),
        "timestamp": max(column.share("time"), column.share("epoch_ms")),
        "int": column.share("number"),
        "decimal": column.share("number"),
        "bool": column.share("bool"),
        "json": column.share("json"),
        "geometry": column.share("geometry"),
    }.get(target.type)
    if share is not None:
        return share > 0.8, f"{share:.0%} 的值可读为 {target.type}" if share > 0.8 else f"值不像 {target.type}"
    if column.kind in ("json", "geometry"):
        return False, "值为嵌套结构"
    clock = any(
        name[:4] in ("yyyy", "RFC ") for name, share in column.formats.items() if share > 0.8 and len(name) >= 8
    )
    if clock and column.share("time") > 0.95 and column.share("number") < 0.9:
        return False, "值是时间"
    if target.name == "project_code":
        right = column.share("project_code")
        return right > 0.5 or column.filled < 3, f"{right:.0%} 的值校验位正确"
    if target.name in ("uscc", "applicant_uscc"):
        right = column.share("uscc")
        return right > 0.5, f"{right:.0%} 的值为统一社会信用代码"
    if target.codes and target.codes in codes.names() and not column.few and column.distinct > 40:
        return False, "值不像代码"
    if target.name.endswith("_name") and column.share("number") > 0.9:
        return False, "值是数字"
    return True, ""
