"""``onemap backup``, ``restore`` and ``rebuild``: the ways back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import Json, attach
from cli.stack.layout import Layout

app = typer.Typer()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="目录；可为已有备份，只补新增归档 · folder, also an earlier backup")],
    as_json: Json = False,
) -> None:
    """备份 · Store, Airflow's database, archive and secrets into a folder, while everything runs."""
    from cli.stack import backup as service

    attach()
    built = service.take(Layout.here(), target)
    if as_json:
        return output.as_json(
            {"target": str(target), "store_hash": built.store_hash, "payloads": built.payloads, "wal": built.wal}
        )
    output.out.print(f"✓ 已备份 backed up → {target}", markup=False)
    output.out.print(f"  归档 {built.payloads:,} 份报文  统一库摘要 store hash {built.store_hash}", markup=False)
    if not built.point_in_time:
        output.out.print(
            "  [dim]数据库未开启 WAL 归档：只能恢复到备份时刻，其后的批次由归档补入（onemap rebuild --missing）。见 docs/operations.md[/]"
        )
    return None


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="备份目录 · folder of a backup", exists=True, file_okay=False)],
    as_json: Json = False,
) -> None:
    """恢复 · Make the hub again in an empty run folder (ONEMAP_HOME), and prove that it is the same."""
    from cli.stack import backup as service

    layout = Layout.here()
    built = service.restore(layout, source)
    if as_json:
        return output.as_json({"home": str(layout.home), "store_hash": built.store_hash, "payloads": built.payloads})
    output.out.print(f"✓ 已恢复 restored → {layout.home}", markup=False)
    output.out.print(
        f"  {built.payloads:,} 份报文逐一校验，统一库摘要一致 the store's hash is the same: {built.store_hash}",
        markup=False,
    )
    output.out.print("  下一步 next: ./onemap up")
    return None


@app.command()
def rebuild(
    store: Annotated[
        str | None, typer.Option("--store", help="归档中的库标识 · whose journal, where there are several")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="只补入较早备份所缺的批次 · only what an older store lacks")
    ] = False,
    as_json: Json = False,
) -> None:
    """重建 · Make the store again from the archive alone: receipts, runs and decisions of its journal, in their order."""
    from cli.stack import backup as service
    from pipeline import rebuild as replay
    from serving.sql import provide

    attach()
    with service.databases(Layout.here()):
        provide.upgrade()
        with output.err.status("") as status:
            built = replay.run(store, missing=missing, on_progress=lambda n, of: status.update(f"批次 {n:,} / {of:,}"))
    if as_json:
        output.as_json(
            {
                "store": built.store,
                "replayed": built.replayed,
                "noted": built.noted,
                "decisions": built.decisions,
                "differing": built.differing,
                "hash": built.hash,
            }
        )
    else:
        output.out.print(
            f"✓ 已重建 rebuilt  {built.replayed:,} 个批次重放，{built.noted:,} 个批次登记，{built.decisions} 项人工决定  {built.hash}",
            markup=False,
        )
        for number, feed, why in built.differing:
            output.err.print(f"✗ 批次 {number} {feed}: {why}", markup=False)
    if built.differing:
        raise typer.Exit(1)
