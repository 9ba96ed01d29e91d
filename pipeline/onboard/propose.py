"""Which column of the common model a raw column is: proposed from names, precedents and values, each guess with its reason.

A guess is *sure* only where two witnesses agree: a name that means this column and no other, and values that can be it.
Every other guess is a doubt, which a person decides on (the mark ``# ?``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter
from typing import Any

from core.errors import ConfigurationError
from mappings import numbers, paths
from pipeline.onboard import candidates
from pipeline.onboard.candidates import Candidate
from pipeline.onboard.knowledge import Knowledge, gather, twins, written
from pipeline.onboard.profile import ColumnProfile, Profile
from schemas import aliases, channels, codes, entities
from schemas.entities import Column

_STRONG = 0.85
_APART = 0.1
_LEAST = 0.35
_END = ("valid_to", "taken_until")
_CODES = (
    "project_code",
    "engineering_code",
    "prior_code",
    "applicant_id",
    "applicant_uscc",
    "uscc",
    "holder_code",
    "type_code",
)
_TIMES = [
    "inserttime",
    "insertime",
    "gxsj",
    "cdtime",
    "updatetime",
    "updatedat",
    "updated",
    "更新时间",
    "入库时间",
    "lastmodified",
    "modifiedat",
]


@dataclass
class Guess:
    """What a raw column is taken for. ``value`` as the YAML has it; ``target`` None: it is put into ``ignore``."""

    raw: str
    target: str | None
    value: Any
    reasons: list[str]
    sure: bool


@dataclass
class Block:
    """Rows of an entity. ``columns``: target → guess, in the model's order."""

    entity: str
    columns: dict[str, Guess] = field(default_factory=dict)
    when: Any = None
    explode: str | None = None
    sure: bool = True
    reasons: list[str] = field(default_factory=list)


@dataclass
class Draft:
    """A mapping to be. ``aside``: what is not used, with why; ``time``, ``tombstone``, ``rank``: guesses of a role."""

    feed: str
    name: str
    key: Guess
    blocks: list[Block]
    aside: list[Guess]
    time: Guess | None = None
    rank: Guess | None = None
    tombstone: Guess | None = None
    twin: str | None = None

    def guesses(self) -> list[Guess]:
        """All of them."""
        roles = [g for g in (self.key, self.time, self.rank, self.tombstone) if g]
        return [*roles, *(g for b in self.blocks for g in b.columns.values()), *self.aside]


def draft(
    profile: Profile,
    *,
    name: str = "",
    table: str = "",
    key: Collection[str] = (),
    cursor: str | None = None,
    known: Knowledge | None = None,
) -> Draft:
    """The mapping of a feed, proposed. ``name``, ``table``: what the source calls it; ``key``, ``cursor``: columns that a person
    declared."""
    known = known or gather(hidden=[profile.feed])
    found = {raw: candidates.of(column, known) for raw, column in profile.columns.items()}
    twin = next(twins(known, profile.columns), None)
    entity, why, clear = _entity(found, f"{name} {table} {profile.feed.partition('.')[2]}", known, twin)
    blocks = [_block(entity, found, profile, known, clear, why)]
    used = {g.raw for g in blocks[0].columns.values()}
    if twin:
        more = _of_twin(known, twin, profile, blocks[0])
        blocks += more
        used |= {g.raw for b in more for g in b.columns.values()} | {b.explode for b in more if b.explode}
    proposed = Draft(profile.feed, name, _key(profile, key), blocks, [], twin=twin[1] if twin else None)
    _roles(proposed, profile, known, cursor)
    used |= {g.raw for g in (proposed.time, proposed.rank, proposed.tombstone) if g} | set(proposed.key.value)
    used |= {paths.base(raw) for raw in used}
    inner = {raw for raw in profile.columns if paths.base(raw) != raw and paths.base(raw) in profile.columns}
    proposed.aside = [
        _aside(column, known, found[raw]) for raw, column in profile.columns.items() if raw not in used | inner
    ]
    return proposed


# -- the entity


