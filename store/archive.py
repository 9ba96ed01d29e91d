"""The archive of received bytes: untouched, named by their SHA-256, compressed, written whole or not at all.

A folder by default, any fsspec file system in production (``ONEMAP_ARCHIVE_URL``). A payload lies at
``<first two digits>/<sha256>.zst``; the journal of what was received and decided (:mod:`store.journal`) beside them, in
``journal/``. Files are readable by their owner alone. Equal bytes are kept once. Writing goes through a temporary name: in a folder
it is synced to the disk and renamed; into an object store a whole file is uploaded, and shown only when that has ended.
``s3://bucket/prefix`` is any store that speaks S3 (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import zstandard
from fsspec.implementations.local import LocalFileSystem

from core import filesystems, scratch, settings
from core.errors import InternalError, storage_error

CHUNK = 1 << 20
_LEVEL = 1  # a tenth larger than the default, in half the time


@dataclass(frozen=True, slots=True)
class Archived:
    """What is archived: SHA-256 (hex) and size of the bytes as they came."""

    sha256: str
    size: int


def _place(sha256: str) -> tuple[fsspec.AbstractFileSystem, str]:
    return _named(f"{sha256[:2]}/{sha256}.zst")


def _named(name: str) -> tuple[fsspec.AbstractFileSystem, str]:
    filesystem, root = filesystems.at(settings.archive_url())
    return filesystem, f"{root.rstrip('/')}/{name}"


def _pieces(body: bytes | Path) -> Iterator[bytes | memoryview]:
    if isinstance(body, Path):
        with body.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    else:
        view = memoryview(body)
        for start in range(0, len(view), CHUNK):
            yield view[start : start + CHUNK]


def digest(body: bytes | Path) -> Archived:
    """SHA-256 and size of bytes or of a file, in flat memory."""
    counted, size = hashlib.sha256(), 0
    for piece in _pieces(body):
        counted.update(piece)
        size += len(piece)
    return Archived(counted.hexdigest(), size)


def put(body: bytes | Path) -> Archived:
    """Keep bytes, or a file's; returns when they are safe. What is there already is not written again.

    :raises InternalError: the file changed while it was read.
    """
    stored = digest(body)
    filesystem, path = _place(stored.sha256)
    if filesystem.exists(path):
        return stored
    _write(filesystem, path, lambda file: _compress(body, file, stored))
    return stored


def _write(filesystem: fsspec.AbstractFileSystem, path: str, fill: Callable[[BinaryIO], object]) -> None:
    """A file, whole or not at all, and on the disk when this returns.

    :raises OneMapError: the disk is full, may not be written to, or fails (:func:`core.errors.storage_error`).
    """
    try:
        if isinstance(filesystem, LocalFileSystem):
            _write_local(Path(path), fill)
            return
        with scratch.Folder(prefix="onemap-") as folder:  # an upload that is broken off could end as a whole object
            part = Path(folder) / "part"
            with part.open("wb") as file:
                fill(file)
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(part), path)
    except OSError as error:
        raise storage_error(error, path) from error
    except Exception as error:
        if (refused := filesystems.object_store_error(error)) is None:
            raise
        raise storage_error(refused, path) from error


def _write_local(target: Path, fill: Callable[[BinaryIO], object]) -> None:
    private_folder(target.parent)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name must outlive a power cut as well
    finally:
        os.close(folder)


def private_folder(folder: Path) -> None:
    """Every folder down to that one, for their owner alone."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _compress(body: bytes | Path, file: BinaryIO, stored: Archived) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    if isinstance(body, bytes):
        file.write(compressor.compress(body))
        return
    counted = hashlib.sha256()
    with compressor.stream_writer(file, closefd=False, size=stored.size) as writer:
        for piece in _pieces(body):
            counted.update(piece)
            writer.write(piece)
    if counted.hexdigest() != stored.sha256:
        raise InternalError(
            "a file changed while it was archived",
            remedy="connectors must hand over files that nothing writes to any more",
            zh="归档时文件仍在变化。",
        )


