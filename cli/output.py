"""How the command line speaks: tables for people, JSON for programs, errors with fault, place and remedy."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from core.errors import FAULT_ZH, Fault, NotFoundError, OneMapError
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
NOT_FOUND = 66  # EX_NOINPUT: what was named is not there


def as_json(data: Any) -> None:
    """Data on standard output, and nothing else."""
    sys.stdout.write(json.dumps(redact(data), ensure_ascii=False, indent=1, default=str) + "\n")


def rows_as_json(data: Any) -> None:
    """The same for rows without secrets, of which there may be a million."""
    json.dump(data, sys.stdout, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table for people; numbers to the right, long text folded. Where the terminal is too narrow for that, each row is a
    block of names and values."""
    lines = [list(row) for row in rows]
    if out.is_terminal and len(columns) > 2 and _needs(columns, lines) > out.width:
        _blocks(columns, lines, title)
        return
    built = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(lines) and all(isinstance(row[index], int | float) or row[index] is None for row in lines)
        built.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in lines:
        built.add_row(*(_text(value) for value in row))
    out.print(built)


_LEAST = 12  # cells of a column below which text is no longer read


def _needs(columns: Sequence[str], rows: list[list[Any]]) -> int:
    """Cells that the table needs to be read: a column at most :data:`_LEAST` of its longest text, three between two."""
    longest = [
        max([cell_len(name), *(cell_len(_text(row[n])) for row in rows[:200])]) for n, name in enumerate(columns)
    ]
    return sum(max(min(cells, _LEAST), cell_len(name)) + 3 for cells, name in zip(longest, columns, strict=True)) + 1


def _blocks(columns: Sequence[str], rows: list[list[Any]], title: str | None) -> None:
    if title:
        out.print(title, markup=False)
    width = max(cell_len(name) for name in columns)
    for row in rows:
        out.print("─" * min(out.width, 40))
        for name, value in zip(columns, row, strict=True):
            if (text := _text(value)) != "":
                out.print(f"[bold]{escape(name)}[/]{' ' * (width - cell_len(name))}  {text}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(redact(value)))


def data_as_of() -> None:
    """数据截至, under an answer for people: up to when the sources were read, and what fails."""
    from serving.query import freshness

    out.print(freshness.freshness().line, style="dim", markup=False)


def fold_help() -> None:
    """Let Chinese help go on in the next line: it has no blanks to break at, and rich would cut it with an ellipsis."""
    from typer import rich_utils

    make = rich_utils._make_rich_text

    def folded(**values: Any) -> Any:
        built = make(**values)
        if isinstance(built, Text):
            built.overflow = "fold"
        return built

    rich_utils._make_rich_text = folded


def error_as_json(document: dict[str, Any], code: int) -> None:
    """An error for programs: ``{"error": {…}}`` on standard output, and nothing else."""
    as_json({"error": {**document, "exit_code": code}})


def error(problem: OneMapError, *, as_json: bool = False) -> int:
    """Print an error, Chinese first; returns the exit code of its fault. As JSON: see :func:`error_as_json`."""
    code = NOT_FOUND if isinstance(problem, NotFoundError) else EXIT[problem.fault]
    kind = "未找到" if isinstance(problem, NotFoundError) else FAULT_ZH[problem.fault]
    if as_json:
        document = {
            n: getattr(problem, n) for n in ("message", "zh", "remedy", "source", "feed", "record", "field", "code")
        }
        error_as_json({"fault": "not_found" if code == NOT_FOUND else str(problem.fault), **document}, code)
        return code
    place = "  ".join(f"{n}={v}" for n in ("source", "feed", "record", "field") if (v := getattr(problem, n)))
    err.print(f"[bold red]✗ {kind}[/]  {escape(redact(problem.zh))}")
    if problem.zh != problem.message:
        err.print(f"  {'not found' if code == NOT_FOUND else problem.fault}: {escape(redact(problem.message))}")
    if place:
        err.print(f"  位置 place: {escape(place)}")
    if problem.remedy:
        err.print(f"  处置 remedy: {escape(redact(problem.remedy))}")
    return code
