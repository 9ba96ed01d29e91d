"""Every line keeps to the contracts of the wires: columns, types, codes, check digits, areas."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import shapely
from pyproj import Transformer
from ruamel.yaml import YAML
from shapely.geometry import shape

from core import codes
from core.settings import ROOT
from standins import world

CONTRACTS = ROOT / "schemas" / "contracts"


def openapi(name: str, schema: str) -> jsonschema.Draft202012Validator:
    document = YAML(typ="safe").load((CONTRACTS / name).read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    )


def tables(name: str) -> dict[str, dict[str, str]]:
    """Table → column → type of a contract's SQL."""
    text = (CONTRACTS / name).read_text(encoding="utf-8")
    return {
        table: dict(re.findall(r"^\s{2}(\w+)\s+([a-z]+(?:\(\d+(?:,\d+)?\))?)[,\s]", body, re.MULTILINE))
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)^\);", text, re.MULTILINE | re.DOTALL)
    }


def content(row: dict) -> dict:
    return {k: v for k, v in row.items() if not k.startswith("_")}


@pytest.mark.parametrize(
    ("file", "contract", "schema"),
    [
        ("p1/project_filing", "p1.openapi.yaml", "ProjectFiling"),
        ("p1/enterprise", "p1.openapi.yaml", "Enterprise"),
        ("p1/licence", "p1.openapi.yaml", "Licence"),
        ("m1/items", "m1.openapi.yaml", "Item"),
        ("m1/projects", "m1.openapi.yaml", "Project"),
    ],
)
def test_json_of_the_platforms(default_world, file, contract, schema):
    validator = openapi(contract, schema)
    known = set(
        YAML(typ="safe").load((CONTRACTS / contract).read_text(encoding="utf-8"))["components"]["schemas"][schema][
            "properties"
        ]
    )
    for n, row in enumerate(world.load(default_world).lines(file)):
        if n % 7 == 0:
            validator.validate(content(row))
        assert set(content(row)) <= known


@pytest.mark.parametrize(
    ("source", "contract", "required"),
    [("m2", "m2.sql", "SBLSH_SHORT"), ("p3", "p3.sql", "row_guid"), ("d3", "d3.sql", "LSH")],
)
def test_rows_of_the_front_end_databases(default_world, source, contract, required):
    reader = world.load(default_world)
    for table, columns in tables(contract).items():
        assert len(columns) >= 10
        for row in reader.lines(f"{source}/{table}"):
            row = content(row)
            assert set(row) <= set(columns), table
            assert row[required]
            for column, value in row.items():
                if value in (None, ""):
                    continue
                kind = columns[column]
                if match := re.fullmatch(r"varchar\((\d+)\)", kind):
                    assert len(str(value)) <= int(match[1]), (table, column, value)
                elif kind == "timestamp":
                    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", value), (table, column, value)
                elif kind == "integer":
                    assert str(int(value)) == str(value)


def test_the_logs_keys_are_unique(default_world):
    reader = world.load(default_world)
    for table in (
        "up_pro_accept",
        "up_pro_process",
        "up_pro_result",
        "up_pro_special_procedure",
        "up_lic_data",
        "up_task_general_basic",
    ):
        keys = [(r["row_guid"], r["cd_time"], r["cd_operation"]) for r in reader.lines(f"p3/{table}")]
        assert len(keys) == len(set(keys))
    assert all(
        len({(r["LSH"], r["GXSJ"]) for r in rows}) == len(rows)
        for rows in [[*reader.lines("d3/SPGL_XMSPSXBLXXXXB_V3")]]
    )


