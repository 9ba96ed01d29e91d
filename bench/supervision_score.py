"""Findings against the planted truth of simulated worlds: ``python -m bench.supervision_score [--seeds 20] [--projects 120] [--later 17]``.

Each world is taken in through mappings, checks and merge, judged as of its day, then moved on and judged again. Printed:
precision and recall by rule, and how many plans (一项目一方案) hold the expected items and no others. Ends with 1 where anything planted
is not found, anything else is, or a plan differs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench import scratch
from core import clock
from standins import world
from store.engine import transaction
from supervision import judge, plan
from supervision.ledger import on_day
from tests.supervision.test_scored import key, not_over
from tests.supervision.told import planted, take

FIRST_DAY = date(2026, 1, 20)


def planned(as_of: date) -> tuple[int, list[str]]:
    """(projects, those whose plan is not the expected items): every project of the world."""
    by = judge.rules()
    items = on_day(as_of, by).standing.items
    wanted = {
        code: (
            set(mine.filter(pl.col("expected").fill_null(False))["item_code"]),
            set(mine.filter(pl.col("expected").is_null())["item_code"]),
        )
        for (code,), mine in items.partition_by("project_code", as_dict=True).items()
    }
    differ = []
    with transaction() as connection:
        for code, (expected, unknown) in wanted.items():
            computed = plan.of_project(connection, code, as_of, by)
            lines = {line.item_code for line in computed.lines} if computed else set()
            if lines != expected or {row["item_code"] for row in (computed.not_judged if computed else ())} != unknown:
                differ.append(code)
    return len(wanted), differ


def score(
    folder: Path, patch: pytest.MonkeyPatch, scratch_folder: Path
) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
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
    hits, wrong, missed = (Counter(row[0] for row in rows) for rows in (found & truth, found - truth, truth - found))
    return hits, wrong, missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--projects", type=int, default=120)
    parser.add_argument("--later", type=int, default=17, help="days that each world is moved on by; 0: not at all")
    options = parser.parse_args()
    totals: list[Counter[Any]] = [Counter(), Counter(), Counter()]
    plans = 0
    differ: list[Any] = []
    with scratch.server() as url:
        for seed in range(options.first, options.first + options.seeds):
            today = FIRST_DAY + timedelta(days=37 * (seed - 1) % 340)
            with (
                tempfile.TemporaryDirectory() as folder,
                pytest.MonkeyPatch.context() as patch,
                scratch.database(url, f"s{seed}"),
            ):
                truth = world.make(Path(folder) / "world", projects=options.projects, seed=seed, today=today)
                for step in range(2 if options.later else 1):
                    if step:
                        world.advance(truth, options.later)
                    parts = score(truth, patch, Path(folder))
                    totals = [a + b for a, b in zip(totals, parts, strict=True)]
                    count, other = planned(clock.today())
                    plans, differ = plans + count, differ + other
                    print(
                        f"seed {seed:>3} {'later' if step else today}  right {parts[0].total():>4}  wrong {parts[1].total()}  missed {parts[2].total()}  plans {count}, unlike {len(other)}",
                        flush=True,
                    )
    right, wrong, missed = totals
    print(f"\n{'rule':<10}{'planted':>8}{'precision':>11}{'recall':>8}")
    for rule in sorted({*right, *wrong, *missed}, key=lambda r: (not r.startswith("C"), len(r), r)):
        found, planted_ = right[rule] + wrong[rule], right[rule] + missed[rule]
        print(
            f"{rule:<10}{planted_:>8}{right[rule] / found if found else 1:>11.4f}{right[rule] / planted_ if planted_ else 1:>8.4f}"
        )
    print(f"plans: {plans}, unlike what is expected: {', '.join(differ) or 'none'}")
    return 1 if wrong or missed or differ else 0


if __name__ == "__main__":
    raise SystemExit(main())
