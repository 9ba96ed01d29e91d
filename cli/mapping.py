"""``onemap mapping``: what a changed mapping does to what is stored, before it does; and the doing of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.context import Json, group

Feed = Annotated[str, typer.Argument(help="数据项 · feed, e.g. d3.project")]


app = typer.Typer()
mapping = group(app, "mapping", "映射 · mappings, against what is stored")


@mapping.command()
def diff(feed: Feed, as_json: Json = False) -> None:
    """比较 · Map a feed anew from the archive and say what would change; writes nothing."""
    from pipeline import remap

    _show(remap.run(feed), as_json)


@mapping.command()
def replay(feed: Feed, as_json: Json = False) -> None:
    """重放 · Map a feed anew from the archive, store it, and unify; the same mapping again changes nothing."""
    from pipeline import remap, unify

    done = remap.run(feed, apply=True)
    unify.run()
    _show(done, as_json)


def _show(diff: Any, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        return output.as_json(asdict(diff) | {"outcome": diff.outcome.as_dict()})
    rows = [
        ("数据项 feed", diff.feed),
        ("映射版本 mapping version", diff.mapping_version),
        ("在库记录 records", diff.records),
        ("新增 new", diff.new),
        ("变更 changed", diff.changed),
        ("不再产生 gone", diff.gone),
        ("拒收行 rejected", diff.rejected),
        ("重读回执 receipts read again", diff.reread),
        ("报文已清理、取在库行 payload gone, stored rows taken", diff.kept),
        ("例 sample", "、".join(diff.sample)),
        ("已入库 applied", "是 yes" if diff.applied else "否 no"),
    ]
    return output.table(("项", "值"), [(name, str(value)) for name, value in rows])