def _entity(
    found: dict[str, list[Candidate]], called: str, known: Knowledge, twin: tuple[float, str] | None
) -> tuple[str, list[str], bool]:
    """What the rows are: the entity that takes most columns, and what the feed's name says."""
    points: defaultdict[str, float] = defaultdict(float)
    for choices in found.values():
        best: dict[str, float] = {}
        for one in choices:
            best[one.entity] = max(best.get(one.entity, 0), one.score)
        for entity, score in best.items():
            points[entity] += score if score >= 0.7 else score / 3
    total = max(points.values(), default=0) or 1
    by_columns = points.copy()
    reasons: dict[str, list[str]] = defaultdict(list)
    folded, tokens = aliases.fold(called), {w for part in called.split() for w in aliases.words(part)}
    votes: dict[str, int] = {}
    for entity, given in aliases.load().entities.items():
        for word in (*given, entities.load(entity).zh):
            short = aliases.fold(word)
            if (short in folded) if not word.isascii() else (set(aliases.words(word)) <= tokens):
                votes[entity] = max(votes.get(entity, 0), len(short) * (2 if not word.isascii() else 1))
                reasons[entity].append(f"名称中有“{word}”")
    for entity, length in votes.items():
        points[entity] += total * (0.15 + 0.05 * min(length, 8))
    if twin:
        first = known.mappings[twin[1]].entities[0].entity
        points[first] += total
        reasons[first].append(f"字段与 {twin[1]} 相同 {twin[0]:.0%}")
    ranked = nlargest(2, points.items(), key=itemgetter(1)) or [("case", 0.0)]
    entity = ranked[0][0]
    clear = len(ranked) == 1 or ranked[0][1] >= 1.25 * ranked[1][1]
    if not twin:  # a name alone does not say which of two that would take the same columns
        clear = clear and all(
            by_columns.get(entity, 0) >= 1.1 * other for e, other in by_columns.items() if e != entity
        )
    taken = sum(1 for c in found.values() if any(o.entity == entity and o.score >= 0.7 for o in c))
    return entity, [f"{taken} 个字段属于 {entity}", *reasons[entity][:2]], clear


def _block(
    entity: str,
    found: dict[str, list[Candidate]],
    profile: Profile,
    known: Knowledge,
    clear: bool,
    why: list[str],
) -> Block:
    model = entities.load(entity)
    pairs = sorted(
        ((one.score, raw, one) for raw, candidates in found.items() for one in candidates if one.entity == entity),
        key=lambda pair: (-pair[0], list(profile.columns).index(pair[1])),
    )
    of_raw: dict[str, list[Candidate]] = defaultdict(list)
    claims: dict[str, list[float]] = defaultdict(list)
    for score, raw, one in pairs:
        of_raw[raw].append(one)
        claims[one.column].append(score)
    chosen: dict[str, tuple[str, Candidate]] = {}
    for score, raw, one in pairs:
        if score < _LEAST or one.column in chosen or any(raw == other for other, _ in chosen.values()):
            continue
        chosen[one.column] = (raw, one)
    block = Block(entity, sure=clear, reasons=why)
    for column in model.columns:
        if column not in chosen:
            continue
        raw, one = chosen[column]
        rivals = [c.score for c in of_raw[raw] if c.column != column]
        others = sorted(claims[column], reverse=True)[1:2]
        apart = one.score - max([0.0, *rivals]) >= _APART and one.score - max([0.0, *others]) >= _APART
        value, doubts = _value(profile.columns[raw], model.columns[column], one.value)
        filled = profile.columns[raw].filled > 0
        reasons = [*one.reasons, *doubts]
        if not filled:
            reasons.append("样本中无值")
        if not apart and rivals:
            close = [c.column for c in of_raw[raw] if c.column != column and one.score - c.score < _APART]
            reasons.append(f"也可能是 {'、'.join(close)}" if close else "另有字段也像")
        if aside := sorted({feed for feed, role in known.roles.get(aliases.fold(raw), ()) if role == "ignore"}):
            reasons.append(f"{'、'.join(aside[:2])} 不用此列")
        sure = clear and one.score >= _STRONG and one.fits and filled and apart and not doubts and not aside
        block.columns[column] = Guess(raw, column, value, reasons, sure)
    names = _named_by(model)
    if not names & block.columns.keys():  # what names the row was not found: then another number may be it
        for column, guess in block.columns.items():
            if model.columns[column].identifier and column != "project_code":
                guess.sure = False
                guess.reasons.append(f"未找到 {'、'.join(sorted(names))}，可能就是此列")
    _constants(block, model, profile)
    return block


