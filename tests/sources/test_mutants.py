"""Each wrong declaration that one can think of: every declared file changed in every place, one change at a time.

A mutant is refused with file and line, or it means the same as the original, or it says something else that is sound in itself
(another schedule, another name for people) — which is told apart by what may vary freely. None is silently wrong.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigurationError
from core.settings import ROOT
from mappings import compiler
from schemas import authority, entities
from sources import agreement, loader, options

Place = tuple[str | int, ...]
SOURCES = [
    path
    for path in sorted((ROOT / "sources").glob("*.yaml"))
    if path.stem in {"p1", "p2", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3", "s4", "s4_mqtt"}
]
MAPPINGS = [
    ROOT / "mappings" / name
    for name in (
        "p1/licence.yaml",
        "p3/task.yaml",
        "m2/spcl.yaml",
        "d1/cases.yaml",
        "d2/projects.yaml",
        "d5/fire.yaml",
        "s1/redline.yaml",
        "s4/reading.yaml",
    )
]
#: What the words of a declaration leave to whoever writes it: any text is as good as another, only their kind is held.
FREE = {"name", "doc", "contact", "usual", "department", "zh"}


@cache
def plain(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def places(data: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*place, key)
            yield from places(value, (*place, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield (*place, number)
            yield from places(value, (*place, number))


@pytest.fixture
def some(thorough: bool) -> Any:
    """A few of the places, the same each time; all of them with ``--dirt``."""

    def chosen(data: Any, most: int = 4) -> list[Place]:
        every = list(places(data))
        return every if thorough or len(every) <= most else random.Random(7).sample(every, most)

    return chosen


def at(data: Any, place: Place) -> Any:
    for step in place:
        data = data[step]
    return data


def changed(data: Any, place: Place, value: Any) -> Any:
    made = copy.deepcopy(data)
    at(made, place[:-1])[place[-1]] = value
    return made


def renamed(data: Any, place: Place, name: str) -> Any:
    made = copy.deepcopy(data)
    holder = at(made, place[:-1])
    items = [(name if key == place[-1] else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(items)
    return made


def without(data: Any, place: Place) -> Any:
    made = copy.deepcopy(data)
    del at(made, place[:-1])[place[-1]]
    return made


def written(folder: Path, path: Path, data: Any) -> Path:
    target = folder / path.parent.name / path.name
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=200), "utf-8")
    return target


def source(folder: Path, path: Path, data: Any) -> Any:
    """A source as it would be used: loaded, and held against its mappings. What it means, as data."""
    read = loader.read(written(folder, path, data))
    for feed in read.feeds.values():
        mapping = compiler.load(feed.mapping.replace("/", "."))
        if found := list(agreement.faults(feed, mapping)):
            raise ConfigurationError(f"{path.name}:1: {found}", remedy="", zh="")
    meant = read.model_dump()
    meant["options"] = options.of_source(read).model_dump()
    for feed in read.feeds.values():
        meant["feeds"][feed.id.partition(".")[2]]["options"] = options.of_feed(read.protocol, feed).model_dump()
    return meant


def mapping(folder: Path, path: Path, data: Any) -> Any:
    read = compiler.read(written(folder, path, data))
    return read.declaration.model_dump()


def refused(make: Any, folder: Path, path: Path, data: Any) -> bool:
    """Whether a mutant is refused with file and line."""
    try:
        make(folder, path, data)
    except ConfigurationError as error:
        assert path.name + ":" in error.message, error.message
        assert error.remedy is not None and error.zh
        return True
    return False


# -- sources

#: Keys beneath these are names that the writer gives.
_NAMES_OF = {"params", "headers", "success", "body"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_renamed_key_of_a_source_is_refused(path, tmp_path, some):
    data = plain(path)
    for place in some(data):
        if isinstance(place[-1], str) and not _NAMES_OF & set(place[:-1]):
            assert refused(source, tmp_path, path, renamed(data, place, f"{place[-1]}x")), place


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_value_of_another_kind_is_refused(path, tmp_path, some):
    data = plain(path)
    for place in some(data):
        value = at(data, place)
        if _NAMES_OF & set(place[:-1]):
            continue
        wrong = 7 if isinstance(value, str | dict | list) and place[-1] != "longest" else {"a": 1}
        assert refused(source, tmp_path, path, changed(data, place, wrong)), (place, wrong)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_a_source_lacks_is_refused_or_has_a_default_that_is_told(path, tmp_path):
    """A line that was taken away is refused, or its default is another meaning that stands in the schema."""
    data, folder = plain(path), tmp_path
    needed = {"source", "name", "system", "owner", "connection", "protocol", "schedule", "promise", "feeds"}
    for key in needed:
        assert refused(source, folder, path, without(data, (key,))), key
    for feed in list(data["feeds"])[:1]:
        for key in ("name", "mapping", "key", "cursor"):
            assert refused(source, folder, path, without(data, ("feeds", feed, key))), key


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_misspelt_word_of_a_source_is_refused(path, tmp_path, some):
    """Every text that means something: protocol, system, mapping, key, column, kind, times, patterns, zones, cron."""
    data = plain(path)
    free = FREE | {"connection"}
    for place in some(data):
        value = at(data, place)
        if not isinstance(value, str) or free & set(place) or "options" in place:
            continue
        for wrong in (f"{value}§", ""):
            assert refused(source, tmp_path, path, changed(data, place, wrong)), (place, wrong)


WRONG = [
    (("schedule",), "99 * * * *"),
    (("schedule",), "* * * *"),
    (("schedule",), "@hourly"),
    (("promise",), "PT0S"),
    (("promise",), "-PT3H"),
    (("promise",), "3 hours"),
    (("promise",), 0),
    (("reconcile",), "30 3 * * 9"),
    (("quota",), "1000"),
    (("quota",), "0/hour"),
    (("quota",), "10/fortnight"),
    (("timeout",), "PT0S"),
    (("parallel",), 0),
    (("parallel",), 65),
    (("parallel",), 1.5),
    (("source",), "M2"),
    (("source",), "m3"),
    (("system",), "部门系统"),
    (("connection",), "m tables"),
    (("feeds",), {}),
    (("feeds", "sb", "mapping"), "m2/sl"),
    (("feeds", "sb", "mapping"), "../m2/sb"),
    (("feeds", "sb", "mapping"), "m2/nothing"),
    (("feeds", "sb", "key"), []),
    (("feeds", "sb", "key"), ["SBLSH"]),
    (("feeds", "sb", "key"), ["SBLSH_SHORT", "sblsh_short"]),
    (("feeds", "sb", "key"), [""]),
    (("feeds", "sb", "key"), "SBLSH_SHORT"),
    (("feeds", "sb", "cursor"), {"kind": "window"}),
    (("feeds", "sb", "cursor"), {"kind": "window", "column": "INSERTIME"}),
    (("feeds", "sb", "cursor"), {"kind": "window", "column": "INSERTTIME", "lag": "-PT1M"}),
    (("feeds", "sb", "cursor"), {"kind": "window", "column": "INSERTTIME", "span": "PT0S"}),
    (("feeds", "sb", "cursor"), {"kind": "full", "column": "INSERTTIME"}),
    (("feeds", "sb", "cursor"), {"kind": "days", "closes": "-PT1H"}),
    (("feeds", "sb", "cursor"), {"kind": "daily"}),
    (("feeds", "sb", "cursor"), "full"),
    (("feeds", "sb", "absence"), True),
    (("feeds", "sb", "max_rejected"), 20),
    (("feeds", "sb", "max_deleted"), -0.1),
    (("feeds", "sb", "floor"), -1),
    (("feeds", "sb", "drift"), "ignore"),
    (("feeds", "sb", "rhythm"), {"longest": "never"}),
    (("feeds", "sb", "rhythm"), {"time": ["case.accepted_on"]}),
    (("feeds", "sb", "rhythm"), {"time": ["licence.issued_at"]}),
    (("feeds", "sb", "rhythm"), {"time": ["case"]}),
    (("feeds", "sb", "rhythm"), {"surprise": "stop"}),
    (("feeds", "sb", "options", "table"), ""),
    (("feeds", "sb", "options", "rows"), 0),
    (("feeds", "sb", "options", "limits"), {"page": -1}),
    (("feeds", "sb", "options", "first"), "yesterday"),
    (("feeds", "sb", "options", "exclude"), ["SBLSH_SHORT"]),
    (("feeds", "sb", "options", "exclude"), ["INSERTTIME"]),
    (("feeds", "sb", "options", "password"), "geheim"),
    (("options",), {"zone": "Asia/Dongguan"}),
    (("options",), {"encoding": "gb99999"}),
    (("options",), {"password": "geheim12"}),
    (("owner",), {"department": ""}),
    (("owner",), {"department": "x", "contact": "Bearer abcdefghijkl0123"}),
    (("owner",), {"department": "x", "contact": "http://li:geheim@host/"}),
]


@pytest.mark.parametrize(("place", "wrong"), WRONG, ids=lambda value: repr(value)[:60])
def test_an_impossible_source_is_refused(place, wrong, tmp_path):
    path = ROOT / "sources" / "m2.yaml"
    data = copy.deepcopy(plain(path))
    at(data, place[:-1])[place[-1]] = wrong
    assert refused(source, tmp_path, path, data)


FILES = {"files": r"x\.csv", "complete": "ok", "content": "table", "replaces": "file"}
REST = {"path": "/x", "paging": {"kind": "none"}}
SOAP = {"answer": "rows", "operation": "x", "paging": {"kind": "none"}}
IMPOSSIBLE = [
    ("file_drop", FILES | {"files": "["}),
    ("file_drop", FILES | {"content": "csv"}),
    ("file_drop", FILES | {"replaces": "sheet"}),
    ("file_drop", {key: value for key, value in FILES.items() if key != "replaces"}),
    ("file_drop", FILES | {"table": {"delimiter": ",,"}}),
    ("file_drop", FILES | {"table": {"charset": "gbx"}}),
    ("file_drop", FILES | {"table": {"header_row": None}}),
    ("file_drop", FILES | {"table": {"columns": ["a", "a"]}}),
    ("file_drop", FILES | {"table": {"header_row": 0}}),
    ("file_drop", FILES | {"xml": {"record": "x"}}),
    ("file_drop", FILES | {"content": "xml"}),
    ("file_drop", FILES | {"skip": [{"column": "a", "matches": "("}]}),
    ("file_drop", FILES | {"content": "vector", "vector": {"crs": "EPSG:999999"}}),
    ("file_drop", FILES | {"content": "vector", "vector": {"crs": "Beijing"}}),
    ("file_drop", FILES | {"content": "vector", "vector": {"window": [114, 22, 113, 23]}}),
    ("file_drop", FILES | {"content": "vector", "vector": {"window": [113, 23, 114, 22]}}),
    ("file_drop", FILES | {"content": "vector", "vector": {"window": [113, 22, 214, 23]}}),
    ("file_drop", FILES | {"settle": -1}),
    ("file_drop", FILES | {"entry": "*"}),
    ("rest", {"path": "/x"}),
    ("rest", REST | {"path": "http://other/x"}),
    ("rest", REST | {"path": ""}),
    ("rest", REST | {"paging": {"kind": "pages"}}),
    ("rest", REST | {"paging": {"kind": "page", "size": 0}}),
    ("rest", REST | {"paging": {"kind": "page", "next": "x"}}),
    ("rest", REST | {"paging": {"kind": "cursor", "next": "a..b"}}),
    ("rest", REST | {"paging": {"kind": "cursor", "keeps": ["verb"]}}),
    ("rest", REST | {"rows": "a b"}),
    ("rest", REST | {"body": {"a": 1}}),
    ("rest", REST | {"time": "yyyy"}),
    ("rest", REST | {"since": "a", "until": "a"}),
    ("rest", REST | {"success": {"a[": [1]}}),
    ("rest", REST | {"format": "csv"}),
    ("rest", REST | {"nested": ["a"]}),
    ("rest", REST | {"params": {"q": "{page}"}}),
    ("rest", REST | {"etag": True, "paging": {"kind": "page"}}),
    ("soap", SOAP | {"operation": ""}),
    ("soap", SOAP | {"answer": "list"}),
    ("soap", SOAP | {"paging": {"kind": "link"}}),
    ("soap", {"answer": "document", "operation": "x"}),
    ("wfs", {"layer": ""}),
    ("wfs", {"layer": "a", "size": 0}),
    ("ogc_features", {"collection": "a", "bbox": "1,2,3"}),
    ("ogc_features", {"collection": "a", "bbox": "114,22,113,23"}),
    ("ogc_features", {"collection": ""}),
    ("stac", {"collections": []}),
    ("mqtt", {"topic": ""}),
    ("mqtt", {"topic": "a/#/b"}),
    ("database", {}),
    ("database", {"table": "a", "acknowledge": {"column": "x", "by": []}}),
]


@pytest.mark.parametrize(("protocol", "given"), IMPOSSIBLE, ids=lambda value: str(value)[:70])
def test_impossible_options_are_refused(protocol, given):
    assert options.faults(options.PROTOCOLS[protocol].feed, given)


# -- mappings


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_mutant_of_a_mapping_is_refused(path, tmp_path, some):
    data = plain(path)
    assert not refused(mapping, tmp_path, path, data)
    for place in some(data):
        value = at(data, place)
        if isinstance(place[-1], str) and not {"map", "contains"} & set(place[:-1]):
            assert refused(mapping, tmp_path, path, renamed(data, place, f"{place[-1]}x")), place
        if FREE & set(place):
            continue
        if isinstance(value, str) and not {
            "const",
            "default",
            "separator",
            "extract",
            "map",
            "contains",
            "equals",
            "one_of",
        } & set(place):
            wrong = changed(data, place, f"{value}§")
            assert refused(mapping, tmp_path, path, wrong), (place, value)
        if {"map", "contains"} & set(place) or place[-1] in ("const", "default"):
            column = _column(data, place)
            if column and column.codes and isinstance(value, str):
                assert refused(mapping, tmp_path, path, changed(data, place, "NOSUCHCODE")), (place, value)


def _column(data: Any, place: Place) -> Any:
    """The entity's column that a value fills."""
    if len(place) < 4 or place[0] != "entities":
        return None
    return entities.load(data["entities"][place[1]]["entity"]).columns.get(str(place[3]))


