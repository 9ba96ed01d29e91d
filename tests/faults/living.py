"""A hub that lives on, as a worker does: ``python -m tests.faults.living``.

Each line read is a list of sources, by comma: they are synced, the store is unified and supervised, every tenth time tidied.
Answers with the outcomes of the round, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

TIDIED = 10  # rounds


def main() -> None:
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries say is no answer
    from pipeline import health, housekeeping, sync, unify
    from supervision import ledger

    for number, line in enumerate(sys.stdin, 1):
        outcomes = [outcome for source in line.strip().split(",") for outcome in sync.source(source)]
        unify.run()
        ledger.supervise()
        health.health()
        if number % TIDIED == 0:
            housekeeping.run()
        counts = Counter(outcome.outcome for outcome in outcomes)
        faults = Counter(f"{o.feed}:{o.fault}" for o in outcomes if o.fault)
        print(
            json.dumps({"outcomes": counts, "faults": faults, "rows": sum(o.counts.rows_in for o in outcomes)}),
            file=told,
        )


if __name__ == "__main__":
    main()
