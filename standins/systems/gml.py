"""Features of S1 as GML 3.2: MultiSurface with holes, in the reference system and axis order that srsName says."""

from __future__ import annotations

from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from pyproj import Transformer

from standins.forms import dice
from standins.systems.soap import text

GML = "http://www.opengis.net/gml/3.2"
WFS = "http://www.opengis.net/wfs/2.0"
DG = "http://dg.gov.cn/nr"
CODES = ("4490", "4547")


def code_of(srs_name: str) -> str | None:
    """EPSG code of any of the forms of a name; None for one that the service does not know."""
    code = srs_name.replace("#", ":").replace("/", ":").rpartition(":")[2]
    return code if code in CODES else None


def northing_first(srs_name: str) -> bool:
    """The URN and http URI forms have EPSG's axis order, the short form easting first."""
    return not srs_name.upper().startswith("EPSG:")


@cache
def _transformer() -> Transformer:
    return Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)


def polygons(geometry: dict[str, Any]) -> list[list[list[list[float]]]]:
    """GeoJSON Polygon or MultiPolygon → polygons → rings → positions."""
    return geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]


def positions(ring: list[list[float]], code: str, swap: bool) -> str:
    if code == "4547":
        east, north = _transformer().transform([p[0] for p in ring], [p[1] for p in ring])
        pairs = [(round(x, 3), round(y, 3)) for x, y in zip(east, north, strict=True)]
    else:
        pairs = [(round(p[0], 9), round(p[1], 9)) for p in ring]
    return " ".join(f"{b} {a}" if swap else f"{a} {b}" for a, b in pairs)


def multi_surface(geometry: dict[str, Any], srs_name: str, ident: str, *, name_it: bool, wrong: bool = False) -> str:
    """<gml:MultiSurface>. ``name_it`` False leaves srsName to the envelope; ``wrong`` turns the axes (a fault)."""
    code = code_of(srs_name) or CODES[0]
    swap = northing_first(srs_name) != wrong
    members = []
    for number, rings in enumerate(polygons(geometry), 1):
        shells = "".join(
            f"<gml:{role}><gml:LinearRing><gml:posList>{positions(ring, code, swap)}</gml:posList></gml:LinearRing></gml:{role}>"
            for role, ring in zip(["exterior"] + ["interior"] * (len(rings) - 1), rings, strict=True)
        )
        members.append(
            f'<gml:surfaceMember><gml:Polygon gml:id="{ident}.{number}">{shells}</gml:Polygon></gml:surfaceMember>'
        )
    named = f" srsName={quoteattr(srs_name)}" if name_it else ""
    return f'<gml:MultiSurface gml:id="{ident}"{named} srsDimension="2">{"".join(members)}</gml:MultiSurface>'


def feature(
    layer: str,
    columns: tuple[str, ...],
    row: dict[str, Any],
    srs_name: str,
    *,
    quirks: bool,
    wrong: bool = False,
    mark: str = "",
) -> str:
    """<wfs:member> of one row; what is empty is nil or absent."""
    key = str(row[columns[0]])
    fate = dice(layer, key)
    ident = f"{layer}.{fate:08x}"
    fields = []
    for name in columns:
        value = row.get(name)
        if value is None or value == "":
            if quirks and fate % 2:
                fields.append(f'<dg:{name} xsi:nil="true"/>')
            continue
        fields.append(f"<dg:{name}>{mark if name in ('QLR', 'XMMC') else ''}{text(value)}</dg:{name}>")
    shape = ""
    if row.get("_geometry"):
        shape = f"<dg:SHAPE>{multi_surface(row['_geometry'], srs_name, ident + '.g', name_it=not quirks or fate % 8 != 5, wrong=wrong)}</dg:SHAPE>"
    return f'<wfs:member><dg:{layer} gml:id="{ident}">{"".join(fields)}{shape}</dg:{layer}></wfs:member>'
