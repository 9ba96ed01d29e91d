"""What the commands print: one JSON value on standard output and nothing else, and pages that say why."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest
import yaml
from typer.testing import CliRunner

from cli import __main__ as command_line
from core.errors import ConfigurationError, OneMapError
from supervision import checking, comparing, explain, rulebook
from supervision.city import gather
from supervision.ledger import decide, listed, supervise
from supervision.orders import life
from tests.supervision.making import OWNER, P, case, catalogue, complete, filed, found, project


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line.app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def data(*words: str):
    code, out = run(*words, "--json")
    assert code == 0
    return json.loads(out)


@pytest.fixture
def city(hub):
    """One overdue case of DG-502 with a pause, and one returned."""
    catalogue()
    project()
    complete()
    case(
        "M1",
        "DG-502",
        [
            ("SUBMITTED", "2026-03-02 09:00", {}),
            ("ACCEPTED", "2026-03-02 10:00", {}),
            ("SPECIAL_START", "2026-03-05 09:00", {"limit_days": 3, "limit_unit": "工作日"}),
            ("SPECIAL_END", "2026-03-09 09:00", {}),
        ],
        channels=["M2", "D3"],
        contact_name="王小明",
        contact_phone="13800001234",
    )
    case("M2", "DG-604", [("SUBMITTED", "2026-03-02 09:00", {}), ("REJECTED_INTAKE", "2026-03-04 09:00", {})])
    return hub


def test_findings_are_an_array_with_every_key(city):
    before = data("findings", "--as-of", "2026-03-20")
    supervise(date(2026, 3, 20))
    after = data("findings")
    keys = [
        "rule",
        "project_code",
        "item_code",
        "case_no",
        "level",
        "kind",
        "state",
        "opened",
        "closed",
        "severity",
        "department",
        "text",
    ]
    for rows in (before, after):
        assert {(r["rule"], r["case_no"]) for r in rows} == {("overdue", "M1"), ("returned", "M2")}
        assert all(set(keys) <= set(row) and row["state"] == "open" for row in rows)
    assert {row["opened"] for row in after} == {"2026-03-20"} and after[0]["project_code"] == P
    assert [row["rule"] for row in data("findings", "--rule", "returned")] == ["returned"]
    assert data("findings", "--state", "closed") == [] and data("findings", "--department", "住房") == after
    assert data("findings", "--as-of", "2026-03-05") and run("findings")[0] == 0


def test_clocks_give_every_case_with_both_limits(city):
    (one,) = [row for row in data("clocks", "--as-of", "2026-03-20") if row["case_no"] == "M1"]
    # used: 03-03, 04, 05, 10 .. 13, 16 .. 20
    assert (one["used"], one["used_promised"], one["used_statutory"], one["due"], one["light"]) == (
        12,
        12,
        12,
        "2026-03-13",
        "红",
    )
    assert (one["promised_limit"], one["promised_unit"], one["statutory_limit"], one["statutory_unit"]) == (
        7,
        "工作日",
        20,
        "工作日",
    )
    assert (one["suspended"], one["provisional"], one["deemed"]) == (False, False, False) and one[
        "due_statutory"
    ] == "2026-04-01"


def test_supervise_says_what_it_did_and_moves_the_orders(city):
    told = data("supervise", "--as-of", "2026-03-20")
    assert (told["opened"], told["orders"]) == (2, {"dispatched": 2})
    assert data("supervise", "--as-of", "2026-03-20")["opened"] == 0
    assert {row["state"] for row in data("orders", "list")} == {"dispatched"}


def test_a_case_is_explained_day_by_day(city):
    (told,) = data("why", "case", "M1", "--as-of", "2026-03-12")
    days = {row["day"]: row for row in told["days"]}
    assert days["2026-03-02"]["promised"] == "受理当日，不计"
    assert [days[f"2026-03-0{n}"]["promised"] for n in (3, 4, 5)] == [1, 2, 3]
    assert days["2026-03-06"]["promised"] == days["2026-03-09"]["promised"] == "暂停：特别程序"
    assert days["2026-03-10"]["promised"] == 4
    assert (told["limits"]["promised"]["used"], told["limits"]["promised"]["due"]) == (6, "2026-03-13")
    assert {(t["event"], t["channel"], t["counts"]) for t in told["times"]} >= {
        ("ACCEPTED", "M2", True),
        ("SPECIAL_START", "M2", True),
    }
    assert told["pauses"][0]["granted_until"] == "2026-03-10" and told["pauses"][0]["counts_until"] == "2026-03-09"
    code, text = run("why", "case", "M1", "--as-of", "2026-03-12")
    assert code == 0 and "暂停：特别程序" in text
    with pytest.raises(OneMapError, match="no system knows"):
        run("why", "case", "nobody")


def test_what_of_a_case_was_passed_over_is_told(city):
    begun = [
        ("ACCEPTED", "2026-03-03 09:00", {}),
        ("SPECIAL_START", "2026-03-05 09:00", {}),
        ("SPECIAL_START", "2026-03-06 09:00", {}),
    ]
    case("M3", "DG-707", begun, limit_days=99)
    case("M4", "DG-707", [("ACCEPTED", "2026-03-03 09:00", {}), ("SPECIAL_END", "2026-03-06 09:00", {})], limit_days=12)
    assert {issue["code"] for issue in explain.case("M3", date(2026, 3, 9))[0]["issues"]} == {
        "pause_started_twice",
        "limit_differs",
    }
    assert [issue["code"] for issue in explain.case("M4", date(2026, 3, 9))[0]["issues"]] == [
        "pause_ended_without_start"
    ]
    assert "SXBLSX" in run("why", "case", "M3", "--as-of", "2026-03-09")[1]


def test_a_rest_day_and_the_day_of_a_pause_before_acceptance_are_explained(city):
    case("M3", "DG-707", [("SUPPLEMENT_START", "2026-03-03 09:00", {}), ("ACCEPTED", "2026-03-06 09:00", {})])
    (told,) = explain.case("M3", date(2026, 3, 9))
    assert [day["promised"] for day in told["days"]] == ["受理当日，不计", "休息日，不计", "休息日，不计", 1]
    assert told["pauses"][0]["ignored"] == "始于受理之前，不计"
    (spring,) = explain.case("M1", date(2026, 3, 9))
    assert {day["kind"] for day in spring["days"]} == {"工作日", "周末"}


def test_a_finding_is_explained_by_its_evidence_with_personal_data_masked(city):
    supervise(date(2026, 3, 20))
    life.advance(datetime(2026, 3, 20, 9))
    (id_,) = listed().filter(listed()["rule"] == "overdue")["id"]
    told = data("why", "finding", id_)
    assert (
        told["standing"] == "疑似，待核"
        and told["lifted_by"]
        and told["innocent"]
        and told["order"]["state"] == "dispatched"
    )
    (row,) = told["evidence"]
    assert row["row"] == "case M2:M1" and row["fields"]["contact_name"] == "王*明"
    text = run("why", "finding", id_)[1]
    assert "王小明" not in text and "13800001234" not in text and OWNER not in text and OWNER not in json.dumps(told)
    assert [step["event"] for step in told["life"]] == ["opened"]


def test_position_says_whose_turn_it_is(city):
    filed()
    told = data("position", P, "--as-of", "2026-03-20")
    assert told["current_stage"] == 5
    assert {(i["item_code"], i["turn"]) for i in told["current_items"]} == {("DG-502", "待部门办理")}
    assert {f["rule"] for f in told["findings"]} == {"overdue", "returned"}
    assert run("position", P)[0] == 0


def test_a_persons_word_on_a_finding(city):
    supervise(date(2026, 3, 20))
    (id_,) = listed().filter(listed()["rule"] == "returned")["id"]
    assert run("finding", "lift", id_, "--by", "王五", "--note", "申请人放弃")[0] == 0
    assert data("findings", "--state", "lifted")[0]["id"] == id_


def test_a_day_asked_for_is_told_as_the_ledger_has_it(city):
    supervise(date(2026, 3, 19))
    (id_,) = listed().filter(listed()["rule"] == "returned")["id"]
    decide(id_, "confirmed", by="王五", note="属实")
    case("M4", "DG-604", {"SUBMITTED": "2026-03-20 09:00", "ACCEPTED": "2026-03-20 10:00"})
    supervise(date(2026, 3, 20))

    def told(day: str) -> dict:
        return {row["rule"]: (row["state"], row["opened"], row["closed"]) for row in data("findings", "--as-of", day)}

    assert told("2026-03-20") == {
        "overdue": ("open", "2026-03-19", None),
        "returned": ("closed", "2026-03-19", "2026-03-20"),
    }
    assert told("2026-03-18") == {"overdue": ("open", "2026-03-18", None), "returned": ("open", "2026-03-18", None)}
    assert [row["id"] for row in data("findings")] == [row["id"] for row in data("findings", "--as-of", "2026-03-20")]


@pytest.mark.parametrize(
    ("file", "was", "becomes", "says"),
    [
        (
            "rules.yaml",
            "quiet_working_days: 20",
            "quiet_working_days: twenty",
            "rules.yaml:LINE: rules.stalled.quiet_working_days",
        ),
        (
            "rules.yaml",
            "severity: {红: 2, 双红: 3}",
            "severity: {红: 2, 双红: 9}",
            "rules.yaml:LINE: rules.overdue.severity.双红",
        ),
        ("rules.yaml", "grace_working_days: 3", "grace_days: 3", "no such key"),
        ("rules.yaml", "permit: DG-604 ", "permit: DG-999 ", "no item DG-999"),
        (
            "completeness.yaml",
            "C2: [m2.*, own]",
            "C2: [m9.*, own]",
            "completeness.yaml:LINE: rules.C2[0]: no feed m9.*",
        ),
        ("rules.yaml", "  C12:\n", "  C98:\n", "rules.C98: no such key"),
        ("rules.yaml", "    lifted_by: 同一事项重新受理。\n", "", "rules.returned.lifted_by: is missing"),
        (
            "completeness.yaml",
            "  C10: [m2.*]\n",
            "",
            "completeness.yaml:4: rules: has no entry for C10 (supervision.findings.linked.split_or_doubled), which concludes",
        ),
        ("completeness.yaml", "C14: [p1.licence, d1.*, d3.*]", "C14: []", "has no entry for C14"),
        (
            "completeness.yaml",
            "  C10: [m2.*]\n",
            "  C10: [m2.*]\n  C101: [m2.*]\n",
            "completeness.yaml:15: rules.C101: is no such rule, did you mean C10?",
        ),
        ("completeness.yaml", "  C10: [m2.*]\n", "  C10: [m2.*]\n  C6: [m2.*]\n", "rules.C6: rests on what is there"),
        ("calendar.yaml", None, "years: []\ndays: {2027-01-01: maybe}\n", "calendar.yaml:2: days"),
        ("calendar.yaml", None, "years: [soon]\ndays: {}\n", "calendar.yaml:1: years"),
        ("orders.yaml", "sign: 1", "sign: 0", "orders.yaml:3: limits.sign"),
        ("orders.yaml", "镇街: 东莞市投资促进局", "村: 东莞市投资促进局", "no such kind of department"),
        (
            "routing.yaml",
            "overrides: []",
            "overrides: [{item: DG-604, to: nobody}]",
            "routing.yaml:5: overrides[0].to: no department nobody",
        ),
    ],
)
def test_rules_check_names_file_and_line(tmp_path, file, was, becomes, says):
    for path in rulebook.FOLDER.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert checking.check(tmp_path) == []
    text = (tmp_path / file).read_text("utf-8")
    assert was is None or was in text
    (tmp_path / file).write_text(becomes if was is None else text.replace(was, becomes, 1), "utf-8")
    (error,) = checking.check(tmp_path)
    line = str(text[: text.index(was or "")].count("\n") + 1)
    assert says.replace("LINE", line) in error.message, error.message


def test_a_rule_without_an_entry_does_not_load_and_false_turns_it_off(tmp_path):
    for path in rulebook.FOLDER.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "rules.yaml").read_text("utf-8")
    *_, before, last = yaml.safe_load(text)["rules"]
    head = text.partition(f"  {last}:\n")[0]  # rules are the last of the file
    (tmp_path / "rules.yaml").write_text(head, "utf-8")
    with pytest.raises(ConfigurationError, match=rf"rules\.yaml:\d+: rules: has no entry for {last} \(supervision\."):
        rulebook.load(tmp_path)
    (tmp_path / "rules.yaml").write_text(head + f"  {last}:\n", "utf-8")
    with pytest.raises(ConfigurationError, match=rf"rules\.{last}: is empty"):
        rulebook.load(tmp_path)
    (tmp_path / "rules.yaml").write_text(head + f"  {last}: false\n", "utf-8")
    assert last not in rulebook.load(tmp_path).by_name and before in rulebook.load(tmp_path).by_name


def test_rules_diff_says_what_would_open_and_close(city, tmp_path):
    changed = tmp_path / "rules.yaml"
    text = (rulebook.FOLDER / "rules.yaml").read_text("utf-8")
    head, _, tail = text.partition("  returned:\n")
    changed.write_text(
        head
        + "  returned: false\n  stalled: false\n  C1:\n"
        + tail.partition("  C1:\n")[2].replace("severity: 3", "severity: 2", 1),
        "utf-8",
    )
    told = data("rules", "diff", str(changed), "--as-of", "2026-03-20")
    assert [row["rule"] for row in told["closes"]] == ["returned"] and told["opens"] == []
    back = data("rules", "diff", str(rulebook.FOLDER), "--as-of", "2026-03-20")
    assert (back["opens"], back["closes"], back["changes"]) == ([], [], [])
    changed.write_text(text.replace("severity: {红: 2, 双红: 3}", "severity: {红: 1, 双红: 3}"), "utf-8")
    assert comparing.compare(changed, date(2026, 3, 20)).changes["severity_after"].to_list() == [1]
    assert found("2026-03-20") == {("overdue", "DG-502", "M1"), ("returned", "DG-604", "M2")}, "nothing was applied"


def test_routing_by_the_city_goes_before_the_catalogue(city, tmp_path):
    changed = tmp_path / "routing.yaml"
    changed.write_text("overrides:\n  - {item: DG-502, town: '441900004', to: 11441900000200045T}\n", "utf-8")
    told = comparing.compare(changed, date(2026, 3, 20))
    assert told.changes.select("case_no", "department_code_after").rows() == [("M1", "11441900000200045T")]


def test_the_report_is_a_page_complete_in_itself(city, tmp_path):
    supervise(date(2026, 3, 20))
    life.advance(datetime(2026, 3, 20, 9))
    state = gather(date(2026, 3, 20))
    assert (state.totals["cases"], state.totals["overdue"], state.totals["returned"], state.found) == (2, 1, 1, 2)
    out = tmp_path / "report.html"
    assert run("report", "supervision", "--as-of", "2026-03-20", "--out", str(out))[0] == 0
    page = out.read_text("utf-8")
    assert "体外循环" in page and "节时" in page and "<svg" in page and "未判定" in page and "事项DG-502" in page
    assert "数据截至" in page and "在办超期" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "") and "<script" not in page
