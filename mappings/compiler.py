"""The one compiler of mappings: ``mappings/<source>/<feed>.yaml`` → a :class:`Mapping` that maps batches.

Everything that can be wrong with a declaration is found here, with its file and line, before a row is read: a raw
column that the contract lacks, one that is neither used nor ignored, a target that the entity lacks, a type that does
not fit, a code list that says something else. Language: docs/architecture.md, "Mappings".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT
from mappings import numbers, paths
from mappings.expressions import RESULTS, TYPES
from mappings.language import REST, TIMES, Block, Declaration, Test, Value
from mappings.mapping import RECORDS, REJECTS, Issue, Mapped, Mapping, reading
from schemas import channels, codes, entities, raw
from schemas.entities import Column, Entity

__all__ = ["RECORDS", "REJECTS", "Issue", "Mapped", "Mapping", "load", "load_all", "read"]

FOLDER = ROOT / "mappings"

Place = tuple[str | int, ...]  # of a key in the file
Fault = tuple[Place, str]


def read(path: Path, *, undecided: bool = False) -> Mapping:
    """Compile one file; ``undecided``: also a draft with open guesses.

    :raises ConfigurationError: with every fault, each with file and line.
    """
    document = declared.read(path)
    declaration = declared.build(document, Declaration, undecided=undecided)
    feed = f"{path.parent.name}.{path.stem}"
    if declaration.feed != feed:
        raise document.error(("feed",), f"must be {feed}, as the file's name has it")
    contract = raw.find(feed) or _own(declaration)
    faults = [
        *_value_faults(declaration, contract),
        *_test_faults(declaration, contract),
        *_block_faults(declaration, contract),
        *_coverage_faults(declaration, contract),
    ]
    if faults:
        raise document.errors(faults)
    targets = {block.entity: entities.load(block.entity) for block in declaration.entities}
    digest = hashlib.sha256(document.content)
    for name in sorted(_files(declaration, contract)):
        digest.update((ROOT / name).read_bytes())
    return Mapping(feed, declaration.version, digest.hexdigest(), declaration, contract, targets)


def _sound(declaration: Declaration, contract: raw.RawContract) -> Iterator[tuple[int, Block]]:
    """The blocks that explode nothing, or a nested column of the contract."""
    for number, block in enumerate(declaration.entities):
        if block.explode is None or (block.explode in contract.columns and contract.columns[block.explode].nested):
            yield number, block


def _values(declaration: Declaration, contract: raw.RawContract) -> Iterator[tuple[Place, Value, str | None]]:
    """Every value with its place in the file and the nested column that its block explodes; of sound blocks alone."""
    for number, part in enumerate(declaration.key):
        yield ("key", number), part, None
    for name, value in (("time", declaration.time), ("rank", declaration.rank)):
        if value is not None:
            yield (name,), value, None
    for number, block in _sound(declaration, contract):
        for name, value in block.columns.items():
            yield ("entities", number, "columns", name), value, block.explode


def _with_parts(value: Value) -> tuple[Value, ...]:
    return (value, *(value.first_of or ()), *(value.concat or ()))


def _value_faults(declaration: Declaration, contract: raw.RawContract) -> Iterator[Fault]:
    """Columns that are not there, code lists that are not there, words that mean nothing where they stand."""
    for place, value, explode in _values(declaration, contract):
        # without ``as`` the parts of a key are read as text, as the parts of a value are
        for part in _with_parts(value) if place[0] == "key" else _with_parts(value)[1:]:
            if (part.format or part.zone) and part.as_ is None:
                yield place, "format and zone are of times: add as: timestamp"
        yield from _missing_columns(place, value.columns, declaration, contract, explode)
        for inner in _with_parts(value):
            if inner.position and explode is None:
                yield place, "position: only a block with explode has one"
            if inner.codes is not None and inner.codes not in codes.names():
                yield place, f"no code list {inner.codes} in schemas/codes"


def _missing_columns(
    place: Place, names: Iterable[str], declaration: Declaration, contract: raw.RawContract, explode: str | None
) -> Iterator[Fault]:
    for name in sorted(names):
        if not _has(contract, name, explode):
            yield place, f"the contract of {declaration.feed} has no column {name}"


def _test_faults(declaration: Declaration, contract: raw.RawContract) -> Iterator[Fault]:
    tests: list[tuple[Place, Test | None, str | None]] = [(("tombstone",), declaration.tombstone, None)]
    tests += [
        (("entities", number, "when"), block.when, block.explode) for number, block in _sound(declaration, contract)
    ]
    for place, test, explode in tests:
        yield from _missing_columns(place, test.columns if test else (), declaration, contract, explode)


def _block_faults(declaration: Declaration, contract: raw.RawContract) -> Iterator[Fault]:
    """A block's nested column, its entity, and what it fills of that."""
    sound = dict(_sound(declaration, contract))
    for number, block in enumerate(declaration.entities):
        place = ("entities", number)
        if number not in sound:
            yield (*place, "explode"), f"the contract of {declaration.feed} has no nested column {block.explode}"
        elif block.entity not in entities.names():
            yield (*place, "entity"), f"the common model has no entity {block.entity}"
        else:
            entity = entities.load(block.entity)
            for name, value in block.columns.items():
                column = entity.columns.get(name)
                messages = [*_target_faults(entity, name, column, value)]
                if column is not None and column.codes == channels.LIST:
                    messages += _channel_faults(declaration.feed, value)
                yield from (((*place, "columns", name), message) for message in messages)


