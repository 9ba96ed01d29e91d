"""Zips from outside, read within limits and never unpacked to disk.

Refused whole: a name that climbs out of its folder, a link, an encrypted entry, entries that share bytes, a method
other than stored and deflate (the others unpack without a bound), more entries or bytes than the limits
(:mod:`connectors.limits`). The sizes are those that the zip declares; an entry is never read past its own, so what
declares less than it holds is damaged.

Names are UTF-8 where the flag or the Unicode Path field (APPNOTE 4.6.9, 0x7075) says so, else GBK (UTF-8 without the
flag is seen by its bytes); ``\\`` becomes ``/``.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from connectors.limits import Limits, check
from core.errors import OneMapError, ProviderError

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_UNICODE_PATH = 0x7075
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL_HEADER = 30  # bytes, before name and extra field
_JUDGED = 64 << 20  # bytes unpacked from which the ratio tells


class UnsafeArchive(ProviderError):
    """It may be whole, but must not be unpacked."""


class DamagedArchive(ProviderError):
    """It is no zip, or not all of one."""


class Archive:
    """An open zip. ``names``: its files, in order, without folders."""

    def __init__(self, opened: zipfile.ZipFile, limits: Limits) -> None:
        self._zip = opened
        self._limits = limits
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
    def open(self, name: str) -> Iterator[Entry]:
        """An entry as a stream. :raises DamagedArchive: on reading what is cut or altered."""
        try:
            stream = self._zip.open(self._infos[name])
        except Exception as error:  # whatever a library says of bytes from outside
            raise _damaged(f"{name}: {_message(error)}") from error
        with stream:
            yield Entry(stream, name)

    def read(self, name: str) -> bytes:
        """An entry in memory. :raises DamagedArchive: it is cut or altered. :raises OverLimit: it is no small one."""
        check(self._limits, "page", self.size(name), name)
        with self.open(name) as stream:
            return stream.read()


@contextmanager
def open_zip(file: Path | IO[bytes], limits: Limits | None = None) -> Iterator[Archive]:
    """:raises DamagedArchive: no zip. :raises UnsafeArchive: see the module's docstring."""
    try:
        opened = zipfile.ZipFile(file)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # whatever a library says of bytes from outside
        raise _damaged(_message(error)) from error
    with opened:
        try:
            archive = Archive(opened, limits or Limits())
        except OneMapError:
            raise
        except Exception as error:
            raise _damaged(_message(error)) from error
        yield archive


class Entry:
    """An entry's bytes as they are asked for; what the library says of damage is said as ours."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self.name = name

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:
            raise _damaged(f"{self.name}: {_message(error)}") from error


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
        if info.compress_type not in _METHODS:
            raise _unsafe(f"{name!r} is packed by method {info.compress_type}, neither stored nor deflate")
        if info.file_size > _JUDGED and info.file_size > limits.ratio * info.compress_size:
            raise _unsafe(f"{name!r} unpacks to more than {limits.ratio} times its size")
        total += info.file_size
        if info.file_size > limits.entry:
            raise _unsafe(f"{name!r} unpacks to {info.file_size} bytes, more than {limits.entry}")
        if total > limits.total:
            raise _unsafe(f"it unpacks to more than {limits.total} bytes")
        found[name] = info
    _apart(found)
    return found


def _apart(infos: dict[str, zipfile.ZipInfo]) -> None:
    """:raises UnsafeArchive: two entries are made of the same bytes."""
    end, before = 0, ""
    for name, info in sorted(infos.items(), key=lambda item: item[1].header_offset):
        if info.header_offset < end:
            raise _unsafe(f"{name!r} and {before!r} share their bytes")
        end, before = info.header_offset + _LOCAL_HEADER + info.compress_size, name


def _name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        raw = name.encode("cp437")  # zipfile's own reading of names without the flag, undone
        name = _unicode_path(info.extra, raw) or _utf8(raw) or raw.decode("gb18030", "replace")
    return name.replace("\\", "/")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the extra field, where it was made for the name that stands in the header; None: there is none."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        if kind == _UNICODE_PATH and len(field) > 5 and struct.unpack_from("<I", field, 1)[0] == zlib.crc32(raw):
            try:
                return field[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
        place += 4 + size
    return None


def _utf8(raw: bytes) -> str | None:
    """ASCII, or Chinese in UTF-8 without its flag. GBK may pass for UTF-8 of two bytes, next to never of three."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if name.isascii() or any(letter >= "\u0800" for letter in name) else None


def _message(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


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
