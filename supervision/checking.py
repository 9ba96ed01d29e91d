"""What is wrong with a folder of rules, each with file and line, before it is put to use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from core import declared, settings
from core.declared import suggestion
from core.errors import ConfigurationError, OneMapError
from schemas.departments import register
from sources import loader
from store.engine import engine
from supervision import discovery, rulebook
from supervision.calendar import FIRST, LAST
from supervision.completeness import ALL_DEPARTMENTS, DEPARTMENT, OWN

FILES: dict[str, Callable[[Path], Any]] = {
    "rules.yaml": rulebook.load,
    "completeness.yaml": rulebook.needs,
    "calendar.yaml": rulebook.calendar,
    "orders.yaml": rulebook.orders,
    "routing.yaml": rulebook.routing,
}
Fault = tuple[tuple[str | int, ...], str]


def check(folder: Path = rulebook.FOLDER) -> list[ConfigurationError]:
    """One error a file, naming every fault of it by file and line; empty: the folder can be used."""
    errors = []
    for name in sorted(path.name for path in folder.glob("*.yaml") if path.name not in FILES):
        errors.append(declared.read(folder / name).error((), "no such file of rules"))
    for name, load in FILES.items():
        try:
            load(folder)
            document = declared.read(folder / name)
            if faults := list(_MEANING[name](document.data or {})):
                raise document.errors(faults)
        except ConfigurationError as error:
            errors.append(error)
    return errors


def _feeds() -> list[str]:
    return [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]


def _items() -> set[str]:
    """Items of the seed catalogue, and of M1 where the store can be asked."""
    seed = pl.read_csv(settings.ROOT / "schemas" / "catalogue" / "items.csv", infer_schema=False)
    known = set(seed["item_code"])
    try:
        with engine().connect() as connection:
            known |= set(connection.execute(sa.text("select item_code from store.item")).scalars())
    except (OneMapError, sa.exc.SQLAlchemyError):
        return known  # no store to ask: the seed alone
    return known


def _rules(data: dict[str, Any]) -> Iterator[Fault]:
    items = _items()
    for name, code in (data.get("items") or {}).items():
        if code not in items:
            yield ("items", name), f"no item {code} in the catalogue"


def _completeness(data: dict[str, Any]) -> Iterator[Fault]:
    feeds = _feeds()
    words = (OWN, DEPARTMENT, ALL_DEPARTMENTS)
    for name, patterns in data["rules"].items():
        for place, pattern in enumerate(patterns):
            if pattern not in words and not any(fnmatchcase(feed, pattern) for feed in feeds):
                yield ("rules", name, place), f"no feed {pattern} is declared in sources/{suggestion(pattern, words)}"


def _calendar(data: dict[str, Any]) -> Iterator[Fault]:
    for place, year in enumerate(data.get("years") or []):
        if not FIRST.year <= year <= LAST.year:
            yield ("years", place), f"{year} lies outside {FIRST.year}–{LAST.year}"
    for day in data.get("days") or {}:
        if not FIRST <= day <= LAST:
            yield ("days", day), f"{day} lies outside {FIRST.year}–{LAST.year}"


def _orders(data: dict[str, Any]) -> Iterator[Fault]:
    kinds = set(register()["kind"])
    for kind in data["superior"]:
        if kind not in kinds:
            yield ("superior", kind), f"no such kind of department; one of {'、'.join(sorted(kinds))}"
    for kind in kinds - set(data["superior"]):
        yield ("superior",), f"no superior of {kind}"
    if data["escalate_after"] < data["urge_after"]:
        yield ("escalate_after",), "comes before urge_after"


def _routing(data: dict[str, Any]) -> Iterator[Fault]:
    codes, towns, items = set(register()["code"]), set(register()["town_code"].drop_nulls()), _items()
    for place, override in enumerate(data.get("overrides") or []):
        for key in ("to", "department"):
            if override.get(key) is not None and override[key] not in codes:
                yield ("overrides", place, key), f"no department {override[key]} in the catalogue"
        if override.get("item") is not None and override["item"] not in items:
            yield ("overrides", place, "item"), f"no item {override['item']} in the catalogue"
        if override.get("town") is not None and override["town"] not in towns:
            yield ("overrides", place, "town"), f"no town {override['town']}"
        if (code := override.get("rule")) is not None and code not in discovery.codes():
            yield ("overrides", place, "rule"), f"no rule {code}{suggestion(str(code), discovery.codes())}"
    if data.get("otherwise") is not None and data["otherwise"] not in codes:
        yield ("otherwise",), f"no department {data['otherwise']} in the catalogue"


_MEANING: dict[str, Callable[[dict[str, Any]], Iterator[Fault]]] = {
    "rules.yaml": _rules,
    "completeness.yaml": _completeness,
    "calendar.yaml": _calendar,
    "orders.yaml": _orders,
    "routing.yaml": _routing,
}
