"""A hub that is started again and again: loaded once, then forked for each try, so that a kill costs no loading.

Reads ``<sources, by comma>`` a line; answers the child's pid at once and, when it has ended, its exit code.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries say is no answer
    from airflow.sdk import BaseHook  # noqa: F401 - loaded before the fork

    from pipeline import housekeeping, sync, unify

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for source in line.strip().split(","):
                sync.source(source)
            unify.run()
            housekeeping.reap()
            housekeeping.drop_staging()
            os._exit(0)
        print(pid, file=told)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=told)


if __name__ == "__main__":
    main()