def _named_by(model: entities.Entity) -> set[str]:
    """Columns that name a row of the entity at its source."""
    own = {name for name in model.key if name in model.columns}
    return own or {name for name in ("case_no", "number", "seq") if name in model.columns}


def _constants(block: Block, model: entities.Entity, profile: Profile) -> None:
    if "channel" in model.columns and "channel" not in block.columns:
        ours = channels.by_feed([profile.feed])
        code = ours.get(profile.feed)
        reasons = ["schemas/codes/channel.yaml" if code else "来源系统未声明：先在 schemas/codes/channel.yaml 加一条"]
        block.columns = {
            "channel": Guess("", "channel", {"const": code or "?"}, reasons, code is not None),
            **block.columns,
        }


def _value(column: ColumnProfile, target: Column, precedent: Any) -> tuple[Any, list[str]]:
    """How the value is read, and what is doubtful about it."""
    raw = column.name
    if precedent is not None:
        given = {**precedent, "from": raw} if isinstance(precedent, dict) else raw
        if isinstance(given, dict) and "map" in given and not {v for v, _ in column.values} <= set(given["map"]):
            return given, ["样本中有未列出的代码"]
        if isinstance(given, dict) and "codes" in given and column.few and given["codes"] not in column.codes:
            return given, [f"样本中有代码表 {given['codes']} 以外的值"]
        return given, []
    expression: dict[str, Any] = {"from": raw}
    doubts: list[str] = []
    if target.codes:
        _coded(column, target.codes, expression, doubts)
    elif target.name in _CODES:
        expression["as"] = "code"
    elif target.name.endswith("department_code") or target.name == "organ_code":
        expression["as"] = "department"
    elif target.name == "industry_code":
        expression["as"] = "industry"
    elif target.type in ("date", "timestamp") and column.share("epoch_ms") > 0.9:
        expression["as"] = "epoch_ms"
    elif target.name in _END and target.type in ("date", "timestamp"):
        expression["as"] = "end_date" if target.type == "date" else "end_timestamp"
    if target.type in ("date", "timestamp") and column.formats.get("dd/MM/yyyy", 0) > 0.2:
        doubts.append("日在前的日期 dd/MM/yyyy")
    unit = aliases.unit(raw)
    if unit and target.unit:
        expression["unit"] = unit
        if unit != target.unit:
            doubts += _unit_doubt(unit, target.unit)
    elif target.unit and target.unit not in ("degree", "%"):
        doubts.append(f"单位未写明，按 {target.unit}")
    if target.type == "geometry" and column.share("geometry") <= 0.8:
        doubts.append("几何未能确认")
    return (raw if set(expression) == {"from"} else expression), doubts


def _unit_doubt(written: str, wanted: str) -> list[str]:
    try:
        numbers.factor(written, wanted)
    except ConfigurationError:
        return [f"单位 {written} 不能换算为 {wanted}"]
    return []


def _coded(column: ColumnProfile, wanted: str, expression: dict[str, Any], doubts: list[str]) -> None:
    listed = codes.load(wanted)
    if wanted in column.codes:
        expression["codes"] = wanted
        return
    leading = [name for name in column.codes if wanted in codes.load(name).of]
    if len(leading) == 1:
        expression["codes"] = leading[0]
        doubts.append(f"代码表 {leading[0]} 由取值推断")
        return
    expression["map"] = {value: _same(value, listed) for value, _ in column.values[:20]} if column.few else {}
    doubts.append(f"代码含义待定，可用：{'、'.join(listed.codes)}" if len(listed.codes) <= 20 else "代码含义待定")


def _same(value: str, listed: codes.CodeList) -> str | None:
    for code, entry in listed.codes.items():
        if aliases.fold(value) in {aliases.fold(entry.zh), aliases.fold(code), *map(aliases.fold, entry.also)}:
            return code
    return None


# -- blocks of a twin


