"""Findings against the planted truth of told worlds: ``python -m bench.supervision_score [--seeds 20] [--projects 120] [--later 17]``.

Each world is taken in through mappings, checks and merge, judged as of its day, then moved on and judged again. Printed:
precision and recall by rule. Ends with 1 where anything planted is not found, or anything else is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench import scratch
from standins import world
from supervision.ledger import on_day
from tests.supervision.test_scored import key, not_over
from tests.supervision.told import planted, take

FIRST_DAY = date(2026, 1, 20)


def score(folder: Path, patch: pytest.MonkeyPatch, scratch_folder: Path) -> tuple[Counter, Counter, Counter]:
    """(right, wrong, missed) by rule."""
    now = take(folder, patch, scratch_folder / "clock")
    judged = on_day(now.date()).findings
    found = {key(row) for row in judged.to_dicts() if not row["waits_for"]}
    early = not_over(judged, now.date())  # rightly not judged yet: neither found nor missed
    truth = {key(row) for row in planted(folder)} - early
    for row in sorted(early):
        print(f"    waits:       {row}", flush=True)
    for row in sorted(found - truth):
        print(f"    not planted: {row}", flush=True)
    for row in sorted(truth - found):
        print(f"    not found:   {row}", flush=True)
    return tuple(Counter(row[0] for row in rows) for rows in (found & truth, found - truth, truth - found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--projects", type=int, default=120)
    parser.add_argument("--later", type=int, default=17, help="days that each world is moved on by; 0: not at all")
    options = parser.parse_args()
    totals = [Counter(), Counter(), Counter()]
    with scratch.server() as url:
        for seed in range(options.first, options.first + options.seeds):
            today = FIRST_DAY + timedelta(days=37 * (seed - 1) % 340)
            with (
                tempfile.TemporaryDirectory() as folder,
                pytest.MonkeyPatch.context() as patch,
                scratch.database(url, f"s{seed}"),
            ):
                told = world.make(Path(folder) / "world", projects=options.projects, seed=seed, today=today)
                for step in range(2 if options.later else 1):
                    if step:
                        world.advance(told, options.later)
                    parts = score(told, patch, Path(folder))
                    totals = [a + b for a, b in zip(totals, parts, strict=True)]
                    print(
                        f"seed {seed:>3} {'later' if step else today}  right {parts[0].total():>4}  wrong {parts[1].total()}  missed {parts[2].total()}",
                        flush=True,
                    )
    right, wrong, missed = totals
    print(f"\n{'rule':<10}{'planted':>8}{'precision':>11}{'recall':>8}")
    for rule in sorted({*right, *wrong, *missed}, key=lambda r: (not r.startswith("C"), len(r), r)):
        found, planted_ = right[rule] + wrong[rule], right[rule] + missed[rule]
        print(
            f"{rule:<10}{planted_:>8}{right[rule] / found if found else 1:>11.4f}{right[rule] / planted_ if planted_ else 1:>8.4f}"
        )
    return 1 if wrong or missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
