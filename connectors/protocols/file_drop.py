"""Protocol ``file_drop``: files that a source lays down, on SFTP, FTP, HTTP, in a folder or an object store, in folders by day
or in the root.

A file is taken once, when it is complete, and again when it changes. Some stand for parts that are sent again: of the
files of one scope only the highest that is sound counts, and it replaces what was taken before
(docs/architecture.md, "Replacement"). What was taken is kept in the feed's state, so a run without news fetches
nothing. A file that is not complete, or damaged, or unsafe is reported as an issue at every run until it is sent again;
nothing on the server is moved or deleted.

Declared in ``sources/*.yaml``::

    feeds:
      cases:                                    # D4
        cursor: {kind: files}
        key: [YWLSH]
        options:
          files: 'HB_(?P<scope>\\d{14})_(?P<order>\\d{3})\\.zip'
          own: 'HB_*'                           # names that are this feed's, so that a misspelt one is reported
          complete: ok                          # once <name>.ok stands beside it, empty or the file's md5
          content: cases                        # see connectors/decoders/cases_xml.py
          cases: {encoding: gb18030, nested: [SPHJ, CL, FJ], attachment: FJ}
      weather:                                  # D5
        cursor: {kind: files}
        key: [申办流水号, 文号]
        options:
          files: '气象局_(?P<order>\\d{6})\\.xlsx'
          own: '气象局_*'
          complete: settled                     # size and time the same in two listings
          settle: 3                             # seconds between two listings of one run; 0: from one run to the next
          content: workbook                     # see connectors/decoders/spreadsheets.py
          replaces: sheet                       # each of its sheets stands for the one of that name before
          workbook: {header_row: 3, fill_down: [项目代码, 项目名称, 建设单位, 统一社会信用代码], dates: [受理日期, 办结日期]}

Where the files lie: :mod:`connectors.transports.stores`; what stands in them: ``content``, :mod:`connectors.decoders.contents`; all options:
:mod:`sources.options.files`. Where ``files`` names a ``scope``, the order within it is (``order``, folder); else a newer file
is one of (folder, ``order``), each greater than the last. What a file stands for wholly is declared: ``replaces``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.base import Batch, CheckLine, Connector, Issue, Payload, Proof, Window
from connectors.decoders import cases_xml, contents, spreadsheets
from connectors.transports import stores
from connectors.transports.sftp import Changed, Entry, Vanished
from core import clock, scratch
from core.errors import ConfigurationError, OneMapError, ProviderError
from core.redaction import hide
from schemas import raw
from sources import options
from sources.options.files import FeedOptions

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_OK = ".ok"
_MEDIA_TYPES = {"cases": cases_xml.MEDIA_TYPE, "workbook": spreadsheets.MEDIA_TYPE, **contents.MEDIA_TYPES}
_RETAINED_DAYS = 400  # a file that is listed no more is forgotten that long after its folder's day


@dataclass(frozen=True, slots=True)
class _Drop:
    """A file of the listing. ``scope`` is None where only its content tells. ``order``: the greater is the newer."""

    path: str  # folder/name, as people write it
    entry: Entry
    ok: Entry | None
    scope: str | None
    order: tuple[str, ...]

    @property
    def mark(self) -> list[int]:
        """What tells that it was sent again."""
        return [*self.entry.mark, *(self.ok.mark if self.ok else ())]


@dataclass(slots=True)
class _State:
    """What was taken, as the feed's state keeps it."""

    taken: dict[str, list[Any]] = field(default_factory=dict)  # path → mark, md5
    scopes: dict[str, list[Any]] = field(default_factory=dict)  # scope → order, path
    seen: dict[str, list[int]] = field(default_factory=dict)  # not yet settled: path → mark
    refused: dict[str, list[Any]] = field(default_factory=dict)  # path → mark, code, detail

    @classmethod
    def of(cls, state: dict[str, Any] | None) -> _State:
        previous = state or {}
        return cls(*({**previous.get(name, {})} for name in ("taken", "scopes", "seen", "refused")))

    def written(self, listed: set[str], oldest: str) -> dict[str, Any]:
        """Without what is listed no more and older than the folder ``oldest``."""

        def retain(path: str) -> bool:
            folder, _, name = path.partition("/")
            return path in listed or (bool(name) and folder >= oldest)

        return {
            "taken": {path: value for path, value in self.taken.items() if retain(path)},
            "scopes": {scope: value for scope, value in self.scopes.items() if retain(value[1])},
            "seen": {path: mark for path, mark in self.seen.items() if path in listed},
            "refused": {path: value for path, value in self.refused.items() if path in listed},
        }


