"""A run of its own process that is killed at a named place: ``python -m tests.pipeline.killed <place>``.

A place is ``module:function``, killed as the function is called, with ``#n`` the n-th time.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time

from pipeline import registry
from tests.pipeline.fake import Answers, FakeConnector
from tests.pipeline.rows import case, run, window

PAGES = [[case(n) for n in range(start, start + 5)] for start in (0, 5, 10)]


def kill_at(place: str) -> None:
    """Arrange for SIGKILL when the place is reached."""
    where, _, times = place.partition("#")
    module_name, _, name = where.partition(":")
    module = importlib.import_module(module_name)
    true, left = getattr(module, name), [int(times or 1)]

    def deadly(*args, **options):
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return true(*args, **options)

    setattr(module, name, deadly)


def main() -> None:
    """Run m2.sb once."""
    answers = {"m2.sb": Answers(pages=PAGES, state={"position": 3})}
    registry.connector = lambda source: FakeConnector(source, answers)
    from pipeline import decode

    decode.BATCH_ROWS = 5
    kill_at(sys.argv[1])
    run("m2.sb", window("2026-03-01", "2026-03-02"))


if __name__ == "__main__":
    main()
