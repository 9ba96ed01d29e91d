"""``onemap test --mutants``: code is changed in small ways, and a test must fail for each (mutmut).

What is changed and which tests are asked stands in ``pyproject.toml``, ``tool.mutmut``: functions on which many verdicts
rest, and tests that need no server. The scores of the last run: CONTRIBUTING.md, "Mutation tests".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import typer

from core import settings

# Exit codes of the process that ran a mutant's tests. What is not here ran none of them: pytest did not start (255), or was
# used wrongly. mutmut counts that as a mutant which timed out; here it is no verdict.
_OUTCOMES = {
    0: "survived",
    1: "killed",
    3: "killed",
    33: "no tests",
    24: "timeout",
    -24: "timeout",
    36: "timeout",
    152: "timeout",
    -11: "segfault",
}
_DETECTED = ("killed", "timeout", "segfault")


def run(modules: list[str]) -> int:
    """Change ``modules`` (``supervision.clock`` …; none: the whole sample), print each module's score and what survived.

    Returns an exit code: 0 where every mutant's tests ran, whatever the score.
    """
    done = subprocess.run(_mutmut("run", *(f"{name}.*" for name in modules)), cwd=settings.ROOT, stdout=sys.stderr)
    if done.returncode:
        return done.returncode
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, code in sorted(_exit_codes().items()):
        module = name.rpartition(".")[0]
        if code is None or (modules and module not in modules):
            continue
        outcome = _OUTCOMES.get(code, "not run")
        counts[module][{"no tests": "unreached", "not run": "not run"}.get(outcome, "mutants")] += 1
        counts[module]["detected"] += outcome in _DETECTED
        if outcome in ("survived", "not run"):
            typer.echo(f"{name}: {outcome}")
    for module, count in (*sorted(counts.items()), ("all", sum(counts.values(), Counter()))):
        share = count["detected"] / (count["mutants"] or 1)
        beside = "".join(f", {count[what]} {what}" for what in ("unreached", "not run") if count[what])
        typer.echo(f"{module:24} {count['detected']:5} of {count['mutants']:5}  {share:.1%}{beside}")
    return int(any(count["not run"] for count in counts.values()))


def _mutmut(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("mutmut")), *arguments]


def _exit_codes() -> dict[str, int | None]:
    """Mutant → how the process that ran its tests ended; None: it was not its turn."""
    codes: dict[str, int | None] = {}
    for path in (settings.ROOT / "mutants").rglob("*.py.meta"):
        codes |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return codes
