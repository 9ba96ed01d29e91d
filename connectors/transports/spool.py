"""Messages taken from a broker, safe on disk before they are acknowledged, until our commit says that it has them.

A message is gone from the broker once it is acknowledged, so it is written here first (and synced). The name of the
last file goes into the feed's state, which the pipeline commits with the rows; files up to it are removed at the next
reading, and all others are read again. Killed at any instant, nothing is lost; what comes twice is known by its key.

Files are ``{home}/spool/{feed}/{number}.ndjson``: a line a message, ``{"topic", "payload"}`` or, where the payload is
no UTF-8, ``{"topic", "base64"}``; of a payload beyond the limit its head and ``"bytes"``, how many it had. A line cut off by
a crash was never acknowledged and is taken off.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from io import BufferedWriter
from pathlib import Path

from core import settings

_FILE = 32 << 20  # bytes after which the next file begins: each is decoded as a whole
_HEAD = 1024  # bytes that stay of a payload beyond the limit


class Spool:
    """The folder of one feed. ``through``: the number that the feed's state holds (0: none yet); ``longest``: bytes of a payload."""

    def __init__(self, feed: str, through: int, *, rotate: int = 10_000, longest: int = 8 << 20) -> None:
        self.folder = settings.home() / "spool" / feed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rotate, self.longest = rotate, longest
        for file in self.files():
            if _number(file) <= through:
                file.unlink()
            else:
                _trim(file)
        self.last = max([through, *map(_number, self.files())])
        self._file: BufferedWriter | None = None
        self._count = 0

    def files(self) -> list[Path]:
        """What no commit has said to have, oldest first."""
        return sorted(self.folder.glob("*.ndjson"), key=_number)

    def write(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """(topic, payload) …, on disk when this returns."""
        file = self._file
        if file is None or self._count >= self.rotate or file.tell() >= _FILE:
            self.close()
            self.last += 1
            file = self._file = (self.folder / f"{self.last:09d}.ndjson").open("ab")
            self._count = 0
            _sync(self.folder)
        for topic, payload in messages:
            file.write(line(topic, payload, self.longest))
            self._count += 1
        file.flush()
        os.fsync(file.fileno())

    def close(self) -> None:
        """End the file at hand."""
        if self._file is not None:
            self._file.close()
            self._file = None


def line(topic: str, payload: bytes, longest: int) -> bytes:
    """One message as it stands in a file."""
    if len(payload) > longest:
        head = payload[:_HEAD].decode("utf-8", "backslashreplace")
        record: dict[str, str | int] = {"topic": topic, "payload": head, "bytes": len(payload)}
    else:
        try:
            record = {"topic": topic, "payload": payload.decode()}
        except UnicodeDecodeError:
            record = {"topic": topic, "base64": base64.b64encode(payload).decode()}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _number(file: Path) -> int:
    return int(file.stem)


def _trim(file: Path) -> None:
    body = file.read_bytes()
    whole = body.rfind(b"\n") + 1
    if whole < len(body):
        with file.open("r+b") as opened:
            opened.truncate(whole)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
