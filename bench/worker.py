"""The hub's side of the hot path: a worker process of its own, told what to read on standard input.

Each line in is ``{"base": URL, "rows": n}``, each line out ``{"seconds", "counts", "phases", "peak_mib"}``. The process
stays, as a worker of a hub does: what was compiled and imported for one batch serves the next. The database and the
run folder come from the environment.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from bench.licences import FEED, Pages
from connectors.base import Window
from connectors.endpoint import Endpoint
from pipeline import plan, registry, sync
from sources.declaration import Source


def batch(base: str, rows: int) -> dict[str, Any]:
    """Read a listing into the store."""

    def connector(of: Source) -> Pages:
        reader = Pages(of, Endpoint("bench", "http", ""))
        reader.base, reader.rows = base, rows
        return reader

    registry.connector = connector
    begun = time.perf_counter()
    outcome = sync.run(plan.task(registry.feed(FEED)[1], Window(full=True)), trigger="bench")
    spent = time.perf_counter() - begun
    if outcome.outcome != "ok":
        raise SystemExit(f"the hub failed: {outcome.error}")
    return {
        "seconds": spent,
        "counts": outcome.as_dict()["counts"],
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(batch(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
