"""How the command line speaks: tables for people, JSON for programs, errors with fault, place and remedy."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import FAULT_ZH, Fault, OneMapError
from core.redaction import redact

out = Console(highlight=False, soft_wrap=True)
if not out.is_terminal:  # a log file: wide enough for any table
    out = Console(highlight=False, soft_wrap=True, width=160)
err = Console(stderr=True, highlight=False, soft_wrap=True)

# Exit codes: 1 something did not succeed; the others say whose turn it is (sysexits.h where it has one)
EXIT = {
    Fault.CONFIGURATION: 78,  # EX_CONFIG
    Fault.AUTHENTICATION: 77,  # EX_NOPERM
    Fault.TRANSIENT: 75,  # EX_TEMPFAIL
    Fault.PROVIDER: 76,  # EX_PROTOCOL
    Fault.OURS: 70,  # EX_SOFTWARE
}


def as_json(data: Any) -> None:
    """Data on standard output, and nothing else."""
    sys.stdout.write(json.dumps(redact(data), ensure_ascii=False, indent=1, default=str) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table for people; numbers to the right, long text folded."""
    rows = [list(row) for row in rows]
    made = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_text(value) for value in row))
    out.print(made)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(redact(value)))


def error(problem: OneMapError) -> int:
    """Print an error, Chinese first; returns the exit code of its fault."""
    place = "  ".join(f"{n}={v}" for n in ("source", "feed", "record", "field") if (v := getattr(problem, n)))
    err.print(f"[bold red]✗ {FAULT_ZH[problem.fault]}[/]  {escape(redact(problem.zh))}")
    if problem.zh != problem.message:
        err.print(f"  {problem.fault}: {escape(redact(problem.message))}")
    if place:
        err.print(f"  位置 place: {escape(place)}")
    if problem.remedy:
        err.print(f"  处置 remedy: {escape(redact(problem.remedy))}")
    return EXIT[problem.fault]
