"""Entities, code lists and raw contracts load, agree with each other and with docs/architecture.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT
from schemas import codes, entities, raw
from sources import published


def feeds_of_the_architecture() -> set[str]:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = text[text.index("## Names of feeds") : text.index("## The way of a record")]
    return set(re.findall(r"\b((?:[pmds]\d|s4_mqtt)\.[a-z_0-9]+)", section))


def test_every_code_list_that_a_column_names_is_there_and_canonical() -> None:
    named = {c.codes for e in entities.load_all().values() for c in e.columns.values() if c.codes}
    assert named <= set(codes.names())
    assert [name for name in named if codes.load(name).of] == []


def test_values_that_the_entities_document_are_in_their_lists() -> None:
    """case.result and case_event.event write their canonical codes out."""
    for entity, column in (("case", "result"), ("case_event", "event")):
        written = set(re.findall(r"\b[A-Z]{4,}(?:_[A-Z]+)*\b", entities.load(entity).columns[column].doc))
        assert written == set(codes.load(column).codes)


def test_every_code_has_a_chinese_label() -> None:
    for listed in codes.load_all().values():
        assert all(listed.labels.values()), listed.name


def test_bjjgdm_follows_the_rules() -> None:
    """rules.md: done is 0 and 6, returned 1, withdrawn 2 and 3; 5 is none of them."""
    meaning = codes.load("bjjgdm").meaning
    assert [meaning[str(n)] for n in range(7)] == [
        "DONE_OK",
        "DONE_RETURNED",
        "VOIDED",
        "DELETED",
        "TRANSFERRED",
        "LAPSED",
        "DONE_OK",
    ]


def test_a_wrong_code_list_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        'name: mine\nzh: 表\nof: [event]\ncodes:\n  "1": {zh: 一, to: NOWHERE}\n  "2": {zh: 二, to: ACCEPTED, also: ["1"]}\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        codes.read(path)
    assert "mine.yaml:5: codes.1.to: 'NOWHERE' is not in the list event" in caught.value.message
    assert "mine.yaml:6" in caught.value.message and "'1' stands twice" in caught.value.message


def test_an_unknown_entity_or_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no entity 'nothing'"):
        entities.load("nothing")
    path = tmp_path / "thing.yaml"
    path.write_text("entity: thing\nzh: 物\ndoc: x\nkey: [a]\ncolumns:\n  a: {type: money, zh: 甲}\n")
    with pytest.raises(ConfigurationError, match=r"thing\.yaml:6: columns\.a\.type"):
        entities.read(path)


def test_personal_data_is_marked() -> None:
    marked = {(e.entity, c.name) for e in entities.load_all().values() for c in e.columns.values() if c.personal}
    assert {
        ("case", "applicant_id"),
        ("case", "contact_phone"),
        ("case_event", "handler"),
        ("enterprise", "legal_person"),
    } <= marked


def test_every_feed_of_the_architecture_has_a_contract() -> None:
    assert set(raw.load_all()) >= feeds_of_the_architecture()


@pytest.mark.parametrize(
    ("feed", "columns"),
    [
        ("m2.sb", 35),
        ("m2.spcl", 16),
        ("m2.sbcl", 15),
        ("p3.task", 28),
        ("p3.accept", 29),
        ("d3.project", 38 + 1),
        ("d3.permit", 31),
        ("p1.project_filing", 20),
        ("p1.licence", 14),
        ("m1.projects", 12),
        ("d1.cases", 15),
        ("d2.projects", 8),
        ("d4.cases", 16),
        ("s1.parcel", 6),
        ("s4.reading", 5),
        ("d5.fire", 12),
    ],
)
def test_columns_are_those_of_the_contract(feed: str, columns: int) -> None:
    assert len(raw.contract(feed).columns) == columns


def test_sql_contracts_lose_no_column() -> None:
    """Counted another way: lines between the brackets of CREATE TABLE that begin with a name and a type."""
    for feed, entry in declared.read(raw.FEEDS).data.items():
        if str(entry.get("contract", "")).endswith(".sql"):
            text = (raw.CONTRACTS / entry["contract"]).read_text("utf-8")
            body = re.search(rf"CREATE TABLE {entry['row']} \((.*?)\n\);", text, re.S)
            lines = [line for line in body[1].splitlines() if line.strip() and "PRIMARY KEY" not in line]
            assert [line.split()[0] for line in lines] == list(raw.contract(feed).columns), feed


def test_nested_columns_and_labels() -> None:
    contract = raw.contract("d4.cases")
    assert contract.columns["SPHJ"].fields == ("SPHJMC", "SPRXM", "SPSJ", "SPYJ")
    assert contract.columns["FJ"].fields == ("href",)
    assert contract.columns["YWLSH"].required and not contract.columns["SLSJ"].required
    assert raw.contract("m2.sb").columns["SBSJ"].zh == "申办时间"
    assert raw.contract("m1.projects").columns["planned_items"].nested


def test_an_unknown_feed_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"no feed 'x\.y'"):
        raw.contract("x.y")


@pytest.mark.parametrize("name", sorted(published.MODELS))
def test_published_schemas_are_in_step(name: str) -> None:
    path = ROOT / "schemas" / f"{name}.schema.json"
    assert path.read_text("utf-8") == published.text(name), "run python -m sources.published"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("source", "sources/*.yaml"), ("mapping", "mappings/*/*.yaml"), ("entity", "schemas/entities/*.yaml")],
)
def test_published_schemas_accept_what_we_declare(name: str, pattern: str) -> None:
    validator = jsonschema.Draft202012Validator(
        json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    )
    files = sorted(ROOT.glob(pattern))
    assert len(files) >= 15
    for path in files:
        assert [error.message for error in validator.iter_errors(declared.read(path).data)] == [], path
        assert not validator.is_valid({**declared.read(path).data, "surprise": 1})