def write_document(name: str, document: Any) -> None:
    """A JSON document beside the payloads, compressed; ``name`` is a path below the archive, replaced if it is there.

    :raises OneMapError: the disk is full, may not be written to, or fails (:func:`core.errors.storage_error`).
    """
    body = zstandard.ZstdCompressor(write_checksum=True).compress(
        json.dumps(document, ensure_ascii=False, default=str).encode()
    )
    filesystem, path = _named(f"{name}.json.zst")
    _write(filesystem, path, lambda file: file.write(body))


def read_document(name: str) -> Any:
    """What :func:`write_document` wrote; None: there is none. :raises InternalError: it is damaged."""
    filesystem, path = _named(f"{name}.json.zst")
    try:
        return json.loads(zstandard.ZstdDecompressor().decompress(filesystem.cat_file(path)))
    except FileNotFoundError:
        return None
    except (zstandard.ZstdError, ValueError) as error:
        raise _damaged(name) from error


def documents(folder: str) -> list[str]:
    """Names of the documents below a folder of the archive, sorted."""
    filesystem, path = _named(folder)
    if not filesystem.exists(path):
        return []
    found = [name.removesuffix(".json.zst") for name in filesystem.find(path) if name.endswith(".json.zst")]
    return sorted(f"{folder}/{name[name.index(f'/{folder}/') + len(folder) + 2 :]}" for name in found)


def exists(sha256: str) -> bool:
    """Whether the archive holds these bytes."""
    filesystem, path = _place(sha256)
    return filesystem.exists(path)


def read(sha256: str) -> Iterator[bytes]:
    """The bytes in pieces of at most 1 MiB; the last one comes only if all of them match their name.

    :raises InternalError: they are missing, or damaged.
    """
    filesystem, path = _place(sha256)
    counted = hashlib.sha256()
    last = b""
    try:
        if not filesystem.exists(path):
            raise FileNotFoundError(path)
        with (
            filesystem.open(path, "rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as reader,
        ):
            while piece := reader.read(CHUNK):
                counted.update(piece)
                if last:
                    yield last
                last = piece
    except FileNotFoundError:
        raise InternalError(
            f"the archive has no {sha256}",
            remedy="restore the archive from its backup; check ONEMAP_ARCHIVE_URL",
            zh=f"归档中缺少报文 {sha256}，请检查 ONEMAP_ARCHIVE_URL 或从备份恢复。",
        ) from None
    except zstandard.ZstdError as error:
        raise _damaged(sha256) from error
    if counted.hexdigest() != sha256:
        raise _damaged(sha256)
    if last:
        yield last


def _damaged(sha256: str) -> InternalError:
    return InternalError(
        f"the archived bytes of {sha256} are damaged",
        remedy="restore the payload from a backup of the archive",
        zh=f"归档报文 {sha256} 已损坏，请从备份恢复。",
    )


def get(sha256: str) -> bytes:
    """The whole of a payload, verified. For large ones: :func:`opened`.

    :raises InternalError: missing, or damaged.
    """
    return b"".join(read(sha256))


@contextmanager
def opened(sha256: str, size: int, in_memory: int = 8 << 20) -> Iterator[bytes | Path]:
    """A payload as a connector decodes it: bytes up to ``in_memory``, else a file that lives in the context."""
    if size <= in_memory:
        yield get(sha256)
        return
    with scratch.Folder(prefix="onemap-") as folder:
        path = Path(folder) / sha256
        with path.open("wb") as file:
            for piece in read(sha256):
                file.write(piece)
        yield path


def drop(sha256: str) -> None:
    """Take bytes out of the archive, at the end of their keeping."""
    filesystem, path = _place(sha256)
    if filesystem.exists(path):
        filesystem.rm_file(path)


def listing() -> Iterator[str]:
    """The SHA-256 of everything that the archive holds."""
    filesystem, root = filesystems.at(settings.archive_url())
    if not filesystem.exists(root):
        return
    for folder in filesystem.ls(root, detail=False):
        if len(folder.rstrip("/").rpartition("/")[2]) != 2:
            continue  # the journal
        for path in filesystem.ls(folder, detail=False):
            name = path.rpartition("/")[2]
            if name.endswith(".zst") and not name.startswith("."):
                yield name.removesuffix(".zst")