def _of_twin(known: Knowledge, twin: tuple[float, str], profile: Profile, first: Block) -> list[Block]:
    """The other blocks of a mapping of the same columns, as far as the columns are there."""
    share, feed = twin
    ours = {aliases.fold(name): name for name in profile.columns}
    expressions = []
    for block in known.mappings[feed].entities:
        if block.entity == first.entity and block.explode is None and block.when is None:
            continue
        explode = ours.get(aliases.fold(block.explode)) if block.explode else None
        if block.explode and explode is None:
            continue
        reasons = [f"同 {feed}（字段相同 {share:.0%}）"]
        new = Block(block.entity, when=_test(block.when, ours), explode=explode, sure=share >= 0.9, reasons=reasons)
        for column, value in block.columns.items():
            outer = {name for name in value.columns if not (block.explode and name.startswith(f"{block.explode}."))}
            if not all(aliases.fold(name) in ours for name in outer):
                continue
            constant = value.const is not None
            raw = "" if constant else ours.get(aliases.fold(next(iter(value.columns), "")), "")
            filled = not raw or profile.columns[raw].filled > 0
            sure = new.sure and filled and not constant
            given = written(value)
            if column == "channel" and constant:
                given = {"const": channels.by_feed([profile.feed]).get(profile.feed, "?")}
                sure = given["const"] != "?"
            new.columns[column] = Guess(raw, column, given, reasons, sure)
        if new.columns:
            expressions.append(new)
    return expressions


def _test(test: Any, ours: dict[str, str]) -> Any:
    if test is None:
        return None
    given = test.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    return given["from"] if set(given) == {"from", "present"} and given["present"] else given


# -- key, time, and the rest


def _key(profile: Profile, key: Collection[str]) -> Guess:
    if key:
        return Guess("", "key", list(key), ["已声明"], True)
    if profile.keys:
        several = len(profile.keys) > 1 or profile.rows < 20
        reasons = [f"样本 {profile.rows} 行中各不相同"]
        if several:
            reasons.append("也可为 " + "；".join("+".join(k) for k in profile.keys[1:3]))
        return Guess("", "key", profile.keys[0], reasons, False)
    return Guess("", "key", [next(iter(profile.columns), "?")], ["样本中没有能唯一标识一行的列"], False)


def _roles(proposed: Draft, profile: Profile, known: Knowledge, cursor: str | None) -> None:
    for raw, column in profile.columns.items():
        folded = aliases.fold(raw)
        for feed, role in known.roles.get(folded, ()):
            if role not in ("rank", "tombstone") or getattr(proposed, role) is not None or not column.filled:
                continue
            declaration = known.mappings[feed]
            given = getattr(declaration, role).model_dump(by_alias=True, exclude_defaults=True, mode="json")
            setattr(proposed, role, Guess(raw, role, {**given, "from": raw}, [f"已有映射：{feed}"], False))
    if cursor in profile.columns:
        named = aliases.fold(cursor) in _TIMES
        why = "增量列，已声明" if named else "增量列；是否也是记录的更新时间"
        proposed.time = Guess(cursor, "time", cursor, [why], named)
        return
    for raw in sorted(profile.cursors, key=lambda name: aliases.fold(name) not in _TIMES):
        named = aliases.fold(raw) in _TIMES
        if named or raw == profile.cursors[0]:
            proposed.time = Guess(raw, "time", raw, ["记录写入时间" if named else "由取值推断"], False)
            return


def _aside(column: ColumnProfile, known: Knowledge, candidates: list[Candidate]) -> Guess:
    """A column that nothing is made of. Sure only where every mapping that knows it leaves it aside too."""
    folded = aliases.fold(column.name)
    roles = known.roles.get(folded, [])
    feeds = [feed for feed, role in roles if role in ("ignore", "drop")]
    if folded in known.control:
        return Guess(column.name, None, None, ["交换用控制字段"], True)
    if len(feeds) >= 2 and not known.precedents.get(folded) and not any(r not in ("ignore", "drop") for _, r in roles):
        return Guess(column.name, None, None, [f"{'、'.join(feeds[:3])} 亦不用"], True)
    best = candidates[0] if candidates else None
    why = f"也许是 {best.entity}.{best.column}（{best.reasons[0]}）" if best else "未认出"
    if not column.filled:
        why += "；样本中无值"
    return Guess(column.name, None, None, [why], False)
