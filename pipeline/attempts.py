"""Decoding that ended the process, or never ends: known at the next try, and given up at the fifth.

Decoders call libraries in C, and regular expressions: a limit that is met raises, a crash or an endless loop in them does
neither. So a payload that is being decoded stands in a file of the run folder; what is found there when the same bytes come
again ended the process before. A step of decoding that takes longer than :data:`PATIENCE` ends the process itself: nothing
else stops a thread in C. After :data:`TRIES` the payload is rejected undecoded, and what comes behind it goes on; so it stays until another version of the hub comes, or nobody asked for a month.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from core import settings
from core.version import VERSION

log = logging.getLogger(__name__)
TRIES = 4
PATIENCE = 900.0  # seconds of one batch of rows: some hundred times what the slowest takes
ENDED = 70  # EX_SOFTWARE of sysexits.h


def _folder() -> Path:
    return settings.home() / "decoding"


class Attempt:
    """``failed``: how often decoding these bytes ended the process before."""

    def __init__(self, feed: str, sha256: str) -> None:
        self.feed = feed
        self._path = _folder() / f"{feed}-{sha256}-{VERSION}"  # another version tries anew
        try:
            self.failed = int(self._path.read_text() or 0)
        except (OSError, ValueError):
            self.failed = 0

    @contextmanager
    def step(self, end: Callable[[int], object] = os._exit) -> Iterator[None]:
        """One step of decoding: what is left behind says that it did not come to an end; one that takes too long ends the process."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.write_text(str(self.failed + 1))
        timer = threading.Timer(PATIENCE, self._give_up, [end])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:  # an exception is an end too; only a process that is no more leaves the file
            timer.cancel()
            self._path.unlink(missing_ok=True)

    def _give_up(self, end: Callable[[int], object]) -> None:
        log.critical("%s: decoding one payload takes more than %.0f s; the process ends", self.feed, PATIENCE)
        end(ENDED)


def sweep(keep: timedelta) -> int:
    """Remove what nobody asked for again; returns how many."""
    oldest, count = time.time() - keep.total_seconds(), 0
    for path in _folder().glob("*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            count += 1
    return count
