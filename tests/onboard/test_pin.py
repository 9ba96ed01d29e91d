"""``contract: auto``: taken from the live source, pinned, told against, pinned anew."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core.errors import ConfigurationError
from mappings import compiler
from pipeline import registry, shape
from pipeline.onboard import accept, drift, steps
from schemas import raw
from sources import loader
from tests.connectors.web import Reply, web
from tests.onboard import foreign

SOURCE = """source: z1
name: 许可
system: 部门审批系统
owner: {department: 许可科}
connection: z1
protocol: rest
schedule: "20 * * * *"
promise: P1D
feeds:
  permit: {name: 许可, mapping: z1/permit, key: [no], contract: auto, cursor: {kind: full}, options: {path: /x, paging: {kind: none}}}
"""
MAPPING = """feed: z1.permit
version: 1
key: [no]
ignore: [fee]
entities:
  - entity: licence
    columns: {kind: {const: licence}, number: no, issued_at: day}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raw, "PINNED", tmp_path / "pinned")
    raw.pinned.cache_clear()
    with foreign.own_declarations(tmp_path, monkeypatch) as folder:
        (folder / "mappings/z1").mkdir()
        (folder / "mappings/z1/permit.yaml").write_text(MAPPING, "utf-8")
        (folder / "sources/z1.yaml").write_text(SOURCE, "utf-8")
        foreign.forget()
        yield folder
    raw.pinned.cache_clear()


def rows(n: int = 30, **more: object) -> list[dict[str, object]]:
    return [{"no": f"S{i}", "day": f"2026-11-{i % 28 + 1:02d}", "fee": i, **more} for i in range(n)]


def table(listed: list[dict[str, object]]) -> pa.Table:
    return pa.table({name: pa.array([str(row[name]) for row in listed], pa.large_string()) for name in listed[0]})


def test_a_contract_is_pinned_with_types_and_what_differs_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = rows()
    with web(lambda asked: Reply({"data": sent})) as served:
        foreign.connect(monkeypatch, "z1", host=served.url)
        with pytest.raises(
            ConfigurationError, match=r"z1.yaml:\d+: feeds.permit.contract: is not pinned yet: onemap source pin z1"
        ):
            registry.feed("z1.permit")
        (done,) = steps.pinned("z1")
        foreign.forget()
        assert done.changes == [] and {n: c.type for n, c in raw.find("z1.permit").columns.items()} == {
            "no": "text",
            "day": "time",
            "fee": "number",
        }
        _, feed = registry.feed("z1.permit")
        mapping = compiler.load("z1.permit")
        assert drift.find(mapping, table(sent)) == []
        monkeypatch.setattr(shape, "_stored", lambda feed: [])
        changed = [{**row, "fee": "免费" if row["no"] == "S3" else row["fee"]} for row in sent]
        found = drift.find(mapping, table(changed))
        assert [(one.kind, one.column) for one in found] == [("type", "fee")] and "3.3%" in found[0].detail
        assert [(i.code, i.field) for i in shape.guard(feed, mapping, table(changed), 1)] == [("type_changed", "fee")]
        sent = [{**row, "extra": 1} for row in changed]
        assert [one.kind for one in drift.find(mapping, table(sent))] == ["new", "type"]
        (again,) = steps.pinned("z1", ["permit"])
        assert again.changes == ["新增列 extra（number）", "fee：number → text"]
        foreign.forget()
        with pytest.raises(ConfigurationError, match="extra"):  # a pinned column is used, or ignored by a person
            compiler.load("z1.permit")


def test_a_pinned_contract_that_is_wrong_is_refused_with_file_and_line(place: Path) -> None:
    raw.PINNED.mkdir()
    (raw.PINNED / "z1.permit.yaml").write_text("feed: z1.permit\nkey: [no]\ncolumns:\n  no: {type: txt}\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"z1.permit.yaml:4: columns.no.type"):
        raw.find("z1.permit")


def test_nothing_is_pinned_where_nobody_asked(place: Path) -> None:
    (place / "sources/z1.yaml").write_text(SOURCE.replace(" contract: auto,", ""), "utf-8")
    loader.load.cache_clear()
    with pytest.raises(ConfigurationError, match="contract: auto"):
        steps.pinned("z1")


def test_a_row_that_two_pages_bring_is_one_row_of_a_sample_whose_key_is_open(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "sources/z1.yaml").write_text(SOURCE.replace("key: [no]", 'key: ["?"]'), "utf-8")
    loader.load.cache_clear()
    with web(lambda asked: Reply({"data": [*rows(30), rows(30)[-1]]})) as served:
        foreign.connect(monkeypatch, "z1", host=served.url)
        (seen,) = steps.look("z1")
    assert seen.profile.rows == 30 and ["no"] in seen.profile.keys


def test_a_column_that_a_pinned_contract_lacks_is_taken_into_it_and_the_mapping(place: Path, monkeypatch) -> None:
    monkeypatch.setattr(raw, "PINNED", place / "schemas/contracts/pinned")
    path = place / "mappings/z1/permit.yaml"
    block = "columns:\n      kind: {const: licence}\n      number: no\n      issued_at: day"
    path.write_text(MAPPING.replace("columns: {kind: {const: licence}, number: no, issued_at: day}", block), "utf-8")
    with web(lambda asked: Reply({"data": rows()})) as served:
        foreign.connect(monkeypatch, "z1", host=served.url)
        steps.pinned("z1")
    foreign.forget()
    assert accept.accept("z1.permit", "holder", "licence.holder_name", root=place).command is None
    accept.accept("z1.permit", "remark", None, root=place)
    assert "holder_name: holder" in path.read_text("utf-8") and "ignore: [fee, remark]" in path.read_text("utf-8")
    registry.feed("z1.permit")
    columns = raw.find("z1.permit").columns
    assert [(name, columns[name].type) for name in ("fee", "holder", "remark")] == [
        ("fee", "number"),
        ("holder", "text"),
        ("remark", "text"),
    ]
    assert drift.find(compiler.load("z1.permit"), table(rows(holder="甲公司", remark="x"))) == []
