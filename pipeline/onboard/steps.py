"""The steps of a person who connects a system: new, profile, draft. Thin over the modules beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors import connector
from connectors.base import Described
from connectors.endpoint import resolve
from core import clock
from core.errors import ConfigurationError
from pipeline.onboard import pin, propose, sample, write
from pipeline.onboard import profile as profiles
from pipeline.onboard.profile import Profile
from quality import suites
from sources import loader
from sources.declaration import UNDECIDED, Feed, Source


@dataclass
class Seen:
    """A feed's sample and profile."""

    feed: Feed
    sample: sample.Sample
    profile: Profile


@dataclass
class Drafted:
    """Files that a draft wrote, and how many guesses each leaves to a person."""

    files: dict[Path, int] = field(default_factory=dict)
    present: list[Path] = field(default_factory=list)


def new(source: str, **given: Any) -> Path:
    """Write ``sources/<id>.yaml``. :raises ConfigurationError: it is there, or what was given is wrong."""
    path = loader.FOLDER / f"{source}.yaml"
    if path.exists():
        raise ConfigurationError(
            f"sources/{source}.yaml is there already",
            remedy="take another id, or edit the file",
            zh=f"sources/{source}.yaml 已存在，请换一个标识或直接修改该文件。",
            source=source,
        )
    path.write_text(write.source(source=source, **given), "utf-8")
    try:
        loader.read(path, undecided=True)
    except ConfigurationError:
        path.unlink()
        raise
    return path


def look(source_id: str, wanted: list[str] | None = None, limit: int = sample.ROWS) -> list[Seen]:
    """Sample and profile of a source's feeds. :raises OneMapError: as the source or its declaration has it."""
    declared = loader.draft(source_id)
    feeds = [feed for name, feed in declared.feeds.items() if not wanted or name in wanted or feed.id in wanted]
    if not feeds:
        raise ConfigurationError(
            f"source {source_id} has no feed {', '.join(wanted or ())}",
            remedy=f"one of {', '.join(declared.feeds)}",
            zh=f"数源 {source_id} 没有数据项 {'、'.join(wanted or ())}。",
            source=source_id,
        )
    reader = connector(declared, resolve(declared.connection))
    try:
        return [_look(reader, feed, limit) for feed in feeds]
    finally:
        reader.close()


def _look(reader: Any, feed: Feed, limit: int) -> Seen:
    if feed.cursor.kind == "stream":
        empty = sample.Sample(
            rows=sample.nothing(), issues=["流不作采样：取走的消息不会再来 | a stream is not sampled"]
        )
        return Seen(feed, empty, Profile(feed.id, 0, {}))
    taken = sample.take(reader, feed, clock.now(), limit)
    found = profiles.profile(feed.id, taken.rows)
    found.issues = [*taken.issues, *taken.rejects[:5]]
    _labels(found, taken.described)
    return Seen(feed, taken, found)


def _labels(found: Profile, described: Described | None) -> None:
    if described is None:
        return
    for name, label in described.columns.items():
        if name in found.columns:
            found.columns[name].label = label
    if described.key:
        found.keys = [described.key, *(key for key in found.keys if key != described.key)]


def pinned(source_id: str, wanted: list[str] | None = None) -> list[pin.Pinned]:
    """Take the contracts of a source's feeds with ``contract: auto`` (or of those wanted) from the live source, and pin them.

    :raises OneMapError: as the source has it; a feed without a row, or whose key nobody has decided, cannot be pinned.
    """
    declared = loader.draft(source_id)
    names = wanted or [feed.id for feed in declared.feeds.values() if feed.contract == "auto"]
    if not names:
        raise ConfigurationError(
            f"no feed of {source_id} has contract: auto",
            remedy="add contract: auto to the feed, or name it with --feed",
            zh=f"{source_id} 没有声明 contract: auto 的数据项，请在数据项下加上，或用 --feed 指定。",
            source=source_id,
        )
    return [_pin(seen) for seen in look(source_id, names)]


def _pin(seen: Seen) -> pin.Pinned:
    feed, found = seen.feed, seen.profile
    lacking = [name for name in feed.key if name not in found.columns]
    if lacking or not found.rows:
        why = f"样本中没有主键列 {'、'.join(lacking)}" if found.rows else "没有取到记录"
        raise ConfigurationError(
            f"{feed.id} cannot be pinned: " + (f"no column {', '.join(lacking)}" if found.rows else "no row came"),
            remedy="decide the key (onemap source draft), see onemap source profile",
            zh=f"{feed.id} 不能固定契约：{why}。先以 onemap source draft 起草并确认主键。",
            feed=feed.id,
        )
    cursor = feed.cursor.column if feed.cursor.kind == "window" else None
    return pin.pin(found, feed.key, cursor if cursor in found.columns else None, day=f"{clock.today():%Y-%m-%d}")


def draft(source_id: str, wanted: list[str] | None = None, *, force: bool = False) -> Drafted:
    """Write the mapping of each feed that has none (``force``: anew), its suite where it has none, and the keys that the
    declaration lacks.

    :raises OneMapError: as the source has it; a feed without a row cannot be drafted.
    """
    path = loader.FOLDER / f"{source_id}.yaml"
    drafted = Drafted()
    declared: Source = loader.draft(source_id)
    missing = [f for f in declared.feeds.values() if force or not (loader.MAPPINGS / f"{f.mapping}.yaml").exists()]
    wanted_feeds = [f for f in missing if not wanted or f.id in wanted or f.id.partition(".")[2] in wanted]
    drafted.present = [loader.MAPPINGS / f"{f.mapping}.yaml" for f in declared.feeds.values() if f not in missing]
    if not wanted_feeds:
        return drafted
    for seen in look(source_id, [f.id for f in wanted_feeds]):
        feed = seen.feed
        if not seen.profile.rows:
            raise ConfigurationError(
                f"{feed.id}: the source gave no row to draft from"
                + (f" ({'; '.join(seen.profile.issues[:3])})" if seen.profile.issues else ""),
                remedy="look at onemap source profile; correct path, table or files of the feed",
                zh=f"{feed.id} 没有取到任何记录，无法起草，请先看 onemap source profile 的结果。",
                feed=feed.id,
            )
        known_key = [] if UNDECIDED in feed.key else feed.key
        made_draft = propose.draft(
            seen.profile,
            name=feed.name,
            table=" ".join(str(v) for v in feed.options.values() if isinstance(v, str)),
            key=known_key,
            cursor=feed.cursor.column if feed.cursor.kind == "window" else None,
        )
        target = loader.MAPPINGS / f"{feed.mapping}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = write.mapping(made_draft, seen.profile, day=f"{clock.today():%Y-%m-%d}")
        target.write_text(text, "utf-8")
        drafted.files[target] = text.count("# ? ")
        asked = suites.FOLDER / "feeds" / f"{feed.id}.yaml"
        if asked.exists():  # a person's rules are not written over, by force neither
            drafted.present.append(asked)
        elif text := write.suite(seen.profile, key=made_draft.key.value, day=f"{clock.today():%Y-%m-%d}"):
            asked.write_text(text, "utf-8")
            drafted.files[asked] = 0
        if not known_key:
            path.write_text(
                write.decide_key(path.read_text("utf-8"), feed.id.partition(".")[2], made_draft.key), "utf-8"
            )
    drafted.files[path] = path.read_text("utf-8").count("# ? ")
    return drafted