# -- authority and entities


def test_a_mutant_of_the_authorities_is_refused(tmp_path, some):
    path = authority.PATH
    data = plain(path)
    for place in some(data):
        value = at(data, place)
        if isinstance(place[-1], str):
            mutant = renamed(data, place, f"{place[-1]}x")
            assert refused(lambda f, p, d: authority.read(written(f, p, d)), tmp_path, path, mutant), place
        wrong = f"{value}x" if isinstance(value, str) else 7
        assert refused(lambda f, p, d: authority.read(written(f, p, d)), tmp_path, path, changed(data, place, wrong)), (
            place
        )


@pytest.mark.parametrize("name", entities.names())
def test_a_mutant_of_an_entity_is_refused(name, tmp_path, some):
    path = entities.FOLDER / f"{name}.yaml"
    data = plain(path)
    for place in some(data):
        value = at(data, place)
        if isinstance(place[-1], str) and place[:-1] != ("columns",):
            mutant = renamed(data, place, f"{place[-1]}x")
            assert refused(lambda f, p, d: entities.read(written(f, p, d)), tmp_path, path, mutant), place
        if not FREE & set(place) and place[-1] != "unit":
            wrong = f"{value}x" if isinstance(value, str) else 7
            assert refused(
                lambda f, p, d: entities.read(written(f, p, d)), tmp_path, path, changed(data, place, wrong)
            ), place
