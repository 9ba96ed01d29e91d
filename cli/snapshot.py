"""``onemap snapshot``: the store as files: Parquet, GeoParquet, a manifest."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from cli import output
from cli.context import Json, group

Out = Annotated[
    str | None, typer.Option("--out", help="文件夹或 fsspec 地址，默认 ONEMAP_SNAPSHOT_URL · folder or fsspec URL")
]


app = typer.Typer()
snapshot = group(app, "snapshot", "快照 · the store as files for DuckDB, GeoPandas, QGIS, Excel")


@snapshot.command()
def make(
    out: Out = None,
    since: Annotated[
        str | None, typer.Option("--since", help="上一份清单的 cursor，只写变化 · only what changed since")
    ] = None,
    as_json: Json = False,
) -> None:
    """写出 · Every view as Parquet, personal data masked, with rows and hashes in manifest.json."""
    from serving import audit
    from serving import snapshot as service
    from serving.access import Grant

    result = service.make(Grant(getpass.getuser()), out, since=since)
    audit.append(getpass.getuser(), "snapshot", result["name"], {"kind": result["kind"]})
    if as_json:
        return output.as_json(result)
    output.table(
        ("实体", "行数", "文件"), [(f["entity"], f["rows"], f["file"]) for f in result["files"]], result["folder"]
    )
    return output.out.print(f"✓ {result['kind']} {result['folder']}", markup=False)


@snapshot.command("list")
def list_(out: Out = None, as_json: Json = False) -> None:
    """列出 · Finished snapshots."""
    from serving import snapshot as service

    rows = service.listed(out)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("名称", "种类", "时间", "行数"), [(r["name"], r["kind"], r["made_at"], r["rows"]) for r in rows]
    )
