"""``onemap reconcile``: the store against a source's complete listing."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.context import Json, attach

app = typer.Typer()


@app.command()
def reconcile(
    what: Annotated[str, typer.Argument(help="数源或数据项 · source or feed, e.g. m2 or m2.sb")],
    as_json: Json = False,
) -> None:
    """核对 · Compare with the source's complete listing, read what came late, tell what is extra. Exit 1: not equal."""
    attach()
    from pipeline import reconcile, unify

    done = [reconcile.feed(what)] if "." in what else reconcile.source(what)
    unify.run()
    if as_json:
        output.as_json([one.as_dict() for one in done])
    else:
        output.table(
            ("数据项", "结论", "清单", "在库", "缺少", "内容不同", "多出", "说明"),
            [
                (
                    one.feed,
                    one.outcome,
                    *((c.listed, c.stored, c.missing, c.different, c.extra) if (c := one.compared) else (None,) * 5),
                    one.run.zh or one.run.error or "",
                )
                for one in done
            ],
        )
    if any(one.outcome in ("different", "failed") for one in done):
        raise typer.Exit(1)
