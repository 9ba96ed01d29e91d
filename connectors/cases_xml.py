"""A zip with a manifest and a document of CASE elements → rows of text, as D4 has them.

``manifest.xml`` lists every entry with the md5 of its unpacked bytes, and for the document the number of its CASEs
(``schemas/contracts/d4-manifest.xsd``). The document may have hundreds of megabytes: it is read as a stream. A CASE
with bytes that do not decode is rejected alone; all else that is wrong refuses the file whole.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field

from connectors import archives, rows, xml
from connectors.base import Batch, Issue, Reject
from core.errors import ProviderError

MEDIA_TYPE = "application/zip"
_MANIFEST = "manifest.xml"
_MANIFEST_BYTES = 16 << 20
_CHUNK = 2000
_CHUNK_CHARS = 16 << 20
_READ = 1 << 20


class CasesOptions(BaseModel):
    """``options.cases`` of a feed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: str = "cases.xml"
    record: str = "CASE"
    encoding: str = Field("gb18030", description="Of a document that declares none and is no UTF-8")
    nested: list[str] = Field(default_factory=list, description="Elements that may repeat, always a JSON list")
    attachment: str | None = Field(None, description="The element whose href names an entry")


@dataclass(slots=True)
class Inspection:
    """Rows of the document, and what is to be told."""

    rows: int
    issues: list[Issue]


def inspect(body: bytes | Path, options: CasesOptions, limits: archives.Limits) -> Inspection:
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
        count = 0
        for name in sorted(names):
            digest = hashlib.md5(usedforsecurity=False)
            with archive.open(name) as stream:
                if name == options.document:
                    tap = _Tap(stream, digest)
                    count = sum(1 for _ in xml.stream(tap, options.record, encoding=_encoding(archive, options)))
                    tap.drain()
                else:
                    while piece := stream.read(_READ):
                        digest.update(piece)
            if digest.hexdigest() != listed[name].md5:
                raise _damaged(f"the md5 of {name} is not the manifest's", f"{name} 的 md5 与清单不符")
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
    body: bytes | Path, scope: str, options: CasesOptions, key: list[str], known: list[str], limits: archives.Limits
) -> Iterator[Batch]:
    """The document's records in flat memory. Raises as :func:`inspect`."""
    with archives.open_zip(_file(body), limits) as archive, archive.open(options.document) as stream:
        entries, encoding = set(archive.names), _encoding(archive, options)
        batch = _Rows(known, scope)
        for one in xml.stream(stream, options.record, encoding=encoding):
            place = f"{options.record} {one.number}"
            row = xml.record(one.element, options.nested)
            name = "|".join(row.get(column) or "" for column in key)
            if one.damaged:
                batch.rejects.append(
                    Reject(
                        place,
                        "undecodable",
                        f"{place} of {options.document} has bytes that are no text; they stand as \\xNN",
                        etree.tostring(one.element, encoding="unicode", with_tail=False),
                        None if xml.DAMAGE in name else name,
                    )
                )
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


class _Rows:
    """Rows of the next batch."""

    def __init__(self, known: list[str], scope: str) -> None:
        self._known, self._scope = known, scope
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
        batch = Batch(rows.table(self._records, self._places, self._known), self.rejects, self.issues, self._scope)
        self._start()
        return batch


class _Tap:
    """A stream whose bytes go through a digest as they are read."""

    def __init__(self, stream: IO[bytes], digest: hashlib._Hash) -> None:
        self._stream, self._digest = stream, digest
        self.name = getattr(stream, "name", "")

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._digest.update(piece)
        return piece

    def drain(self) -> None:
        while self.read(_READ):
            pass


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


def _encoding(archive: archives.Archive, options: CasesOptions) -> str | None:
    """The charset to read the document in; None: as it declares."""
    with archive.open(options.document) as stream:
        head = stream.read(1 << 16)
    declares = re.match(rb"\s*<\?xml[^>]*\bencoding\s*=", head) or head.startswith(
        (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
    )
    return None if declares or _is_utf8(head) else options.encoding


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and not head.isascii()  # cut inside its last character
    return not head.isascii()


def _file(body: bytes | Path) -> Path | io.BytesIO:
    return io.BytesIO(body) if isinstance(body, bytes) else body


def _damaged(what: str, zh: str) -> ProviderError:
    return ProviderError(
        f"the zip is not as agreed: {what}",
        remedy="ask the source to send the file again; it is skipped until then",
        zh=f"压缩包不合约定：{zh}，请数源部门重新发送，此前跳过该文件。",
        code="file_damaged",
    )