def test_scenes_changes_and_readings(default_world):
    import json

    reader = world.load(default_world)
    scene = json.loads((CONTRACTS / "s3.schema.json").read_text())
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/scene", "$defs": scene["$defs"]})
    for row in reader.lines("s3/scene"):
        validator.validate(content(row))
        assert ("eo:cloud_cover" in row["properties"]) == (row["collection"] == "satellite")
    change = json.loads((CONTRACTS / "s2.schema.json").read_text())
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/change", "$defs": change["$defs"]})
    for row in reader.lines("s2/change"):
        validator.validate(
            {"type": "Feature", "id": row["JCBH"], "geometry": row["_geometry"], "properties": content(row)}
        )
    reading = json.loads((CONTRACTS / "s4.schema.json").read_text())
    validator = jsonschema.Draft202012Validator({**reading["properties"]["data"]["items"], "$defs": reading["$defs"]})
    for n, row in enumerate(reader.lines("s4/reading")):
        if n % 50 == 0:
            validator.validate(content(row))


def test_codes_pass_their_checks(default_world):
    reader = world.load(default_world)
    for row in reader.lines("m1/projects"):
        assert codes.is_valid_project_code(row["project_code"]) or codes.is_old_project_code(row["project_code"])
        assert codes.is_valid_uscc(row["uscc"])
        assert codes.organisation_check(row["uscc"][8:16]) == row["uscc"][16]
    assert any(codes.is_old_project_code(row["project_code"]) for row in reader.lines("m1/projects"))
    for row in reader.lines("p1/licence"):
        assert codes.is_valid_certificate_id(row["certificate_id"])
        assert len(row["certificate_type_code"]) == 21
    for row in reader.lines("p1/enterprise"):
        assert codes.is_valid_uscc(row["uscc"])


def test_the_item_list(default_world):
    rows = [*world.load(default_world).lines("m1/items")]
    current = {(r["item_code"], r["version"]): r for r in rows}
    assert sum(len(r["materials"]) for r in current.values() if r["kind"] == "政府内部事项") == 169
    assert any(r["version"] == 2 for r in current.values()) and any(r["valid_to"] for r in current.values())
    held: dict[str, str] = {}
    for row in current.values():
        for alias in row["aliases"]:
            assert held.setdefault(alias, row["item_code"]) == row["item_code"], "an alias means one item"
        if row["kind"] == "政务服务事项":
            assert len(row["task_code"]) == 31 and row["task_code"] in row["aliases"]
        if row["certificate_type_code"]:
            assert len(row["certificate_type_code"]) == 21 and row["certificate_type_code"] in row["aliases"]


def metres(geometry: dict):
    to = Transformer.from_crs(4490, 4547, always_xy=True).transform
    return shapely.transform(shape(geometry), to, interleaved=False)


def test_land_lies_in_town_apart_and_of_the_right_size(default_world):
    reader = world.load(default_world)
    lines = [metres(r["_geometry"]) for r in reader.lines("s1/redline")]
    assert all(g.is_valid for g in lines)
    for row, geometry in zip(reader.lines("s1/redline"), lines, strict=True):
        assert abs(geometry.area / float(row["MJ"]) - 1) < 0.005
        west, south, east, north = shape(row["_geometry"]).bounds
        assert 113.52 < west < east < 114.27 and 22.65 < south < north < 23.15
    assert any(g.geoms[0].interiors for g in lines), "some have a hole"
    tree = shapely.STRtree(lines)
    assert all(len(tree.query(g, predicate="intersects")) == 1 for g in lines)
    for row in reader.lines("s1/parcel"):
        assert re.fullmatch(r"\d{12}[GJZ][A-HSWXY]\d{5}", row["ZDDM"])
        assert abs(metres(row["_geometry"]).area / float(row["MJ"]) - 1) < 0.005


def test_sheets_and_drops_name_their_files(default_world):
    reader = world.load(default_world)
    for row in reader.lines("d4/cases"):
        assert re.fullmatch(r"HB_\d{14}_\d{3}\.zip", row["_file"])
    for name in ("weather", "fire"):
        for row in reader.lines(f"d5/{name}"):
            assert (
                re.fullmatch(r"(气象局|消防)_\d{6}\.xlsx", row["_file"])
                and row["_sheet"].replace("-", "") in row["_file"]
            )
    by_file = {}
    for row in reader.lines("p2/land_approval"):
        assert Path(row["_file"]).suffix == ".zip"
        assert by_file.setdefault(row["批文号"], row["_file"]) == row["_file"]
