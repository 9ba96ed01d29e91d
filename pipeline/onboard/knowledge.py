"""What a draft knows before it sees a feed: names of the common model, and what the hub's other mappings read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from core.errors import ConfigurationError
from mappings import compiler
from mappings.language import REST, Declaration, Value
from schemas import aliases, entities


@dataclass(frozen=True, slots=True)
class Precedent:
    """Another mapping reads a raw column of this name into ``entity.column``, alone by ``value`` or among others."""

    feed: str
    entity: str
    column: str
    value: Any
    alone: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A name of the model: ``how`` well it stands for the column, and why."""

    entity: str
    column: str
    how: float
    why: str


@dataclass
class Knowledge:
    """``precedents`` and ``roles`` by folded raw name; ``names`` by folded name, ``initials`` by pinyin initials."""

    precedents: dict[str, list[Precedent]] = field(default_factory=lambda: defaultdict(list))
    roles: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, list[Named]] = field(default_factory=lambda: defaultdict(list))
    initials: dict[str, list[Named]] = field(default_factory=lambda: defaultdict(list))
    words: list[tuple[frozenset[str], Named]] = field(default_factory=list)
    mappings: dict[str, Declaration] = field(default_factory=dict)
    control: frozenset[str] = frozenset()


def gather(hidden: Collection[str] = ()) -> Knowledge:
    """Everything known, without the mappings of the feeds ``hidden``; a broken mapping of another feed teaches nothing."""
    known = Knowledge(control=frozenset(map(aliases.fold, aliases.load().control)))
    for one in _lexicon():
        target, name, kind = one
        known.names[aliases.fold(name)].append(target)
        if letters := aliases.initials(name):
            known.initials[letters].append(Named(target.entity, target.column, 0.75, f"拼音首字母：{name}"))
        elif len(split := aliases.words(name)) > 1 or kind == "own":
            known.words.append((frozenset(split), target))
    for path in sorted(compiler.FOLDER.glob("*/*.yaml")):
        feed = f"{path.parent.name}.{path.stem}"
        if feed in hidden:
            continue
        try:
            declaration = compiler.load(feed).declaration
        except ConfigurationError:
            continue
        known.mappings[feed] = declaration
        _learn(known, feed, declaration)
    return known


@cache
def _lexicon() -> tuple[tuple[Named, str, str], ...]:
    found = []
    for entity, model in entities.load_all().items():
        for column in model.columns:
            for number, name in enumerate(aliases.names(entity, column)):
                own = number == 0
                how = 0.95 if own else 0.9
                why = "与公共模型同名" if own else f"别名：{name}"
                found.append((Named(entity, column, how, why), name, "own" if own else "alias"))
    return tuple(found)


def _learn(known: Knowledge, feed: str, declaration: Declaration) -> None:
    for role in ("time", "rank"):
        for name in getattr(declaration, role).columns if getattr(declaration, role) else ():
            known.roles[aliases.fold(name)].append((feed, role))
    for name in declaration.tombstone.columns if declaration.tombstone else ():
        known.roles[aliases.fold(name)].append((feed, "tombstone"))
    for part in declaration.key:
        for name in part.columns:
            known.roles[aliases.fold(name)].append((feed, "key"))
    for name in (*([] if declaration.ignore == REST else declaration.ignore), *declaration.drop):
        known.roles[aliases.fold(name)].append((feed, "ignore" if name in declaration.ignore else "drop"))
    for block in declaration.entities:
        if block.explode:
            known.roles[aliases.fold(block.explode)].append((feed, "explode"))
        for column, value in block.columns.items():
            for name in value.columns:
                raw = name.removeprefix(f"{block.explode}.") if block.explode else name
                if block.explode and raw != name:
                    continue
                alone = value.columns == {name} and value.from_ is not None
                known.precedents[aliases.fold(raw)].append(Precedent(feed, block.entity, column, written(value), alone))


def written(value: Value) -> Any:
    """A value as its YAML says it: a bare name where nothing else is said."""
    given = value.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    for name in ("first_of", "concat"):
        if part := getattr(value, name):
            given[name] = [written(inner) for inner in part]
    return given["from"] if set(given) == {"from"} else given


def twins(known: Knowledge, names: Collection[str], least: float = 0.6) -> Iterator[tuple[float, str]]:
    """Feeds whose mapping speaks of nearly the same raw columns, the likest first."""
    ours = set(map(aliases.fold, names))
    found = []
    for feed, declaration in known.mappings.items():
        aside = set() if declaration.ignore == REST else set(declaration.ignore)
        exploded = {block.explode for block in declaration.entities if block.explode}
        theirs = {name for name in declaration.columns if not any(name.startswith(f"{e}.") for e in exploded)}
        theirs = set(map(aliases.fold, theirs | aside | set(declaration.drop)))
        if ours and theirs and (share := len(ours & theirs) / len(ours | theirs)) >= least:
            found.append((share, feed))
    yield from sorted(found, reverse=True)
