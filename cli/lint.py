"""``onemap lint``: what the code is held by, before any test runs. One line a check; the first lines of what failed."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer

from core import settings

TYPED = (
    "core",
    "schemas",
    "sources",
    "sinks",
    "mappings",
    "store",
    "connectors",
    "quality",
    "pipeline",
    "supervision",
    "insight",
    "serving",
    "cli",
    "standins",
    "bench",
)  # packages that mypy reads, strictly
COPYLEFT = "AGPL;SSPL;Business Source"  # licences under which the hub could not be handed on with its parts


def _held(name: str) -> bool:
    """Run one check and print its line, with what it found."""
    began = time.monotonic()
    problem = CHECKS[name]()
    line = f"{'ok' if problem is None else 'FAILED':6} {name} ({time.monotonic() - began:.1f} s)"
    found = ["       " + line for line in problem.splitlines()[-40:]] if problem else []
    typer.echo("\n".join([line, *found]), err=problem is not None)
    return problem is None


def _run(*command: str) -> str | None:
    """What the tool, a module of the environment, said where it failed."""
    return _outcome([sys.executable, "-m", *command])


def _tool(name: str, *arguments: str) -> str | None:
    """The same for a tool that cannot be run as a module."""
    return _outcome([str(Path(sys.executable).with_name(name)), *arguments])


def _outcome(command: list[str]) -> str | None:
    done = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def _secrets() -> str | None:
    """No file of the product holds what looks like a secret; tests and stand-ins make up their own."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=settings.ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        return None  # an installed copy has no history to keep clean
    files = [
        name
        for name in filter(None, listed.stdout.split("\0"))
        if not name.startswith(("tests/", "standins/", "bench/")) and not name.endswith((".lock", ".png", ".geojson"))
    ]
    return _run("detect_secrets.pre_commit_hook", *(name for name in files if (settings.ROOT / name).is_file()))


def _lock() -> str | None:
    """Every name of requirements.in and requirements-dev.in is pinned, with hashes."""
    wanted = {
        re.split(r"[\[=<>~!; ]", line.strip(), maxsplit=1)[0].lower().replace("_", "-")
        for name in ("requirements.in", "requirements-dev.in")
        for line in (settings.ROOT / name).read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }
    text = (settings.ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
    bare = re.findall(r"^([a-z0-9.-]+)==[^\n\\]*\n(?!    --hash)", text, re.MULTILINE)
    missing = sorted({name.replace(".", "-") for name in wanted} - {name.replace(".", "-") for name in pinned})
    if missing or bare:
        return f"not in requirements.lock: {missing}; without hashes: {bare}"
    return None


def _docs() -> str | None:
    """The site of the documents builds: no link of theirs is broken."""
    with tempfile.TemporaryDirectory() as folder:
        return _run("cli", "docs", "build", "--out", f"{folder}/site")


CHECKS: dict[str, Callable[[], str | None]] = {
    "format": lambda: _run("ruff", "format", "--check", "."),
    "style": lambda: _run("ruff", "check", "."),
    "types": lambda: _run("mypy", *TYPED),
    "architecture": lambda: _tool("lint-imports", "--no-cache"),
    "dead code": lambda: _run("vulture"),
    "secrets": _secrets,
    "licences": lambda: _tool("pip-licenses", "--partial-match", "--fail-on", COPYLEFT, "--format", "csv"),
    "lock": _lock,
    "docs": _docs,
}

app = typer.Typer()


@app.command("lint")
def lint(
    only: str = typer.Option("", "--only", help="逗号分隔的检查名 · names of checks, by commas: " + ", ".join(CHECKS)),
) -> None:
    """代码检查 · Format, style, types, order of packages, dead code, secrets, licences, lock file, links of the documents."""
    chosen = [name.strip() for name in only.split(",") if name.strip()] or list(CHECKS)
    if unknown := [name for name in chosen if name not in CHECKS]:
        raise typer.BadParameter(f"no check {', '.join(unknown)}; one of {', '.join(CHECKS)}")
    with ThreadPoolExecutor(2) as pool:  # each check is a process of its own: types and secrets run side by side
        failed = [name for name, held in zip(chosen, pool.map(_held, chosen), strict=True) if not held]
    raise typer.Exit(1 if failed else 0)
