"""A hub that is started again and again: loaded once, then forked for each try, so that a blow costs no loading.

A try is a worker and the task that it forked and waits for, as an executor's are. Reads a JSON object a line:
``{"begin": [step, …], "env": {…}, "modules": file or null}`` answers the pids ``[worker, task]`` at once;
``{"wait": worker}`` the worker's exit code when it has ended, -9 when it was killed; ``{"settle": true}`` 0 when every task whose
worker is dead has ended too; ``{"load": file}`` 0 when the modules are loaded that a task named there.

A step is ``sync:<source>.<feed>``, ``unify``, ``supervise`` or ``tidy``.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from cli.stack import processes


def main() -> None:
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries say is no answer
    processes.adopt_orphans()
    import great_expectations  # noqa: F401 - loaded before the fork
    from airflow.sdk import BaseHook  # noqa: F401

    from pipeline import housekeeping, sync, unify  # noqa: F401
    from quality import validation  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        if "begin" in asked:
            answer: object = _begin(asked)
        elif "wait" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        elif "settle" in asked:
            answer = _settle()
        else:
            answer = _load(Path(asked["load"]))
        print(json.dumps(answer), file=told)


def _begin(asked: dict) -> list[int]:
    read, write = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.setsid()
        os.close(read)
        task = os.fork()
        if task == 0:
            os.close(write)
            os.environ.update(asked["env"])
            _task(asked["begin"])
            if asked.get("modules"):
                Path(asked["modules"]).write_text(json.dumps(sorted(sys.modules)))
            os._exit(0)
        os.write(write, str(task).encode())
        os.close(write)
        code = os.waitstatus_to_exitcode(os.waitpid(task, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    os.close(write)
    with os.fdopen(read) as pipe:
        task = int(pipe.read())
    return [worker, task]


def _task(steps: list[str]) -> None:
    from pipeline import housekeeping, sync, unify

    for step in steps:
        kind, _, feed = step.partition(":")
        if kind == "sync":
            sync.source(feed.partition(".")[0], feeds=[feed])
        elif kind == "unify":
            unify.run()
        elif kind == "supervise":
            from supervision import ledger

            ledger.supervise()
        else:
            housekeeping.run()


def _settle() -> int:
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    return 0


def _load(modules: Path) -> int:
    for name in json.loads(modules.read_text()):
        with suppress(Exception):  # one that is made at run time
            import_module(name)
    return 0


if __name__ == "__main__":
    main()
