"""A batch of many pages in a process of its own, which tells its peak memory: ``python -m tests.pipeline.heavy <pages>``."""

from __future__ import annotations

import json
import resource
import sys
from datetime import datetime

from connectors.base import Payload, Proof
from pipeline import decode, registry
from quality import validation
from tests.pipeline.fake import FakeConnector
from tests.pipeline.rows import case, run, window

PAGE = 500


class Pages(FakeConnector):
    """Makes its pages as they are asked for."""

    def fetch(self, feed, window, state):
        now = datetime(2026, 3, 1)
        for page in range(int(sys.argv[1])):
            rows = [case(page * PAGE + n, SQRMC="东莞市精密科技有限公司" * 5) for n in range(PAGE)]
            yield Payload(json.dumps(rows, ensure_ascii=False).encode(), "application/json", {"page": page}, now, now)
        yield Proof(True, "every page")


def main() -> None:
    """Run m2.sb once; prints new records and the peak in kilobytes."""
    registry.connector = lambda source: Pages(source, {})
    validation.validate = lambda connection, staged: []
    decode.BATCH_ROWS = 2_000
    outcome = run("m2.sb", window(None, None))
    print(outcome.counts.new, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
