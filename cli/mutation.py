"""``onemap test --mutants``: code is changed in small ways, and a test must fail for each (mutmut).

What is changed and which tests are asked stands in ``pyproject.toml``, ``tool.mutmut``: functions on which many verdicts
rest, and tests that need no server. The scores of the last run: CONTRIBUTING.md, "Mutation tests".
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import typer

from core import settings

_DETECTED = ("killed", "timeout", "segfault", "caught by type check")


def run(modules: list[str]) -> int:
    """Change ``modules`` (``supervision.clock`` …; none: the whole sample), print each module's score and what survived.

    Returns an exit code: 0 where the run was made, whatever its score.
    """
    done = subprocess.run(_mutmut("run", *(f"{name}.*" for name in modules)), cwd=settings.ROOT, stdout=sys.stderr)
    if done.returncode:
        return done.returncode
    results = subprocess.run(_mutmut("results", "--all", "true"), cwd=settings.ROOT, capture_output=True, text=True)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in results.stdout.splitlines():
        name, _, outcome = line.strip().partition(": ")
        module = name.rpartition(".")[0]
        if outcome == "not checked" or (modules and module not in modules):
            continue
        counts[module]["unasked" if outcome == "no tests" else "mutants"] += 1
        counts[module]["detected"] += outcome in _DETECTED
        if outcome not in _DETECTED:
            typer.echo(f"{name}: {outcome}")
    for module, count in (*sorted(counts.items()), ("all", sum(counts.values(), Counter()))):
        share = count["detected"] / (count["mutants"] or 1)
        unasked = f", {count['unasked']} more that no test of the sample reaches" if count["unasked"] else ""
        typer.echo(f"{module:24} {count['detected']:5} of {count['mutants']:5}  {share:.1%}{unasked}")
    return 0


def _mutmut(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("mutmut")), *arguments]
