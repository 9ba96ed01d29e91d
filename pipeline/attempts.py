"""Decoding that ended the process, or never ends: known at the next try, and given up after some.

Decoders call libraries in C, and regular expressions: a limit that is met raises, a crash or an endless loop in them does
neither. So what is being decoded stands in a file of the run folder, which its process holds locked: a file that nobody holds
names the bytes that ended a process. A step of decoding that takes longer than :data:`PATIENCE` ends the process itself: nothing
else stops a thread in C. After :data:`TRIES` the payload is rejected undecoded, and what comes behind it goes on; so it stays
until another version of the hub comes, or nobody asked for it for a month (housekeeping).
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from core import settings
from core.version import VERSION

log = logging.getLogger(__name__)
TRIES = 4
PATIENCE = 900.0  # seconds of one batch of rows: some hundred times what the slowest takes
ENDED = 70  # EX_SOFTWARE of sysexits.h
_RUNNING, _FAILED = ".running", ".failed"
_DIGEST = 64  # hexadecimal digits of SHA-256


def _folder() -> Path:
    return settings.home() / "decoding"


class Attempts:
    """The decoding of one run of a feed; to be used within ``with``."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._deadline: float | None = None
        self._over = threading.Event()

    def __enter__(self) -> Attempts:
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._count_dead(folder)
        self._failed = {
            path.stem.rpartition("-")[2]: _number(path) for path in folder.glob(f"{self._feed}-{VERSION}-*{_FAILED}")
        }
        self._path = folder / f"{self._feed}-{uuid.uuid4().hex}{_RUNNING}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        threading.Thread(target=self._watch, daemon=True, name="decode-watch").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def failed(self, sha256: str) -> int:
        """How often decoding these bytes ended a process before."""
        return self._failed.get(sha256, 0)

    def survived(self, sha256: str) -> None:
        """These bytes were decoded to their end: whatever ended a process before was not they."""
        if self._failed.pop(sha256, None):
            (_folder() / f"{self._feed}-{VERSION}-{sha256}{_FAILED}").unlink(missing_ok=True)

    @contextmanager
    def step(self, sha256: str) -> Iterator[None]:
        """One step of decoding these bytes."""
        os.pwrite(self._file, sha256.encode(), 0)
        self._deadline = time.monotonic() + PATIENCE
        try:
            yield
        finally:  # an exception is an end too; only a process that is no more leaves its mark
            self._deadline = None
            os.pwrite(self._file, b"-" * _DIGEST, 0)

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            deadline = self._deadline  # read once: the step may end meanwhile, and the watch must outlive it
            if deadline is not None and time.monotonic() > deadline:
                log.critical("%s: decoding one payload takes more than %.0f s; the process ends", self._feed, PATIENCE)
                os._exit(ENDED)

    def _count_dead(self, folder: Path) -> None:
        """What processes that are gone left, added to what these bytes did before."""
        for path in folder.glob(f"{self._feed}-*{_RUNNING}"):
            with suppress(OSError), path.open("rb") as file:  # held by another run, or gone meanwhile
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                sha256 = file.read(_DIGEST).decode("ascii", "replace")
                if sha256.isalnum():
                    count = folder / f"{self._feed}-{VERSION}-{sha256}{_FAILED}"
                    count.write_text(str(_number(count) + 1))
                path.unlink(missing_ok=True)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def sweep(keep: timedelta) -> int:
    """Remove what nobody asked for again; returns how many."""
    oldest, count = time.time() - keep.total_seconds(), 0
    for path in _folder().glob(f"*{_FAILED}"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            count += 1
    return count
