"""The first sync as it goes: a live table on a terminal, a line at each change elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.live import Live
from rich.table import Table

from cli import output
from cli.stack.first_sync import SourceProgress

STATE_ZH = {"queued": "排队", "running": "进行中", "success": "[green]完成[/]", "failed": "[red]有失败[/]"}


@contextmanager
def shown() -> Iterator[Callable[[list[SourceProgress]], None]]:
    """Yields the function that shows a new state."""
    if output.out.is_terminal:
        with Live(console=output.out, refresh_per_second=4) as live:
            yield lambda state: live.update(_table(state))
    else:
        text: dict[str, str] = {}

        def lines(state: list[SourceProgress]) -> None:
            for one in state:
                if text.get(one.source) != one.state and one.over:
                    output.out.print(
                        f"  {STATE_ZH[one.state]} {one.source} {one.name}  批次 {one.ok}/{one.ok + one.failed}"
                        f"  流入 {one.rows_in:,}  入库 {one.stored:,}  隔离 {one.quarantined:,}"
                        + (f"  [yellow]注销 {one.gone:,}[/]" if one.gone else "")
                    )
                text[one.source] = one.state

        yield lines


def _table(state: list[SourceProgress]) -> Table:
    built = Table(box=None, header_style="dim")
    columns: tuple[tuple[str, Literal["left", "right"]], ...] = (
        ("数源", "left"),
        ("状态", "left"),
        ("完成", "right"),
        ("失败", "right"),
        ("流入", "right"),
        ("入库", "right"),
        ("隔离", "right"),
        ("注销", "right"),
    )
    for name, justify in columns:
        built.add_column(name, justify=justify)
    for one in state:
        built.add_row(
            f"{one.source} {one.name}",
            STATE_ZH.get(one.state, one.state),
            f"{one.ok}",
            f"[red]{one.failed}[/]" if one.failed else "",
            f"{one.rows_in:,}",
            f"{one.stored:,}",
            f"{one.quarantined:,}",
            f"[yellow]{one.gone:,}[/]" if one.gone else "",
        )
    return built