def _files(declaration: Declaration, contract: raw.RawContract) -> set[str]:
    """The files besides its own on which the meaning of a mapping rests; its digest covers them."""
    used = {f"schemas/entities/{block.entity}.yaml" for block in declaration.entities}
    for _, value, _ in _values(declaration, contract):
        for inner in _with_parts(value):
            if inner.codes is not None:
                used.add(f"schemas/codes/{inner.codes}.yaml")
            if inner.unit is not None:
                used.add("mappings/units.yaml")
            if inner.as_ == "industry":
                used.add("schemas/industry.yaml")
            if inner.as_ == "department":
                used.add("schemas/catalogue/departments.csv")
    return used


def _own(declaration: Declaration) -> raw.RawContract:
    """The contract of a feed that has none of its own in schemas/feeds.yaml: the columns that its mapping names."""
    exploded = {block.explode: set[str]() for block in declaration.entities if block.explode}
    names: dict[str, None] = {}
    for name in sorted(declaration.columns):
        block = next((outer for outer in exploded if name.startswith(f"{outer}.")), None)
        if block is not None:
            exploded[block].add(paths.base(name.removeprefix(f"{block}.")))
        names[block or paths.base(name)] = None
    led_into = {paths.base(name) for name in declaration.columns if paths.base(name) != name}
    names |= dict.fromkeys([*([] if declaration.ignore == REST else declaration.ignore), *declaration.drop])
    columns = {
        name: raw.RawColumn(
            name, fields=tuple(sorted(exploded.get(name, ()))) if name in exploded or name in led_into else None
        )
        for name in names
    }
    key = tuple(sorted({paths.base(name) for part in declaration.key for name in part.columns}))
    return raw.RawContract(declaration.feed, columns, key)


def _has(contract: raw.RawContract, name: str, explode: str | None) -> bool:
    """A column, a field of the exploded one, or a path into a nested one."""
    if name in contract.columns:
        return True
    if explode is not None and name.startswith(f"{explode}."):
        field = paths.base(name.removeprefix(f"{explode}."))
        return field in (*(contract.columns[explode].fields or ()), "value")
    column = contract.columns.get(paths.base(name))
    return column is not None and column.nested