class FileDrop(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        hide(line for secret in endpoint.secrets for line in secret.splitlines() if not line.startswith("-----"))
        self._folder: scratch.Folder | None = None

    @cached_property
    def _opened(self) -> tuple[stores.Store, str]:
        """Made at the first need: what the archive holds is decoded without a server."""
        return stores.open_store(self.endpoint, self.source.source, self.source.timeout.total_seconds())

    @property
    def _store(self) -> stores.Store:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    # -- the contract of a connector

    def check(self) -> list[CheckLine]:
        """Reach, host key, login, the folder, and the newest file of each feed; downloads nothing."""
        lines: list[CheckLine] = []
        try:
            held = self._top()
        except OneMapError as error:
            return [CheckLine.failed("connection", error)]
        folders = sum(entry.folder for entry in held)
        where = f"{self._store.name} {self._root or '/'}"
        detail = f"logged in, {where} holds {folders} folders and {len(held) - folders} files"
        lines.append(CheckLine("connection", True, detail))
        for feed in self.source.feeds.values():
            try:
                given = options.of_feed("file_drop", feed)
                drops, _ = self._drops(given)
            except OneMapError as error:
                lines.append(CheckLine.failed(feed.id, error))
                continue
            newest = max(drops, key=lambda drop: drop.path, default=None)
            detail = f"{len(drops)} files, the newest {newest.path}" if newest else "no file yet"
            lines.append(CheckLine(feed.id, True, detail))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        """Files that are new or changed, whole and verified, then the proof. ``window`` is of no matter to files."""
        try:
            yield from self._fetch(feed, options.of_feed("file_drop", feed), _State.of(state))
        except OneMapError as error:
            error.at(source=self.source.source, feed=feed.id)
            raise

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        """Rows of the scopes that the payload's facts name."""
        given = options.of_feed("file_drop", feed)
        known = _known(feed)
        scopes = payload.facts["scopes"]
        if given.content == "cases":
            yield from cases_xml.decode(payload.body, scopes[0], given.cases, feed.key, known, given.limits)
            return
        if given.content == "workbook":
            sheets = scopes if given.replaces == "sheet" else None
            books = spreadsheets.decode(payload.body, sheets, given.workbook, feed.key, known, given.limits)
            batches: Iterator[Batch] = (contents.without(batch, given.skip) for batch in books)
        else:
            batches = contents.read(payload.body, given, given.limits)
        for batch in batches:
            if given.replaces != "sheet":
                batch.scope = scopes[0] if scopes else None
            yield batch

    def handed(self, feed: Feed, body: Path, name: str, media_type: str) -> tuple[Payload, list[Issue]]:
        """A file as if it lay in the drop; its name counts, as there."""
        given = options.of_feed("file_drop", feed)
        found = re.fullmatch(given.files, name)
        if found is None:
            raise ProviderError(
                f"{name} is not named as agreed: {given.files}",
                remedy="name the file as agreed",
                zh=f"文件名 {name} 不符合约定（{given.files}），同步时不会读取，请按约定命名。",
                code="file_name_unknown",
                feed=feed.id,
            )
        drop = _drop("", Entry(name, name.encode(), body.stat().st_size, 0, False), None, found.groupdict())
        counts, issues = self._inspect(feed, given, drop, body)
        scopes = [] if given.replaces == "none" else sorted(counts)
        now = clock.now()
        facts = {"name": name, "rows": sum(counts.values()), "scopes": scopes, "parts": sorted(counts)}
        return Payload(body, _MEDIA_TYPES[given.content], {"handed": name}, now, now, facts), issues

    def close(self) -> None:
        """End the session, remove the files."""
        if "_opened" in self.__dict__:
            self._store.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    # -- the way of a file

    def _fetch(self, feed: Feed, given: FeedOptions, state: _State) -> Iterator[Payload | Proof]:
        drops, issues = self._drops(given)
        listed = {drop.path for drop in drops}
        waiting = self._unsettled(given, drops, state) if given.complete == "settled" else set()
        if not drops:
            issues.append(Issue("listing_empty", f"{self._root} holds no file of this feed"))
        taken = claimed = skipped = 0
        for group in _groups(drops):
            for drop in group:  # the newest first, until one is sound
                if _taken(drop, state):
                    break  # the newest sound one was taken before
                owner = state.scopes.get(drop.scope) if drop.scope else None
                if owner and list(drop.order) < owner[0]:
                    break  # older than what was taken
                reason = self._not_ready(drop, given, waiting, state)
                if reason:
                    issues.append(reason)
                    skipped += 1
                    continue
                try:
                    payload = self._take(feed, given, drop, state, issues)
                except (Changed, Vanished) as error:
                    issues.append(Issue("file_changing", f"{drop.path}: {error.message}", record=drop.path))
                    skipped += 1
                    continue
                except ProviderError as error:
                    state.refused[drop.path] = [drop.mark, error.code, error.message]
                    issues.append(_refusal(drop, error.code, error.message))
                    skipped += 1
                    continue
                state.refused.pop(drop.path, None)
                if payload is not None:
                    taken += 1
                    claimed += payload.facts["rows"]
                    yield payload
                break
        oldest = f"{clock.today() - timedelta(days=_RETAINED_DAYS):%Y%m%d}"
        yield Proof(
            complete=True,
            why=f"{len(drops)} files listed: {taken} taken now, {skipped} told as issues, the others taken before or replaced",
            claimed=claimed,
            distinct=claimed,
            state=state.written(listed, oldest),
            issues=issues,
        )

    def _take(self, feed: Feed, given: FeedOptions, drop: _Drop, state: _State, issues: list[Issue]) -> Payload | None:
        """Download, verify, and enter into what is kept. None: it brings nothing new.

        :raises ProviderError: it is damaged or unsafe.
        """
        started = clock.now()
        if self._folder is None:
            self._folder = scratch.Folder(prefix="onemap-drop-")
        target = Path(tempfile.mkdtemp(dir=self._folder.name)) / "file"
        stated = self._stated_md5(drop, issues)
        self._store.download(drop.entry, target)
        md5 = _md5(target)
        if stated and stated != md5:
            target.unlink()
            raise _damaged(f"its md5 is {md5}, its {_OK} says {stated}", f"md5 为 {md5}，{_OK} 所载为 {stated}")
        known = state.taken.get(drop.path)
        if known and known[1] == md5:
            target.unlink()
            state.taken[drop.path] = [drop.mark, md5]
            return None  # touched, not changed
        try:
            counts, found = self._inspect(feed, given, drop, target)
        except ProviderError:
            target.unlink()
            raise
        if given.replaces == "none":
            mine = counts
        else:
            mine = {scope: count for scope, count in counts.items() if not _newer(state.scopes.get(scope), drop)}
        if found:
            issues.extend(replace(issue, detail=f"{drop.path}: {issue.detail}") for issue in found)
        scopes = [] if given.replaces == "none" else sorted(mine)
        replaces = sorted({state.scopes[scope][1] for scope in scopes if scope in state.scopes})
        state.taken[drop.path] = [drop.mark, md5]
        for scope in scopes:
            state.scopes[scope] = [list(drop.order), drop.path]
        if not mine:
            target.unlink()
            return None
        media = _MEDIA_TYPES[given.content]
        facts = {
            "name": drop.path,
            "size": drop.entry.size,
            "mtime": drop.entry.mtime,
            "md5": md5,
            "rows": sum(mine.values()),
            "scopes": scopes,
            "parts": sorted(mine),
            "replaces": replaces,
        }
        request = {"store": self._store.name, "path": f"{self._root}/{drop.path}"}
        return Payload(target, media, request, started, clock.now(), facts)

    def _inspect(self, feed: Feed, given: FeedOptions, drop: _Drop, file: Path) -> tuple[dict[str, int], list[Issue]]:
        if given.content == "cases":
            found = cases_xml.inspect(file, given.cases, given.limits)
            return {drop.scope or drop.path: found.rows}, found.issues
        name = drop.scope or drop.entry.name
        if given.content != "workbook":
            issues: list[Issue] = []
            count = 0
            for batch in contents.read(file, given, given.limits):
                count += batch.rows.num_rows + len(batch.rejects)
            return {name: count}, issues
        book = spreadsheets.inspect(file, given.workbook, feed.key, _known(feed), given.limits)
        return (book.scopes if given.replaces == "sheet" else {name: sum(book.scopes.values())}), book.issues

    def _stated_md5(self, drop: _Drop, issues: list[Issue]) -> str | None:
        if drop.ok is None or not drop.ok.size:
            return None
        content = self._store.small(drop.ok).decode("utf-8", "replace").lstrip("\ufeff").strip()
        if found := re.match(r"[0-9a-fA-F]{32}\b", content):
            return found[0].lower()
        if content:
            issues.append(
                Issue(
                    "ok_unreadable", f"{drop.path}{_OK} is neither empty nor an md5; taken as empty", record=drop.path
                )
            )
        return None

    def _not_ready(self, drop: _Drop, given: FeedOptions, waiting: set[str], state: _State) -> Issue | None:
        if given.complete == "ok" and drop.ok is None:
            return Issue("file_not_ready", f"{drop.path} has no {_OK} yet", record=drop.path)
        if drop.path in waiting:
            return Issue(
                "file_not_ready",
                f"{drop.path} may still be written: seen in one listing only as it is",
                record=drop.path,
            )
        refused = state.refused.get(drop.path)
        if refused and refused[0] == drop.mark and drop.entry.mtime:
            return _refusal(drop, refused[1], refused[2])
        return None

    # -- listings

    def _top(self) -> list[Entry]:
        try:
            return self._store.list(self._root)
        except Vanished as error:
            raise ConfigurationError(
                f"{self._root or '/'} is not on the server",
                remedy=f"correct extra.root of Connection {self.endpoint.conn_id}, or ask the source for the folder",
                zh=f"SFTP 上没有目录 {self._root}，请核对连接 {self.endpoint.conn_id} 的 extra.root，或联系数源方。",
            ) from error

    def _folders(self, pattern: str | None) -> Iterator[tuple[str, list[Entry]]]:
        """(the folder's name and a slash, what it holds); the root itself, without a name, where there is no pattern."""
        top = self._top()
        if pattern is None:
            yield "", top
            return
        for folder in top:
            if folder.folder and re.fullmatch(pattern, folder.name):
                try:
                    yield f"{folder.name}/", self._store.list(folder.path)
                except Vanished:
                    continue  # taken away between two answers; what it held is listed no more

    def _drops(self, given: FeedOptions) -> tuple[list[_Drop], list[Issue]]:
        drops: list[_Drop] = []
        issues: list[Issue] = []
        for folder, held in self._folders(given.folders):
            entries = {entry.name: entry for entry in held if not entry.folder}
            for name, entry in entries.items():
                if not fnmatch.fnmatchcase(name, given.own):
                    continue
                base = name.removesuffix(_OK) if given.complete == "ok" else name
                found = re.fullmatch(given.files, base)
                if found is None:
                    issues.append(
                        Issue(
                            "file_name_unknown",
                            f"{folder}{name} is not named as agreed; not read",
                            record=f"{folder}{name}",
                        )
                    )
                elif base != name:
                    if base not in entries:
                        issues.append(
                            Issue(
                                "file_missing",
                                f"{folder}{name} stands without its file",
                                record=f"{folder}{base}",
                            )
                        )
                else:
                    drops.append(_drop(folder, entry, entries.get(name + _OK), found.groupdict()))
        return drops, issues

    def _unsettled(self, given: FeedOptions, drops: list[_Drop], state: _State) -> set[str]:
        """Paths that have not been seen twice as they are; what is seen now is kept for the next run."""

        def fresh(candidates: Iterable[_Drop]) -> dict[str, list[int]]:
            return {
                drop.path: drop.mark
                for drop in candidates
                if not _taken(drop, state) and state.seen.get(drop.path) != drop.mark
            }

        first = fresh(drops)
        state.seen.update(first)
        if not first or not given.settle:
            return set(first)
        time.sleep(given.settle)
        again = {drop.path: drop.mark for drop in self._drops(given)[0]}
        state.seen.update({path: again[path] for path in first if path in again})
        return {path for path, mark in first.items() if again.get(path) != mark}


def _known(feed: Feed) -> list[str]:
    """Names of the contract's columns; [] where the feed has none of its own."""
    found = raw.find(feed.id)
    return list(found.columns) if found else []


def _drop(folder: str, entry: Entry, ok: Entry | None, parts: dict[str, str]) -> _Drop:
    order = parts.get("order") or ""
    if "scope" in parts:
        stem = entry.name[: entry.name.index(parts["scope"]) + len(parts["scope"])]
        return _Drop(f"{folder}{entry.name}", entry, ok, stem, (order, folder.rstrip("/")))
    return _Drop(f"{folder}{entry.name}", entry, ok, None, (folder.rstrip("/"), order))


def _groups(drops: list[_Drop]) -> list[list[_Drop]]:
    """Files that stand for the same thing, the newest first; files whose content tells, each alone, the newest first."""
    scopes: dict[str, list[_Drop]] = {}
    for drop in drops:
        scopes.setdefault(drop.scope or drop.path, []).append(drop)
    groups = [sorted(group, key=lambda drop: drop.order, reverse=True) for group in scopes.values()]
    return sorted(
        groups, key=lambda group: group[0].order if group[0].scope is None else (group[0].scope,), reverse=True
    )


def _taken(drop: _Drop, state: _State) -> bool:
    """It was taken as it is; that its .ok was cleared away since is no news. Where the store says no time, only the content
    tells: the file is fetched and compared."""
    known = state.taken.get(drop.path)
    if not known or not drop.entry.mtime:
        return False
    return known[0] == drop.mark or (drop.ok is None and known[0][:2] == drop.entry.mark)


def _newer(owner: list[Any] | None, drop: _Drop) -> bool:
    return owner is not None and owner[0] > list(drop.order)


def _refusal(drop: _Drop, code: str, detail: str) -> Issue:
    return Issue(code, f"{drop.path} is skipped until it is sent again: {detail}", record=drop.path)


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _damaged(what: str, zh: str) -> ProviderError:
    return ProviderError(
        what,
        remedy="ask the source to send the file again; it is skipped until then",
        zh=f"文件与约定不符：{zh}，请数源部门重新发送，此前跳过该文件。",
        code="file_damaged",
    )
