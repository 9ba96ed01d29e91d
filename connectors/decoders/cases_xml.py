"""A zip with a manifest and a document of CASE elements → rows of text, as D4 has them.

``manifest.xml`` lists every entry with the md5 of its unpacked bytes, and for the document the number of its CASEs
(``schemas/contracts/d4-manifest.xsd``). The document may have hundreds of megabytes: it is read as a stream. A CASE
with bytes that do not decode, or that is no XML, is rejected alone; all else that is wrong refuses the file whole.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.base import Batch, Issue, Reject
from connectors.decoders import archives, rows, xml
from connectors.limits import Limits
from core.errors import ProviderError
from sources.options.files import CasesOptions

MEDIA_TYPE = "application/zip"
_MANIFEST = "manifest.xml"
_MANIFEST_BYTES = 16 << 20
_CHUNK = 2000
_CHUNK_CHARS = 16 << 20
_READ = 1 << 20


@dataclass(slots=True)
class Inspection:
    """Rows of the document, and what is to be reported."""

    rows: int
    issues: list[Issue]


def inspect(body: bytes | Path, options: CasesOptions, limits: Limits) -> Inspection:
    """Everything that the manifest says, proven against the bytes.

    :raises ProviderError: the zip is damaged or unsafe, an entry is unlisted, missing or altered, the document is not
        well-formed, unsafe, or has another number of records.
    """
    issues: list[Issue] = []
    with archives.open_zip(_file(body), limits) as archive:
        listed = _manifest(archive)
        names = set(archive.names) - {_MANIFEST}
        for name in sorted(names ^ listed.keys()):
            missing = name not in names
            raise _damaged(
                f"{name} is {'listed in' if missing else 'missing from'} the manifest and {'not ' if missing else ''}in the zip",
                f"{name} 在清单中{'有而压缩包中无' if missing else '无而压缩包中有'}",
            )
        if options.document not in names:
            raise _damaged(f"it has no {options.document}", f"缺少 {options.document}")
        for name in sorted(names):
            digest = hashlib.md5(usedforsecurity=False)
            with archive.open(name) as stream:
                while piece := stream.read(_READ):
                    digest.update(piece)
            if digest.hexdigest() != listed[name].md5:
                raise _damaged(f"the md5 of {name} is not the manifest's", f"{name} 的 md5 与清单不符")
        count = sum(1 for _ in _records(archive, options, limits))
        claimed = listed[options.document].rows
        if claimed is None:
            issues.append(
                Issue("count_absent", f"the manifest does not say how many {options.record} {options.document} has")
            )
        elif claimed != count:
            raise _damaged(
                f"the manifest says {claimed} {options.record}, there are {count}",
                f"清单称 {claimed} 条 {options.record}，实有 {count} 条",
            )
    return Inspection(count, issues)


def decode(
    body: bytes | Path, scope: str, options: CasesOptions, key: list[str], known: list[str], limits: Limits
) -> Iterator[Batch]:
    """The document's records in flat memory. Raises as :func:`inspect`."""
    with archives.open_zip(_file(body), limits) as archive:
        entries = set(archive.names)
        batch = _Rows(known, scope, limits)
        single = frozenset(known) - {*options.nested, options.attachment}
        for one in _records(archive, options, limits):
            place = f"{options.record} {one.number}"
            if one.broken:
                batch.rejects.append(_broken(one, place, options, key))
                if batch.full:
                    yield batch.take()
                continue
            row = xml.record(one.element, options.nested)
            name = "|".join(row.get(column) or "" for column in key)
            if one.damaged:
                batch.rejects.append(
                    Reject(
                        place,
                        "undecodable",
                        f"{place} of {options.document} has bytes that are no text; they stand as \\xNN",
                        xml.shown(one.element),
                        None if xml.DAMAGE in name else name,
                    )
                )
                if batch.full:
                    yield batch.take()
                continue
            if double := xml.twice(one.element, single):
                batch.rejects.append(xml.ambiguous(one.element, place, double, name))
                if batch.full:
                    yield batch.take()
                continue
            if options.attachment:
                for element in xml.children(one.element, options.attachment):
                    if (href := (element.get("href") or "").strip().replace("\\", "/")) not in entries:
                        batch.issues.append(
                            Issue(
                                "attachment_missing",
                                f"{place}: the zip has no {href!r}",
                                record=name,
                                field=options.attachment,
                            )
                        )
            batch.add(row, place)
            if batch.full:
                yield batch.take()
        if batch.holds:
            yield batch.take()


