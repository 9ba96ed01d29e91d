"""What imagery tells: C13 built before permitted, and projects stalled on the ground.

Rules: docs/rules.md. Areas are measured in EPSG:4547 (CGCS2000, 3-degree Gauss-Kruger, CM 114E), in m². Every finding is
a lead (线索), never proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import shapely
from pyproj import Transformer

from core.shapes import is_drawable
from store.copying import Schema, read_frame
from supervision.findings import Context, found
from supervision.findings.stalled import Stalled
from supervision.rule import Rule, Share, rule

_TO_METRES = Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)
_SHAPE: Schema = {"code": pl.String, "project_code": pl.String, "wkb": pl.String}
_REDLINES = """
    select redline_code, project_code, encode(geom, 'hex') from store.redline r
    where gone_at is null and geom is not null and project_code is not null and {where}
    union all
    select approval_no, project_code, encode(geom, 'hex') from store.land_approval r
    where gone_at is null and geom is not null and project_code is not null and {where}
      and not exists (select from store.redline s where s.project_code = r.project_code and s.gone_at is null)"""
_IN_SCOPE = "project_code in (select project_code from scope)"
_POLYGONS = f"""
    select distinct on (p.id) p.polygon_code, p.change_type, p.seen_after, encode(p.geom, 'hex')
    from store.change_polygon p
    where p.gone_at is null and p.geom is not null and p.seen_after is not null
      and exists (select from store.redline r where r.geom_box && p.geom_box and {_IN_SCOPE}
                  union all select from store.land_approval r where r.geom_box && p.geom_box and {_IN_SCOPE})"""
_SCENES = f"""
    select distinct s.id, r.project_code, coalesce(s.taken_at, s.taken_until)::date
    from store.scene s
    join (select project_code, geom_box from store.redline where gone_at is null and {_IN_SCOPE}
          union all select project_code, geom_box from store.land_approval where gone_at is null and {_IN_SCOPE}) r
         on r.geom_box && s.geom_box
    where s.gone_at is null"""


@dataclass(frozen=True, slots=True)
class Ground:
    """``overlaps``: (project_code, polygon_code, change_type, seen_after, inside m², share of the red line, near: the
    largest share of the polygon in a neighbour's red line); ``scenes``: (project_code, taken_on)."""

    overlaps: pl.DataFrame
    scenes: pl.DataFrame


def _metres(hexes: pl.Series) -> np.ndarray:
    read = shapely.from_wkb(hexes.to_list(), on_invalid="ignore")
    shapes = shapely.make_valid(np.where(is_drawable(read), read, None))
    return shapely.transform(shapes, lambda xy: np.column_stack(_TO_METRES.transform(xy[:, 0], xy[:, 1])))


def measure(c: Context) -> Ground:
    """Every change polygon against the red lines that it touches, those of neighbours out of scope included."""
    own = read_frame(c.connection, _REDLINES.format(where="r." + _IN_SCOPE), _SHAPE)
    polygons = read_frame(
        c.connection,
        _POLYGONS,
        {"polygon_code": pl.String, "change_type": pl.String, "seen_after": pl.Date, "wkb": pl.String},
    ).filter(pl.col("seen_after") <= c.as_of)
    scenes = read_frame(c.connection, _SCENES, {"id": pl.String, "project_code": pl.String, "taken_on": pl.Date})
    empty = pl.DataFrame(
        schema={
            "project_code": pl.String,
            "polygon_code": pl.String,
            "change_type": pl.String,
            "seen_after": pl.Date,
            "inside": pl.Float64,
            "share": pl.Float64,
            "near": pl.Float64,
        }
    )
    if own.is_empty() or polygons.is_empty():
        return Ground(empty, scenes.select("project_code", "taken_on"))
    near = "exists (select from store.change_polygon p where p.geom_box && r.geom_box and p.gone_at is null)"
    lines = pl.concat([own, read_frame(c.connection, _REDLINES.format(where=near), _SHAPE)]).unique(
        ["code", "project_code"]
    )
    line_shapes, polygon_shapes = _metres(lines["wkb"]), _metres(polygons["wkb"])
    tree = shapely.STRtree(line_shapes)
    which_polygon, which_line = tree.query(polygon_shapes, predicate="intersects")
    inside = shapely.area(shapely.intersection(polygon_shapes[which_polygon], line_shapes[which_line]))
    pairs = pl.DataFrame(
        {
            "polygon_code": polygons["polygon_code"].gather(which_polygon),
            "project_code": lines["project_code"].gather(which_line),
            "inside": inside,
            "line_area": shapely.area(line_shapes)[which_line],
            "polygon_area": shapely.area(polygon_shapes)[which_polygon],
        }
    )
    per_project = (
        pairs.group_by("polygon_code", "project_code")
        .agg(pl.col("inside", "line_area").sum(), pl.col("polygon_area").first())
        .filter(pl.col("inside") > 0)
    )
    shares = per_project.with_columns((pl.col("inside") / pl.col("polygon_area")).alias("_own"))
    others = (
        shares.join(
            shares.select("polygon_code", pl.col("project_code").alias("_other"), pl.col("_own").alias("_near")),
            on="polygon_code",
        )
        .filter(pl.col("project_code") != pl.col("_other"))
        .group_by("polygon_code", "project_code")
        .agg(pl.col("_near").max().alias("near"))
    )
    overlaps = (
        per_project.join(others, on=["polygon_code", "project_code"], how="left")
        .join(polygons.select("polygon_code", "change_type", "seen_after"), on="polygon_code")
        .join(own.select("project_code").unique(), on="project_code")
        .select(
            "project_code",
            "polygon_code",
            "change_type",
            "seen_after",
            "inside",
            (pl.col("inside") / pl.col("line_area")).alias("share"),
            pl.col("near").fill_null(0.0),
        )
    )
    return Ground(overlaps, scenes.select("project_code", "taken_on"))


class Unpermitted(Rule):
    share_of_redline: Share
    square_metres: float
    neighbour_share: Share
    ground_work: list[str]
    building: list[str]


@rule("C13", Unpermitted, waits=True)
def built_before_permitted(c: Context, values: Unpermitted) -> pl.DataFrame:
    """C13 未批先建: ground work or building over the red line, seen before DG-604 was issued, or with none issued."""
    ground = c.once(measure)
    permit = c.rules.items.permit
    expected = c.standing.items.filter((pl.col("item_code") == permit) & pl.col("expected").fill_null(False)).select(
        "project_code", "item_name"
    )
    issued = c.facts.states.filter(pl.col("item_code") == permit).select(
        "project_code", pl.col("done_at").alias("permit_at")
    )
    rows = (
        ground.overlaps.filter(
            pl.col("change_type").is_in([*values.ground_work, *values.building])
            & ((pl.col("share") >= values.share_of_redline) | (pl.col("inside") >= values.square_metres))
            & (pl.col("near") < values.neighbour_share)
        )
        .join(expected, on="project_code")
        .join(c.cut_off, on="project_code")
        .join(issued, on="project_code", how="left")
        .filter(pl.col("permit_at").is_null() | (pl.col("seen_after") < pl.col("permit_at").dt.date()))
    )
    permit_text = (
        pl.when(pl.col("permit_at").is_null())
        .then(pl.lit("施工许可尚未核发"))
        .otherwise(pl.format("施工许可 {} 才核发", pl.col("permit_at").dt.date()))
    )
    return found(
        rows,
        pl.format(
            "变化图斑 {}（类型 {}，后时相 {}）在用地红线内 {} 平方米，{}，疑似未批先建线索，待外业核实。",
            "polygon_code",
            "change_type",
            "seen_after",
            pl.col("inside").round(0).cast(pl.Int64),
            permit_text,
        ),
        item_code=pl.lit(permit),
        case_no=pl.col("polygon_code"),
        evidence=pl.concat_list(pl.format("change_polygon {}", "polygon_code")),
        since=pl.col("cut_off"),
        ripe=pl.col("seen_after"),
    )


@rule("stalled", part="on_the_ground", waits=True)
def stalled_on_the_ground(c: Context, values: Stalled) -> pl.DataFrame:
    """停滞（实地）: ≥ 6 months after DG-604 an image exists, and nothing inside the red line has changed since the issue."""
    ground = c.once(measure)
    permit, acceptance = c.rules.items.permit, c.rules.items.acceptance
    accepted = c.facts.states.filter((pl.col("item_code") == acceptance) & pl.col("done_at").is_not_null()).select(
        "project_code"
    )
    months = f"{values.ground_months}mo"
    issued = (
        c.facts.states.filter((pl.col("item_code") == permit) & pl.col("done_at").is_not_null())
        .select("project_code", pl.col("done_at").dt.date().alias("issued_on"))
        .join(accepted, on="project_code", how="anti")
        .with_columns(pl.col("issued_on").dt.offset_by(months).alias("ripe_on"))
        .filter(pl.col("ripe_on") <= c.as_of)
    )
    seen = pl.concat(
        [
            ground.scenes.rename({"taken_on": "on"}),
            ground.overlaps.select("project_code", pl.col("seen_after").alias("on")),
        ]
    ).filter(pl.col("on") <= c.as_of)
    looked = (
        issued.join(seen, on="project_code")
        .filter(pl.col("on") > pl.col("ripe_on"))
        .group_by("project_code")
        .agg(pl.col("on").max().alias("looked_on"))
    )
    moved = (
        issued.join(ground.overlaps, on="project_code")
        .filter(pl.col("seen_after") > pl.col("issued_on"))
        .select("project_code")
        .unique()
    )
    rows = issued.join(looked, on="project_code").join(moved, on="project_code", how="anti")
    return found(
        rows,
        pl.format(
            "施工许可 {} 核发已满 {} 个月，{} 的影像上红线内未见任何变化，疑似实地停滞，待核。",
            "issued_on",
            pl.lit(values.ground_months),
            "looked_on",
        ),
        item_code=pl.lit(permit),
        kind=pl.lit("实地停滞"),
        evidence=pl.concat_list(pl.format("project {}", "project_code")),
        since=pl.col("issued_on"),
        ripe=pl.col("looked_on"),
    )
