"""A hub that is started again and again: loaded once, then forked for each try, so that a kill costs no loading.

Reads a JSON object a line: ``{"begin": [source, …], "env": {…}}`` answers the child's pid at once, ``{"wait": pid}`` its exit code
when it has ended.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries say is no answer
    import great_expectations  # noqa: F401 - loaded before the fork
    from airflow.sdk import BaseHook  # noqa: F401

    from pipeline import housekeeping, sync, unify
    from quality import validation  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), file=told)
            continue
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.environ.update(asked["env"])
            for source in asked["begin"]:
                sync.source(source)
            unify.run()
            housekeeping.reap()
            housekeeping.drop_staging()
            os._exit(0)
        print(pid, file=told)


if __name__ == "__main__":
    main()
