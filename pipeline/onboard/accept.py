"""A drifted column taken into the declarations: a line of the mapping, and of the feed's contract where it has one.

Written into the checkout where it may be written, checked there, and taken back if the mapping would not compile; else handed over as
files beside the run, with the command that puts in place all that wait there and are newer than the checkout's.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from core import settings
from core.errors import ConfigurationError
from mappings import compiler
from pipeline import registry
from pipeline.onboard import write
from schemas import raw
from sources import loader


@dataclass(frozen=True, slots=True)
class Accepted:
    """``files``: what was written, by their place in the checkout; ``command``: puts them there, None: they stand there."""

    files: list[Path]
    command: str | None


def targets(feed: str) -> list[str]:
    """Where a new column of the feed may go, as ``<entity>.<column>``: what its mapping fills, and what it leaves empty."""
    entities = registry.mapping(loader.feed(feed)).targets
    return [f"{name}.{column}" for name, entity in entities.items() for column in entity.columns]


def accept(feed: str, column: str, target: str | None, *, root: Path = settings.ROOT) -> Accepted:
    """Take a raw column into ``target`` (``<entity>.<column>``); None: it is known and not used.

    A target that has a source already gets the new column before it: rows of the archive have the old one.

    :raises ConfigurationError: no such target, one whose value is no plain column, or the mapping would not compile.
    """
    place = Path("mappings") / f"{loader.feed(feed).mapping}.yaml"
    waiting = settings.home() / "patches"
    before = {place: _text(root, waiting, place)}
    mapping = before[place]
    if target is None:
        after = {place: _ignored(mapping, column)}
    else:
        if target not in targets(feed):
            raise _refused(feed, f"no column {target}", f"没有目标列 {target}。")
        after = {place: _raised(_filled(feed, mapping, column, target))}
    contract = raw.find(feed)
    if contract is not None and column not in contract.columns:
        of_ours = feed in raw.load_all()
        stands = Path("schemas") / ("feeds.yaml" if of_ours else f"contracts/pinned/{feed}.yaml")
        before[stands] = _text(root, waiting, stands)
        after[stands] = _contracted(feed, before[stands], column) if of_ours else _pinned(before[stands], column)
    if not all(os.access(root / path, os.W_OK) for path in after):
        _put(waiting, after)
        return Accepted(sorted(after), f"cp -r -u {shlex.quote(str(waiting))}/. {shlex.quote(str(root))}/")
    _put(root, after)
    try:
        _forget()
        compiler.read(root / place)
    except ConfigurationError:
        _put(root, before)
        _forget()
        raise
    return Accepted(sorted(after), None)


def _text(root: Path, waiting: Path, path: Path) -> str:
    """A file of the checkout; where it may not be written, with what was handed over before and is not put in place yet."""
    there, handed = root / path, waiting / path
    is_newer = handed.exists() and handed.stat().st_mtime_ns > there.stat().st_mtime_ns
    return (handed if is_newer and not os.access(there, os.W_OK) else there).read_text(encoding="utf-8")


def _put(root: Path, texts: dict[Path, str]) -> None:
    """Each file whole or not at all; the mapping last, which needs the contract."""
    for path, text in sorted(texts.items(), key=lambda one: one[0].parts[0] == "mappings"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        part = (root / path).with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(root / path)


def _forget() -> None:
    for read in (raw.load_all, raw.pinned, compiler.load):
        read.cache_clear()


def _ignored(text: str, column: str) -> str:
    if re.search(r"(?m)^ignore: *rest\b", text):
        return text
    found = re.search(r"(?ms)^ignore: *\[(.*?)\]", text)
    if found is None:
        return re.sub(r"(?m)^entities:", f"ignore: [{write.flow(column)}]\nentities:", text, count=1)
    names = f"{found[1].rstrip().rstrip(',')}, " if found[1].strip() else ""
    return f"{text[: found.start(1)]}{names}{write.flow(column)}{text[found.end(1) :]}"


def _filled(feed: str, text: str, column: str, target: str) -> str:
    """The first block of the entity with a line for the target, or that line with the new column before the old one."""
    entity, name = target.split(".", 1)
    block = re.search(rf"(?ms)^(?P<dash> *)- entity: *{entity}\b.*?(?=^(?P=dash)- entity:|\Z)", text)
    columns = block and re.search(r"(?m)^(?P<in> +)columns: *\n", block[0])
    if block is None or columns is None:
        raise _refused(feed, f"no block of {entity} with columns", f"映射中没有 {entity} 的 columns 块。")
    start = block.start() + columns.end()
    line = re.search(rf"(?m)^ +{name}: *(?P<value>[^\n#]*?) *(?P<note>#[^\n]*)?$", text[start : block.end()])
    if line is None:
        return f"{text[:start]}{columns['in']}  {name}: {write.flow(column)}\n{text[start:]}"
    plain = re.fullmatch(r"[^\s{\[]+|\{from: [^,}]+(, as: \w+)?\}", line["value"])
    if plain is None:
        raise _refused(feed, f"{target} is no plain column", f"{target} 的来源不是单一字段，请手工修改映射。")
    newer = write.flow(column) if plain[1] is None else f"{{from: {write.flow(column)}{plain[1]}}}"
    at = (start + line.start("value"), start + line.end("value"))
    return f"{text[: at[0]]}{{first_of: [{newer}, {line['value']}]}}{text[at[1] :]}"


def _raised(text: str) -> str:
    """Its meaning is another: the version is the next one."""
    return re.sub(r"(?m)^version: *(\d+)", lambda found: f"version: {int(found[1]) + 1}", text, count=1)


def _contracted(feed: str, text: str, column: str) -> str:
    """The column among what the wire carries beside the contract's row."""
    entry = re.search(rf"(?ms)^{re.escape(feed)}:(?P<value>.*?)(?=^\S|\Z)", text)
    if entry is None:
        raise _refused(feed, "it has no entry in schemas/feeds.yaml", "schemas/feeds.yaml 没有该数据项。")
    named = f"{write.flow(column)}: {write.flow(column)}"
    value, added = entry["value"], re.search(r"\badd: *\{", entry["value"])
    if added is not None:
        value = f"{value[: added.end()]}{named}, {value[added.end() :]}"
    elif value.strip().startswith("{"):
        at = value.rindex("}")
        value = f"{value[:at]}, add: {{{named}}}{value[at:]}"
    else:
        value = f"{value.rstrip()}\n  add: {{{named}}}\n"
    return f"{text[: entry.start('value')]}{value}{text[entry.end('value') :]}"


def _pinned(text: str, column: str) -> str:
    """A pinned contract, whose columns stand last, with one more: text until the feed is pinned anew."""
    return f"{text.rstrip()}\n  {write.flow(column)}: {{type: text}}\n"


def _refused(feed: str, what: str, zh: str) -> ConfigurationError:
    return ConfigurationError(f"{feed}: {what}", remedy="edit the mapping by hand", zh=f"{feed}：{zh}", feed=feed)