def _records(archive: archives.Archive, options: CasesOptions, limits: Limits) -> Iterator[xml.Record]:
    @contextmanager
    def opened() -> Iterator[xml.Readable]:
        with archive.open(options.document) as stream:
            yield stream

    return xml.records(opened, options.record, encoding=options.encoding, limits=limits)


def _broken(one: xml.Record, place: str, options: CasesOptions, key: list[str]) -> Reject:
    """A record that is no XML, by its key where that can be read."""
    raw = one.element.text or ""
    found = [re.search(rf"<(?:[\w.-]+:)?{re.escape(name)}>([^<]*)</", raw) for name in key]
    values = [match[1].strip() if match else "" for match in found]
    name = "|".join(values) if all(values) and xml.DAMAGE not in "".join(values) else None
    message = f"{place} of {options.document} is no XML: {one.broken}"
    return Reject(place, "xml_damaged", message, raw[: xml.RAW], name)


class _Rows:
    """Rows of the next batch."""

    def __init__(self, known: list[str], scope: str, limits: Limits) -> None:
        self._known, self._scope, self._limits = known, scope, limits
        self._start()

    def _start(self) -> None:
        self._records: list[dict[str, str | None]] = []
        self._places: list[str] = []
        self._chars = 0
        self.rejects: list[Reject] = []
        self.issues: list[Issue] = []

    def add(self, row: dict[str, str | None], place: str) -> None:
        self._records.append(row)
        self._places.append(place)
        self._chars += sum(len(value) for value in row.values() if value)

    @property
    def full(self) -> bool:
        return len(self._records) >= _CHUNK or self._chars >= _CHUNK_CHARS or len(self.rejects) >= _CHUNK

    @property
    def holds(self) -> bool:
        return bool(self._records or self.rejects or self.issues)

    def take(self) -> Batch:
        table, rejects = rows.bounded(self._records, self._places, self._known, self._limits)
        batch = Batch(table, self.rejects + rejects, self.issues, self._scope)
        self._start()
        return batch


@dataclass(frozen=True, slots=True)
class _Listed:
    md5: str
    rows: int | None


def _manifest(archive: archives.Archive) -> dict[str, _Listed]:
    if _MANIFEST not in archive.names:
        raise _damaged(f"it has no {_MANIFEST}", f"缺少 {_MANIFEST}")
    if archive.size(_MANIFEST) > _MANIFEST_BYTES:
        raise _damaged(f"{_MANIFEST} has more than {_MANIFEST_BYTES} bytes", f"{_MANIFEST} 过大")
    listed: dict[str, _Listed] = {}
    for element in xml.children(xml.parse(archive.read(_MANIFEST), what=_MANIFEST), "file"):
        name, md5, count = (
            element.get("name"),
            element.get("md5", "").strip().lower(),
            (element.get("rows") or "").strip(),
        )
        if not name or not re.fullmatch(r"[0-9a-f]{32}", md5) or not re.fullmatch(r"\d*", count):
            raise _damaged(
                f"{_MANIFEST} has an entry without name, md5 or a number of rows", f"{_MANIFEST} 的条目不完整"
            )
        name = name.strip().replace("\\", "/").removeprefix("./")
        if name != _MANIFEST:
            listed[name] = _Listed(md5, int(count) if count else None)
    return listed


def _file(body: bytes | Path) -> Path | io.BytesIO:
    return io.BytesIO(body) if isinstance(body, bytes) else body


def _damaged(what: str, zh: str) -> ProviderError:
    return ProviderError(
        f"the zip is not as agreed: {what}",
        remedy="ask the source to send the file again; it is skipped until then",
        zh=f"压缩包不合约定：{zh}，请数源部门重新发送，此前跳过该文件。",
        code="file_damaged",
    )
