"""What the sources of :mod:`bench.protocols` send, as files: ``python -m bench.bodies NAME ROWS FOLDER``.

Made by a process of their own, so that neither their making nor all of them at once count in a worker's memory; what that
process alone needs is imported where it is used.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 1, 8)
NAME, UNIT = "东莞市合立宏智能科技有限公司", "91441900MA57X15J2T"
SOAP_PAGE, FEATURE_PAGE = 200, 1_000  # rows, as the sources' declarations have them


def _at(number: int) -> str:
    return f"{START + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}"


def _case(number: int) -> str:
    steps = "".join(
        f"<SPHJ><SPHJMC>{step}</SPHJMC><SPRXM>董华</SPRXM><SPSJ>{_at(number)}</SPSJ><SPYJ>同意</SPYJ></SPHJ>"
        for step in ("窗口初审", "审核")
    )
    return (
        f"<CASE><YWLSH>30420250{number:08d}</YWLSH><SBLSH_SHORT>4419250{number:08d}</SBLSH_SHORT>"
        f"<PROJECT_CODE>2506-441900-04-02-011512</PROJECT_CODE><SXBM>DG-401</SXBM><SXMC>建设项目用地预审与选址意见书</SXMC>"
        f"<SQRMC>{NAME}</SQRMC><SQRZJHM>{UNIT}</SQRZJHM><SLSJ>{_at(number)}</SLSJ><BJSJ>{_at(number + 60)}</BJSJ><BJJGDM>0</BJJGDM>"
        f"<ZJBH>东304〔2025〕{number:06d}号</ZJBH><FZSJ>2026-03-04</FZSJ>{steps}<GXSJ>{_at(number)}</GXSJ></CASE>"
    )


def _ring(number: int, latitude_first: bool) -> list[tuple[float, float]]:
    east, north = 113.6 + number % 500 / 1000, 22.8 + number // 500 % 300 / 1000
    corners = [
        (east, north),
        (east, north + 0.0005),
        (east + 0.0005, north + 0.0005),
        (east + 0.0005, north),
        (east, north),
    ]
    return [(y, x) if latitude_first else (x, y) for x, y in corners]


# -- bytes as the sources send them ------------------------------------------------------------------------------------


def _soap(numbers: range) -> bytes:
    inner = f'<?xml version="1.0" encoding="GBK"?><APPROVEDATAINFO total="{len(numbers)}" page="1">'
    inner += "".join(map(_case, numbers)) + "</APPROVEDATAINFO>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        '<soapenv:Body><ns2:queryCasesResponse xmlns:ns2="urn:dg:nr:approval:1"><ns2:return>'
        f"{html.escape(inner, quote=False)}</ns2:return></ns2:queryCasesResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()


def _zip(numbers: range) -> bytes:
    cases = f'<?xml version="1.0" encoding="GB18030"?><APPROVEDATAINFO>{"".join(map(_case, numbers))}</APPROVEDATAINFO>'
    body = cases.encode("gb18030")
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    manifest = f'<?xml version="1.0" encoding="UTF-8"?><manifest><file name="cases.xml" rows="{len(numbers)}" md5="{digest}"/></manifest>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as result:
        result.writestr("manifest.xml", manifest)
        result.writestr("cases.xml", body)
    return packed.getvalue()


def _workbook(numbers: range) -> bytes:
    import xlsxwriter

    from standins.systems import d5

    held = io.BytesIO()
    book = xlsxwriter.Workbook(held)
    sheet = book.add_worksheet("2026-03")
    sheet.write_row(0, 0, ["消防审批办件情况表（2026-03）"])
    sheet.write_row(d5.HEADER_ROW, 0, d5.COLUMNS)
    for n in numbers:
        row = [
            n,
            "2410-441900-04-01-010773",
            "包装增资扩产项目",
            NAME,
            UNIT,
            "DG-703",
            "其他建设工程消防验收备案(抽查)",
        ]
        sheet.write_row(
            d5.HEADER_ROW + 1 + n,
            0,
            [*row, f"441925{n:011d}", "2026-03-01", "2026-03-09", "通过", f"东703〔2026〕{n:06d}号"],
        )
    book.close()
    return held.getvalue()


_GML = (
    '<?xml version="1.0" encoding="UTF-8"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" '
    'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:dg="http://dg.gov.cn/nr" numberMatched="{n}" numberReturned="{n}">{members}'
    "</wfs:FeatureCollection>"
)


def _gml(numbers: range) -> bytes:
    import numpy as np
    import shapely

    from connectors.decoders import geometry

    def member(number: int) -> str:
        places = " ".join(f"{one:.9f} {other:.9f}" for one, other in _ring(number, True))
        area = geometry.areas(np.array([shapely.Polygon(_ring(number, False))]))[
            0
        ]  # as stated, or each parcel is an issue
        return (
            f'<wfs:member><dg:parcel gml:id="p.{number}"><dg:ZDDM>441900001362GB{number:05d}</dg:ZDDM><dg:QLR>{NAME}</dg:QLR>'
            f"<dg:MJ>{area:.2f}</dg:MJ><dg:PROJECT_CODE>2506-441900-04-01-011888</dg:PROJECT_CODE><dg:GXSJ>{_at(number)}</dg:GXSJ>"
            f'<dg:SHAPE><gml:MultiSurface gml:id="p.{number}.g" srsName="urn:ogc:def:crs:EPSG::4490" srsDimension="2">'
            f'<gml:surfaceMember><gml:Polygon gml:id="p.{number}.g.1"><gml:exterior><gml:LinearRing><gml:posList>{places}'
            "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember></gml:MultiSurface></dg:SHAPE>"
            "</dg:parcel></wfs:member>"
        )

    return _GML.format(n=len(numbers), members="".join(map(member, numbers))).encode()


def _geojson(numbers: range) -> bytes:
    features = []
    for number in numbers:
        row = {"JCBH": f"JC2026{number:08d}", "XZQDM": "441900", "XMC": "东莞市", "TBLX": "TD", "QSX": "2025-11-07"}
        row |= {"HSX": "2026-02-05", "MJ": "841.54", "SFYN": "0", "SFHX": "0"}
        shape = {"type": "Polygon", "coordinates": [_ring(number, False)]}
        features.append({"type": "Feature", "id": row["JCBH"], "geometry": shape, "properties": row})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


#: Name → how its bytes are made of numbers of records, and how many records a page of it has; None: all of them.
BODIES: dict[str, tuple[Callable[[range], bytes], int | None]] = {
    "soap": (_soap, SOAP_PAGE),
    "zip_xml": (_zip, None),
    "workbook": (_workbook, None),
    "gml": (_gml, FEATURE_PAGE),
    "geojson": (_geojson, FEATURE_PAGE),
    "gml_whole": (_gml, None),
    "geojson_whole": (_geojson, None),
}


def make(name: str, rows: int, folder: Path) -> None:
    """Write the pages of a listing of ``rows`` records into a folder, in order by their files' names."""
    maker, page = BODIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    size = page or rows
    for number, start in enumerate(range(0, rows, size)):
        (folder / f"{number:06d}").write_bytes(maker(range(start, min(start + size, rows))))


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
