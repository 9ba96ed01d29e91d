"""``onemap source contract``, ``from-contract``, ``pin``, ``drift``: what a provider promises, and what has become of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import Feeds, Json, group

app = typer.Typer()
source = group(app, "source", "数源 · the source systems")


@source.command()
def contract(
    of: Annotated[str, typer.Argument(help="数源部门，或数据项 · department, or feed for Open Data Contract")],
    out: Annotated[str | None, typer.Option("--out", help="写入文件 · write to a file")] = None,
) -> None:
    """供给约定 · A department's page, in Chinese, to be sent; of a feed (m2.sl) its Open Data Contract Standard 3 in YAML."""
    from serving import provider

    text = provider.odcs(of) if of.isascii() else provider.page(of)
    if out:
        Path(out).write_text(text, "utf-8")
        output.out.print(f"已写 written: {out}", markup=False)
    else:
        typer.echo(text)


@source.command("from-contract")
def from_contract(
    file: Annotated[str, typer.Argument(help="Open Data Contract Standard 3, YAML")],
    feed: Annotated[str, typer.Argument(help="数据项 · feed that it is of, e.g. b1.permit")],
) -> None:
    """由约定起草 · A mapping drafted from a provider's Open Data Contract, on standard output; every guess is a doubt."""
    from serving import provider

    typer.echo(provider.drafted(Path(file), feed))


@source.command()
def pin(
    source: Annotated[str, typer.Argument(help="数源 · source")],
    feed: Feeds = None,
    as_json: Json = False,
) -> None:
    """固定契约 · Take the raw columns and their types of feeds with contract: auto from the live source, and pin them; says
    what is otherwise than before."""
    from pipeline.onboard import steps

    done = steps.pinned(source, feed)
    if as_json:
        return output.as_json([{"file": str(one.path), "changes": one.changes} for one in done])
    for one in done:
        output.out.print(f"已写 written: {one.path}", markup=False)
        for change in one.changes:
            output.out.print(f"  {change}", markup=False)
    return None


@source.command()
def drift(
    feed: Annotated[str, typer.Argument(help="数据项 · feed, e.g. m2.sb")],
    adopt: Annotated[
        list[str] | None,
        typer.Option(help="把新字段写入映射：字段=实体.列，可多次 · take a column in: COLUMN=entity.column"),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="新字段记为不使用，可多次 · a new column is known and not used")
    ] = None,
    as_json: Json = False,
) -> None:
    """变化 · What the live source has changed against mapping and store: columns, widths, codes, with a patch; and when such
    was seen before. Exit 1 when something differs. With ``--adopt`` or ``--ignore`` the declarations are changed, and the source is not asked."""
    from dataclasses import asdict

    from pipeline import shape

    if adopt or ignore:
        return _accept(feed, adopt or [], ignore or [])
    from pipeline.onboard import drift as drifts
    from pipeline.onboard import steps
    from pipeline.registry import feed as declared
    from pipeline.registry import mapping

    (seen,) = steps.look(feed.partition(".")[0], [feed])
    found = drifts.find(mapping(declared(feed)[1]), seen.sample.rows, shape.before(feed))
    past = shape.timeline(feed)
    if as_json:
        output.as_json({"changes": [asdict(one) for one in found], "timeline": past})
    else:
        output.table(("变化", "依据", "映射补丁 patch"), [(one.zh, one.detail, one.patch) for one in found])
        output.table(
            ("首次", "最近", "次数", "提示", "字段", "内容"),
            [(p["first_seen"], p["last_seen"], p["count"], p["code"], p["field"], p["detail"]) for p in past],
            title="时间线 timeline",
        )
    if found:
        raise typer.Exit(1)
    return None


def _accept(feed: str, adopt: list[str], ignore: list[str]) -> None:
    """Write new columns of a feed into its declarations: each into an entity's column, or as known and not used."""
    from pipeline.onboard import accept

    adopted = [(column, target or None) for column, _, target in (one.partition("=") for one in adopt)]
    if wrong := [column for column, target in adopted if target is None]:
        raise typer.BadParameter(f"{wrong[0]}：写作 字段=实体.列 · COLUMN=entity.column")
    for column, target in (*adopted, *((one, None) for one in ignore)):
        done = accept.accept(feed, column, target)
        files = "、".join(map(str, done.files))
        output.out.print(f"✓ {column} → {target or '不使用 not used'}：{done.command or files}", markup=False)
    output.out.print(f"下一步：onemap mapping diff {feed}", markup=False)