def _target_faults(entity: Entity, name: str, column: Column | None, value: Value) -> Iterator[str]:
    if column is None:
        yield f"{entity.entity} has no column {name}"
        return
    given = [v for v in (value.const, value.default) if v is not None]
    given_as = reading(value, column)
    if RESULTS[given_as] != TYPES[column.type][0]:
        yield f"as: {given_as} does not give a {column.type}"
    if (value.format or value.zone) and given_as not in TIMES:
        yield f"format and zone are of times, {name} is a {column.type}"
    if value.unit is not None:
        try:
            numbers.factor(value.unit, column.unit)
        except ConfigurationError as error:
            yield error.message
    if column.codes is None or column.codes not in codes.names():
        return
    canonical = codes.load(column.codes).codes
    if value.codes is not None and value.codes in codes.names():
        listed = codes.load(value.codes)
        if value.codes != column.codes and column.codes not in listed.of:
            yield f"code list {value.codes} does not lead to {column.codes}"
    given += [v for v in (*(value.map or {}).values(), *(value.contains or {}).values()) if v is not None]
    for one in given:
        if str(one) not in canonical:
            yield f"{one!r} is not in the code list {column.codes}{declared.suggestion(str(one), canonical)}"


def _channel_faults(feed: str, value: Value) -> Iterator[str]:
    """Whose cases these are is said by the declaration, never by what a source writes; and the channel knows the feed."""
    if value.const is None:
        if value.codes != channels.LIST and value.map is None and value.contains is None:
            yield "the channel is a constant, or read by map, contains or codes: channel"
    elif (channel := channels.load().get(str(value.const))) is not None and not channels.feeds(channel, [feed]):
        listed = ", ".join(channel.feeds)
        yield f"{feed} is no feed of the channel {value.const} ({listed}): add it to schemas/codes/channel.yaml"


def _column_of(contract: raw.RawContract, name: str, exploded: set[str]) -> str:
    """The column, or the field of an exploded one, that a path leads into."""
    if name in contract.columns:
        return name
    outer = next((block for block in exploded if name.startswith(f"{block}.")), None)
    return f"{outer}.{paths.base(name.removeprefix(f'{outer}.'))}" if outer else paths.base(name)


def _coverage_faults(declaration: Declaration, contract: raw.RawContract) -> Iterator[Fault]:
    exploded = {block.explode for block in declaration.entities if block.explode}
    used = {_column_of(contract, name, exploded) for name in declaration.columns}
    rest = declaration.ignore == REST
    aside: dict[str, Place] = {}
    if not rest:
        aside = {name: ("ignore", n) for n, name in enumerate(declaration.ignore)}
    aside |= {name: ("drop", n) for n, name in enumerate(declaration.drop)}
    names = set(contract.columns)
    for name in exploded & names:
        names |= {f"{name}.{inner}" for inner in contract.columns[name].fields or ()}
    for name, place in aside.items():
        if name not in names:
            yield place, f"the contract of {declaration.feed} has no column {name}"
        elif name in used:
            yield place, f"{name} is used as well"
    for name in sorted(names - used - aside.keys()) if not rest else ():
        yield ("ignore",), f"{name} is neither used nor ignored"


@cache
def load(feed: str) -> Mapping:
    """The mapping of a feed, compiled once a process. :raises ConfigurationError: none, or it is wrong."""
    source, _, name = feed.partition(".")
    path = FOLDER / source / f"{name}.yaml"
    if not path.exists():
        raise ConfigurationError(
            f"no mapping of {feed}: mappings/{source}/{name}.yaml is missing",
            remedy="write it (docs/architecture.md, Mappings)",
            zh=f"缺少 {feed} 的映射文件 mappings/{source}/{name}.yaml。",
            feed=feed,
        )
    return read(path)


def load_all() -> dict[str, Mapping]:
    """Every mapping by feed, sorted."""
    feeds = sorted(f"{path.parent.name}.{path.stem}" for path in FOLDER.glob("*/*.yaml"))
    return {feed: load(feed) for feed in feeds}
