"""Folders for files on their way: inside of the run folder, for this user alone, and gone when their process is.

A process that is killed cannot tidy up; what it left may hold personal data as received. Each folder is held by a lock that
dies with its process, so the next run finds and removes what nobody holds any more (:func:`sweep`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from core import settings

_MARK = ".held"
_YOUNG = 60  # seconds in which a folder may not be locked yet


def root() -> Path:
    """Where they stand."""
    built = settings.home() / "tmp"
    built.mkdir(mode=0o700, parents=True, exist_ok=True)
    return built


class Folder:
    """A folder that goes with :meth:`cleanup`, with its block, or with its process."""

    def __init__(self, prefix: str = "onemap-") -> None:
        self.name = tempfile.mkdtemp(prefix=prefix, dir=root())
        self._held = os.open(Path(self.name) / _MARK, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def cleanup(self) -> None:
        """Remove it with all that is in it; twice is once."""
        if self._held >= 0:
            shutil.rmtree(self.name, ignore_errors=True)
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.cleanup()


def sweep() -> int:
    """Remove folders of processes that are gone; returns how many."""
    count = 0
    for folder in root().iterdir():
        try:
            if time.time() - folder.stat().st_mtime < _YOUNG and not (folder / _MARK).exists():
                continue
            mark = os.open(folder / _MARK, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:  # gone meanwhile, or no folder of ours
            continue
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
        except BlockingIOError:
            continue
        finally:
            os.close(mark)
    return count
