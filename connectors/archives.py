"""Zips from outside, read within limits and never unpacked to disk.

Refused whole: a name that climbs out of its folder, a link, an encrypted entry, more entries or bytes than the limits
(docs/source-systems.md, D4: 1 GiB an entry, 4 GiB a zip, 10,000 entries unless set otherwise). The sizes are those
that the zip declares; an entry is never read past its own, so what declares less than it holds is damaged.

Names are UTF-8 where the flag says so, else GBK (UTF-8 without the flag is seen by its bytes); ``\\`` becomes ``/``.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.errors import ProviderError

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of an entry, bytes of all, number of entries."""

    entry: int = 1 << 30
    total: int = 4 << 30
    entries: int = 10_000


class UnsafeArchive(ProviderError):
    """It may be whole, but must not be unpacked."""


class DamagedArchive(ProviderError):
    """It is no zip, or not all of one."""


class Archive:
    """An open zip. ``names``: its files, in order, without folders."""

    def __init__(self, opened: zipfile.ZipFile, limits: Limits) -> None:
        self._zip = opened
        self._infos = _checked(opened, limits)

    @property
    def names(self) -> list[str]:
        return list(self._infos)

    def size(self, name: str) -> int:
        """Bytes unpacked."""
        return self._infos[name].file_size

    def verify(self) -> None:
        """Read everything once against its checksum. :raises DamagedArchive: something is cut or altered."""
        for name in self.names:
            with self.open(name) as stream:
                while stream.read(1 << 20):
                    pass

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """An entry as a stream. :raises DamagedArchive: on reading what is cut or altered."""
        try:
            with self._zip.open(self._infos[name]) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise _damaged(f"{name}: {error}") from error

    def read(self, name: str) -> bytes:
        """An entry in memory. :raises DamagedArchive: it is cut or altered."""
        with self.open(name) as stream:
            return stream.read()


@contextmanager
def open_zip(file: Path | IO[bytes], limits: Limits | None = None) -> Iterator[Archive]:
    """:raises DamagedArchive: no zip. :raises UnsafeArchive: see the module's docstring."""
    try:
        opened = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise _damaged(str(error)) from error
    with opened:
        yield Archive(opened, limits or Limits())


def _checked(opened: zipfile.ZipFile, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    infos = opened.infolist()
    if len(infos) > limits.entries:
        raise _unsafe(f"{len(infos)} entries, more than {limits.entries}")
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in infos:
        name = _name(info)
        parts = PurePosixPath(name).parts
        if not name or name.startswith("/") or ".." in parts or (parts and ":" in parts[0]) or "\0" in name:
            raise _unsafe(f"the name {name!r} leads out of the archive")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _unsafe(f"{name!r} is a link")
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise _unsafe(f"{name!r} is encrypted")
        if name.endswith("/"):
            continue
        if name in found:
            raise _unsafe(f"{name!r} stands in it twice")
        total += info.file_size
        if info.file_size > limits.entry:
            raise _unsafe(f"{name!r} unpacks to {info.file_size} bytes, more than {limits.entry}")
        if total > limits.total:
            raise _unsafe(f"it unpacks to more than {limits.total} bytes")
        found[name] = info
    return found


def _name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        raw = name.encode("cp437")  # zipfile's own reading of names without the flag, undone
        name = _utf8(raw) or raw.decode("gb18030", "replace")
    return name.replace("\\", "/")


def _utf8(raw: bytes) -> str | None:
    """ASCII, or Chinese in UTF-8 without its flag. GBK may pass for UTF-8 of two bytes, next to never of three."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if name.isascii() or any(letter >= "\u0800" for letter in name) else None


def _damaged(why: str) -> DamagedArchive:
    return DamagedArchive(
        f"no readable zip: {why}",
        remedy="the source has to send the file again",
        zh=f"压缩包损坏或不完整（{why}），请数源部门重新发送。",
        code="archive_damaged",
    )


def _unsafe(why: str) -> UnsafeArchive:
    return UnsafeArchive(
        f"unsafe zip: {why}",
        remedy="refused as a whole; ask the source's owner what they sent, or raise the limits in the declaration",
        zh=f"压缩包存在风险，已整体拒收（{why}），请向数源部门核实，或在声明中调整上限。",
        code="archive_unsafe",
    )
