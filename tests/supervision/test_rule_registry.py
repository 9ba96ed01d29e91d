"""A rule more is one decorated function and its entry in rules.yaml (and completeness.yaml); forgetting a piece is refused."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from core.errors import ConfigurationError, InternalError
from store.engine import transaction
from supervision import discovery, judge, rulebook
from supervision import rule as registry
from supervision.findings import CASE, Context, found
from supervision.rule import Rule, rule
from tests.supervision.making import P, case, catalogue, complete, project

DAY = date(2026, 4, 10)
ENTRY = """
  C99:
    name: 长号
    severity: 1
    asks_action: false
    lifted_by: 编号更正。
    at_least: 3
"""


class Long(Rule):
    at_least: int


def long_number(c: Context, values: Long) -> pl.DataFrame:
    rows = c.cases.filter(pl.col("case_no").str.len_chars() >= values.at_least)
    return found(rows, pl.format("{} 编号过长", "case_no"), evidence=CASE)


def never_there(c: Context, values: Rule) -> pl.DataFrame:
    return found(c.cases, pl.lit("没有"), evidence=CASE, since=pl.lit(DAY))


@pytest.fixture
def own(monkeypatch, tmp_path) -> Path:
    """A registry of one's own to add to, and a copy of the folder of rules."""
    monkeypatch.setattr(registry, "registered", discovery.checks())
    shutil.copytree(rulebook.FOLDER, tmp_path / "rules")
    return tmp_path / "rules"


def add(path: Path, after: str, text: str) -> None:
    path.write_text(path.read_text("utf-8").replace(after, after + text, 1), "utf-8")


def suspected(folder: Path) -> dict[tuple, list[str]]:
    with transaction() as connection:
        rows = judge.judge(connection, DAY, [P], judge.rules(folder)).findings
    return {(row["rule"], row["case_no"]): row["waits_for"] for row in rows.to_dicts()}


def test_a_rule_more_is_its_function_and_its_entry(hub, own) -> None:
    catalogue()
    project()
    case("A1", "DG-502", {"ACCEPTED": "2026-04-09 10:00"})
    case("A1234", "DG-604", {"ACCEPTED": "2026-04-09 10:00"})
    complete()
    rule("C99", Long)(long_number)
    with pytest.raises(ConfigurationError, match=r"rules\.yaml:17: rules: has no entry for C99 \(.*long_number\)"):
        judge.rules(own)
    add(own / "rules.yaml", "\nrules:", ENTRY.replace("    at_least: 3\n", ""))
    with pytest.raises(ConfigurationError, match=r"rules\.C99\.at_least: is missing"):
        judge.rules(own)
    add(own / "rules.yaml", "lifted_by: 编号更正。\n", "    at_least: 3\n")
    assert {key: waits for key, waits in suspected(own).items() if key[0] == "C99"} == {("C99", "A1234"): []}


def test_a_rule_from_absence_says_what_it_needs_or_is_not_judged(hub, own) -> None:
    catalogue()
    project()
    case("A1", "DG-502", {"ACCEPTED": "2026-04-09 10:00"})
    add(own / "rules.yaml", "\nrules:", ENTRY.replace("    at_least: 3\n", ""))
    rule("C99")(never_there)
    with pytest.raises(InternalError, match="C99 is not registered with waits=True"):
        suspected(own)
    registry.registered.pop("C99")
    rule("C99", waits=True)(never_there)
    with pytest.raises(ConfigurationError, match=r"completeness\.yaml:4: rules: has no entry for C99"):
        judge.rules(own)
    add(own / "completeness.yaml", "\nrules:", "\n  C99: [m1.projects]")
    assert suspected(own)["C99", "A1"] == ["m1.projects"]


def test_every_module_of_findings_is_looked_through_and_no_code_is_given_twice(own) -> None:
    declared = yaml.safe_load((rulebook.FOLDER / "rules.yaml").read_text("utf-8"))["rules"]
    assert (
        set(discovery.codes()) == set(declared) >= {"overdue", "returned", "stalled", *(f"C{n}" for n in range(1, 16))}
    )
    with pytest.raises(InternalError, match=r"long_number registers the rule C9, as supervision\.findings\.linked"):
        rule("C9")(long_number)
    rule("C98", part="elsewhere")(long_number)
    with pytest.raises(InternalError, match="a part of the rule C98, which no function registers"):
        discovery.checks()
