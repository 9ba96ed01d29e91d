"""``onemap store``: the unified store as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.context import Json, group

app = typer.Typer()
store = group(app, "store", "统一库 · the unified store")


@store.command("hash")
def hash_(
    parts: Annotated[
        bool, typer.Option("--parts", help="分部分 · part by part, to see where two stores differ")
    ] = False,
    as_json: Json = False,
) -> None:
    """摘要 · One number for the content: equal whatever the order in which it arrived."""
    from store import hash as hashing

    if parts:
        found = hashing.parts()
        return output.as_json(found) if as_json else output.table(("部分 part", "摘要与行数"), list(found.items()))
    whole = hashing.of_store()
    return output.as_json({"hash": whole}) if as_json else print(whole)


@store.command()
def migrate(
    back: Annotated[
        bool,
        typer.Option("--back", help="退回上一版结构（先备份）· one migration back, before an older version runs"),
    ] = False,
) -> None:
    """迁移 · Bring the tables to the state that this version expects; safe to repeat."""
    from store import migrate

    if back:
        migrate.downgrade("-1")
        output.out.print("✓ 统一库结构已退回一版 one migration back")
        return
    from serving.sql import dictionary, provide

    upgraded = provide.upgrade()
    if upgraded:
        output.out.print("视图 views: " + "、".join(upgraded), markup=False)
    if dictionary.write():
        output.out.print("数据字典 data dictionary: docs/data-dictionary.md", markup=False)
    output.out.print("✓ 统一库结构已是最新 up to date")


@store.command()
def refold(
    apply: Annotated[bool, typer.Option("--apply", help="写入 · write it; without: compare only")] = False,
    as_json: Json = False,
) -> None:
    """重归并 · Fold everything anew after schemas/authority.yaml changed; without --apply only say what would change."""
    from dataclasses import asdict

    from pipeline import unify

    done = unify.refold(apply)
    if as_json:
        output.as_json(asdict(done))
        return
    output.table(
        ("实体 entity", "新增 ADD", "变更 MOD", "注销 DEL", "字段 columns"),
        [
            (name, *(counts.get(op, 0) for op in ("ADD", "MOD", "DEL")), "、".join(done.columns.get(name, [])))
            for name, counts in done.changes.items()
        ],
    )
    output.out.print("✓ 已写入 written" if apply else "仅比较，未写入 compared only, nothing was written")


@store.command()
def summary(as_json: Json = False) -> None:
    """概况 · Rows by entity, rejected rows by reason, the balance of every feed."""
    from cli import summary as shown
    from pipeline.summary import summary

    found = summary()
    if as_json:
        output.as_json(found.as_dict())
    else:
        shown.tables(found)
