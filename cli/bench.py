"""``onemap bench``: how fast it is, beside the floor and beside other loaders."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli import output
from cli.context import Json

app = typer.Typer()


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="几分钟 · one round and a small city: a few minutes")] = False,
    rows: Annotated[int, typer.Option(min=1_000, help="行数 · rows of the hot path's listing")] = 200_000,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="轮数 · rounds, of which the medians are compared; 3, quick 1")
    ] = None,
    rivals: Annotated[
        bool, typer.Option("--rivals/--no-rivals", help="同类工具 · dlt and a Singer target beside it")
    ] = True,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="记录 · write a row into bench/results.md")
    ] = True,
    as_json: Json = False,
) -> None:
    """性能基准 · Rows a second, memory and bytes beside the floor, dlt and Singer, on a database of its own.

    With --json the last line of standard output is one object.
    """
    from bench import run

    found = run.run(lambda line: typer.echo(line, err=True), quick=quick, rows=rows, rounds=rounds, with_rivals=rivals)
    if record:
        try:
            run.write(found)
        except OSError as problem:  # a folder that cannot be written is no reason to lose the figures
            typer.echo(f"bench/results.md: {problem}", err=True)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    hot = found["hot_path"]
    output.table(
        ("指标 figure", "值 value", "目标 aim"),
        [
            ("对下限 vs floor", hot["vs_floor"], "≤ 1.6"),
            ("对 dlt · vs dlt", hot["vs_dlt"], "≥ 5"),
            ("未变清单对 dlt · unchanged vs dlt", hot["again_vs_dlt"], "≥ 5"),
            ("对 Singer · vs Singer", hot["vs_singer"], "≥ 10"),
            ("两万行对 dlt · 20,000 rows vs dlt", found["small"]["vs_dlt"], "≥ 1"),
            ("一百行（秒）· 100 rows, s", found["small"]["hundred_rows_s"], "≤ 0.3"),
            ("内存峰值 MiB · peak", hot["peak_mib"], "≤ 500"),
            ("归一 行/秒 · unify rows/s", found["unify"]["rows_per_s"], "≥ 50000"),
            ("每记录字节 · bytes a record", found["store"]["bytes_per_record"], "≤ 1500"),
        ],
    )
