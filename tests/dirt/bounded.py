"""Decodes payloads under limits, in a process that may be ended: ``python -m tests.dirt.bounded FOLDER``.

Files are named ``<feed>#<number>``. Each gets so much processor time, and all together so much memory; the one that is being
read is told before it is read, so that whoever waits knows which one ended the process.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from tests.dirt.machine import Recorded

CPU = 5.0  # of one payload of some KiB: a second where the machine is busy is a tenth of it
MEMORY = 2 << 30  # of address space, over what the process has when it has loaded all


def main() -> None:
    recorded: dict[str, Recorded] = {}
    paths = sorted(Path(sys.argv[1]).iterdir())
    for path in paths:
        feed = path.name.partition("#")[0]
        if feed not in recorded:
            recorded[feed] = Recorded.of(feed)
            recorded[feed].read(recorded[feed].body)  # what is loaded at the first reading
    status = Path("/proc/self/status").read_text().splitlines()
    now = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY,) * 2)
    for path in paths:
        print(path.name, flush=True)
        signal.setitimer(signal.ITIMER_PROF, CPU)  # unhandled, SIGPROF ends the process
        recorded[path.name.partition("#")[0]].read(path.read_bytes())
        signal.setitimer(signal.ITIMER_PROF, 0)
    print("all", flush=True)


if __name__ == "__main__":
    main()
