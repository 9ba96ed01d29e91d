"""Every mapping: a row as the wire has it gives what the rules need."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import shapely

from mappings import compiler
from schemas import raw


def mapped(feed: str, **columns: Any) -> compiler.Mapped:
    """One row; every other column of the contract is empty."""
    names = {name.lower(): name for name in raw.contract(feed).columns}
    given = {names.get(name.lower(), name): value for name, value in columns.items()}
    text = {n: v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for n, v in given.items()}
    return compiler.load(feed).apply(pa.table({n: pa.array([v], pa.large_string()) for n, v in text.items()}))


def told(result: compiler.Mapped, entity: str, where: int = 0) -> dict[str, Any]:
    """The filled columns of an entity's row."""
    row = result.entities[entity].drop("_row", "ord").row(where, named=True)
    return {name: value for name, value in row.items() if value is not None}


def clean(result: compiler.Mapped) -> compiler.Mapped:
    assert result.rejects.is_empty(), result.rejects.to_dicts()
    assert result.issues == []
    return result


def key(result: compiler.Mapped) -> str:
    return result.records["record_key"][0]


@pytest.mark.parametrize("feed", sorted(raw.load_all()))
def test_every_feed_has_a_mapping_that_uses_or_sets_aside_every_column(feed: str) -> None:
    mapping = compiler.load(feed)
    declared = mapping.declaration
    names = set(raw.contract(feed).columns)
    used = {name.partition(".")[0] if name not in names else name for name in declared.columns}
    assert used | set(declared.ignore) | set(declared.drop) >= names
    assert not used & {*declared.ignore, *declared.drop}
    assert used <= names


@pytest.mark.parametrize("feed", sorted(raw.load_all()))
def test_keys_and_times_are_those_of_the_wire(feed: str) -> None:
    contract, declared = raw.contract(feed), compiler.load(feed).declaration
    assert {name for part in declared.key for name in part.columns} == set(contract.key)
    assert (declared.time.columns if declared.time else set()) == ({contract.time} if contract.time else set())


# -- M2

STAMP = "2026-03-02 09:30:00"
AT = datetime(2026, 3, 2, 9, 30)
M2 = {"SBLSH_SHORT": "4419000001  ", "VERSION": "2", "INSERTTIME": "2026-03-02 10:00:00.0"}


def test_m2_sb() -> None:
    result = clean(
        mapped(
            "m2.sb",
            **M2,
            SXBM="DG-503 ",
            SBSJ=STAMP,
            SQRLX="3",
            WSSBQD="9",
            SQRZJHM="11441900000100028f",
            YSBLSH="L0",
            PROJECT_CODE="２３０４-441900-04-01-135254",
        )
    )
    assert key(result) == "4419000001|2" and result.records["source_time"][0] == datetime(2026, 3, 2, 10)
    case = told(result, "case")
    assert case == {
        "channel": "M2",
        "part": "SB",
        "version": 2,
        "inserted_at": datetime(2026, 3, 2, 10),
        "case_no": "4419000001",
        "municipal_no": "4419000001",
        "prior_case_no": "L0",
        "project_code": "2304-441900-04-01-135254",
        "item_code": "DG-503",
        "applicant_type": "3",
        "applicant_id": "11441900000100028F",
        "intake_channel": "9",
        "submitted_at": AT,
    }
    assert told(result, "case_event") == {
        "channel": "M2",
        "case_no": "4419000001",
        "event": "SUBMITTED",
        "at": AT,
        "series": "SB",
        "series_key": "4419000001",
        "version": 2,
        "inserted_at": datetime(2026, 3, 2, 10),
    }


@pytest.mark.parametrize(
    ("state", "event"),
    [("1", "ACCEPTED"), ("2", "REJECTED_INTAKE"), ("3", "SUPPLEMENT_ASKED"), ("4", "REJECTED_INTAKE")],
)
def test_m2_sl(state: str, event: str) -> None:
    result = clean(mapped("m2.sl", **M2, SLZTDM=state, SLSJ=STAMP, YWLSH="Y1", SLBMZZJGDM="000100028", SLBMMC="发改局"))
    assert told(result, "case") | {"inserted_at": None} == {
        "channel": "M2",
        "part": "SL",
        "version": 2,
        "inserted_at": None,
        "case_no": "4419000001",
        "municipal_no": "4419000001",
        "department_no": "Y1",
        "department_name": "发改局",
        "department_code": "11441900000100028F",
        "accept_state": state,
        "accepted_at": AT,
    }
    assert (told(result, "case_event")["event"], told(result, "case_event")["raw_code"]) == (event, state)


@pytest.mark.parametrize(
    ("step", "event"),
    [("审查", "HANDLING"), ("征求意见", "CONSULTED"), ("部门征求意见反馈", "CONSULTED"), (None, "HANDLING")],
)
def test_m2_spcl(step: str | None, event: str) -> None:
    result = clean(mapped("m2.spcl", **M2, SPHJDM="02", SPHJMC=step, SPSJ="2026/3/2 9:30:00", SPBMZZJDMD="000100028"))
    assert key(result) == "4419000001|02|2026-03-02 09:30:00|2"
    row = told(result, "case_event")
    assert (row["event"], row["series_key"], row["department_code"]) == (
        event,
        "4419000001|02|2026-03-02 09:30:00",
        "11441900000100028F",
    )
    assert row["at"] == AT


def test_m2_supplement_and_special_procedure() -> None:
    notice = clean(mapped("m2.bzgz", **M2, BZGZSJ=STAMP, BZGZYY="缺图"))
    assert (
        told(notice, "case_event")["event"] == "SUPPLEMENT_START" and key(notice) == "4419000001|2026-03-02 09:30:00|2"
    )
    start = clean(mapped("m2.tbcxsq", **M2, TBCXKSRQ="2026-03-02", TBCXZL="B", TBCXSX="0", TBCXSXDW="Z"))
    assert told(start, "special_procedure") | {"inserted_at": 0} == {
        "channel": "M2",
        "case_no": "4419000001",
        "kind": "B",
        "started_at": datetime(2026, 3, 2),
        "limit_days": 0,
        "limit_unit": "自然日",
        "version": 2,
        "inserted_at": 0,
    }
    event = told(start, "case_event")
    assert (event["event"], event["pause_kind"], event["limit_days"], event["limit_unit"]) == (
        "SPECIAL_START",
        "B",
        0,
        "自然日",
    )
    end = clean(mapped("m2.tbcxjg", **M2, TBCXJSRQ=STAMP, TBCXJG="通过"))
    assert told(end, "case_event")["event"] == "SPECIAL_END" and told(end, "case_event")["at"] == AT


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("0", "DONE_OK"),
        ("6", "DONE_OK"),
        ("1", "DONE_RETURNED"),
        ("2", "VOIDED"),
        ("3", "DELETED"),
        ("4", "TRANSFERRED"),
        ("5", "LAPSED"),
    ],
)
def test_m2_bj(code: str, result: str) -> None:
    row = {"SBLSH_SHORT": "S1", "VERSION": "1", "INSERTIME": STAMP}
    found = clean(mapped("m2.bj", **row, BJJGDM=code, BJSJ=STAMP, ZJBH="粤(2026)1号", ZFHTTYY="材料不符"))
    case = told(found, "case")
    assert (case["result"], case["result_raw"], case["concluded_at"], case["licence_no"]) == (
        result,
        code,
        AT,
        "粤(2026)1号",
    )
    assert told(found, "case_event")["event"] == result and found.records["source_time"][0] == AT


def test_m2_an_unknown_conclusion_keeps_the_row() -> None:
    found = mapped("m2.bj", SBLSH_SHORT="S1", VERSION="1", INSERTIME=STAMP, BJJGDM="9", BJSJ=STAMP)
    assert "result" not in told(found, "case") and told(found, "case")["result_raw"] == "9"
    assert [(i.code, i.field, i.value, i.record_key) for i in found.issues] == [("unknown_code", "BJJGDM", "9", "S1|1")]


def test_m2_materials() -> None:
    handed = clean(
        mapped(
            "m2.sbcl",
            **M2,
            SEQ="3",
            ATTACH_NAME="申请表",
            WJLX="1",
            CLLX="0",
            ATTACH_PATH="/a/b",
            ATTACH_BODY="…",
        )
    )
    assert key(handed) == "4419000001|3|2" and "ATTACH_BODY" not in handed.records["raw"][0]
    assert told(handed, "material") | {"inserted_at": 0} == {
        "channel": "M2",
        "case_no": "4419000001",
        "seq": 3,
        "role": "application",
        "name": "申请表",
        "medium": "电子",
        "form": "原件",
        "reference": "/a/b",
        "version": 2,
        "inserted_at": 0,
    }
    assert told(clean(mapped("m2.spjg", **M2, SEQ="1", ATTACH_ID="X")), "material")["role"] == "result"


# -- D3

D3 = {
    "LSH": "L1",
    "DFSJZJ": "T1",
    "SJYXBS": "1",
    "GXSJ": STAMP,
    "SPSXSLBM": "S1",
    "GCDM": "2304-441900-04-01-135254-2001",
}


@pytest.mark.parametrize("dialect", ["", "_v3"])
@pytest.mark.parametrize(
    ("code", "event"),
    zip(
        range(1, 16),
        [
            "SUBMITTED",
            "WITHDRAWN",
            "ACCEPTED",
            "REJECTED_INTAKE",
            "REJECTED_INTAKE",
            "SUPPLEMENT_START",
            "SUPPLEMENT_END",
            "HANDLING",
            "SPECIAL_START",
            "SPECIAL_END",
            "DONE_OK",
            "DONE_TOLERANT",
            "DONE_FAIL",
            "WITHDRAWN",
            "REVOKED",
        ],
        strict=True,
    ),
)
def test_d3_log(dialect: str, code: int, event: str) -> None:
    result = clean(mapped(f"d3.log{dialect}", **D3, BLZT=str(code), BLSJ="2026-03-02 00:00:00"))
    row = told(result, "case_event")
    assert (row["event"], row["raw_code"], row["series"], row["series_key"], row["case_no"]) == (
        event,
        str(code),
        "LOG",
        "T1",
        "S1",
    )
    assert row["at"] == datetime(2026, 3, 2) and key(result) == "L1"


def test_d3_origin_of_the_three_dialect() -> None:
    result = clean(mapped("d3.log_v3", **D3, BLZT="3", BLSJ=STAMP, SJLY="2", DWMC="住建局", BLCS="窗口"))
    assert told(result, "case_event")["origin"] == "2" and told(result, "case_event")["department_name"] == "住建局"
    assert told(result, "case")["intake_origin"] == "2" and told(result, "case")["part"] == "LOG"


@pytest.mark.parametrize("feed", [f for f in sorted(raw.load_all()) if f.startswith("d3.")])
def test_d3_an_invalidated_row_is_a_tombstone(feed: str) -> None:
    gone = mapped(feed, LSH="L1", SJYXBS="0", SJWXYY="更正", GXSJ=STAMP)
    assert gone.records["tombstone"].to_list() == [True] and key(gone) == "L1" and gone.rejects.is_empty()
    assert all(frame.is_empty() for frame in gone.entities.values())
    assert not mapped(feed, LSH="L1", SJYXBS="1", GXSJ=STAMP).records["tombstone"][0]


def test_d3_zero_dates_are_none() -> None:
    assert "at" not in told(clean(mapped("d3.log", **D3, BLZT="3", BLSJ="0000-00-00 00:00:00")), "case_event")


@pytest.mark.parametrize("dialect", ["", "_v3"])
def test_d3_special_and_approval(dialect: str) -> None:
    special = clean(
        mapped(
            f"d3.special{dialect}",
            **D3,
            TBCX="8",
            TBCXMC="专家评审",
            TBCXKSSJ=STAMP,
            TBCXSXLX="1",
            TBCXSX="10",
        )
    )
    procedure = told(special, "special_procedure")
    assert (procedure["kind"], procedure["limit_days"], procedure["limit_unit"], procedure["started_at"]) == (
        "B",
        10,
        "工作日",
        AT,
    )
    assert told(special, "case_event")["event"] == "SPECIAL_START" and told(special, "case_event")["limit_days"] == 10
    longer = clean(mapped(f"d3.special{dialect}", **D3, TBCXMC="延长审批期限", TBCXKSSJ=STAMP))
    assert told(longer, "special_procedure")["kind"] == "A"
    approval = clean(
        mapped(
            f"d3.approval{dialect}",
            **D3,
            PFRQ="2026-03-02",
            PFWH="东建〔2026〕1号",
            PFWJYXQX="长期",
            FJMC="批复.pdf",
            FJID="F1",
        )
    )
    assert told(approval, "licence") == {
        "channel": "D3",
        "kind": "approval",
        "number": "东建〔2026〕1号",
        "issued_at": datetime(2026, 3, 2),
        "engineering_code": D3["GCDM"],
        "case_no": "S1",
    }
    assert told(approval, "material")["role"] == "result"


def test_d3_items_of_both_dialects() -> None:
    two = told(clean(mapped("d3.item", **D3, SPSXBM="DG-604", SXBLSX="7", SPBMBM="000100060")), "case")
    assert (two["case_no"], two["item_code"], two["limit_days"], two["part"]) == ("S1", "DG-604", 7, "CASE")
    three = told(clean(mapped("d3.item_v3", **D3, YWQX="大型", SXGZCNZSPQK="1", LXR="张三")), "case")
    assert (three["variant"], three["commitment"], three["contact_name"]) == ("大型", True, "张三")


def test_d3_projects_of_both_dialects() -> None:
    common = {
        "LSH": "L1",
        "GXSJ": STAMP,
        "SJYXBS": "1",
        "XMDM": "2304-441900-04-01-135254",
        "GCDM": D3["GCDM"],
        "LXLX": "3",
        "SPLCLX": "06",
        "GBHY": "3973",
        "ZTZE": "12345.6",
        "NKGSJ": "2026-03",
    }
    two = clean(mapped("d3.project", **common, XMJSDDX="113.75", XMJSDDY="23.02", JSDDXZQH="441900"))
    project = told(two, "project")
    assert project["process_type"] == "6" and project["filing_type"] == "备案" and project["industry_code"] == "C3973"
    assert project["planned_start"] == date(2026, 3, 1) and project["total_invest"] == Decimal("12345.6")
    assert (project["longitude"], project["latitude"]) == (
        Decimal("113.75"),
        Decimal("23.02"),
    ) and "town_code" not in project
    assert told(two, "engineering") == {
        "engineering_code": D3["GCDM"],
        "project_code": common["XMDM"],
        "dialect": "2.0",
    }
    three = clean(
        mapped(
            "d3.project_v3",
            **common,
            JSDW="某公司",
            JSDWDM="91441900MA0000015D",
            XMJWDZB="113.7512, 23.0245",
            XMJSDDX="1",
            JSDDXZQH="441900121",
        )
    )
    project = told(three, "project")
    assert (project["longitude"], project["latitude"], project["town_code"]) == (
        Decimal("113.7512"),
        Decimal("23.0245"),
        "441900121",
    )
    assert project["applicant_uscc"] == "91441900MA0000015D" and told(three, "engineering")["dialect"] == "3.0"


def test_d3_a_plane_coordinate_is_no_longitude() -> None:
    found = mapped("d3.project", LSH="L1", GXSJ=STAMP, XMDM="X", XMJSDDX="2546774.325", XMJSDDY="不详")
    assert "longitude" not in told(found, "project") and found.rejects.is_empty()
    assert {(i.code, i.field) for i in found.issues} == {
        ("out_of_range", "XMJSDDX"),
        ("placeholder", "XMJSDDY"),
    }


def test_d3_permit_quotes_its_forerunners() -> None:
    found = clean(
        mapped(
            "d3.permit",
            LSH="L1",
            GXSJ=STAMP,
            SJYXBS="1",
            XMDM="P1",
            GCDM="P1-1",
            SGXKZBH="4419-1",
            FZRQ="2026-03-02",
            YDGHXKZBH="地字1",
            GCGHXKZBH="建字1",
            SCHGSBH="审1",
            ZBTZSBH="标1",
        )
    )
    licence = told(found, "licence")
    assert (licence["kind"], licence["number"], licence["project_code"], licence["type_code"]) == (
        "permit",
        "4419-1",
        "P1",
        "11100000000013338W009",
    )
    assert [licence[f"quotes_{name}"] for name in ("land", "planning", "drawing", "tender")] == [
        "地字1",
        "建字1",
        "审1",
        "标1",
    ]
    assert told(found, "engineering")["project_code"] == "P1"


# -- P3

P3 = {"row_guid": "G1", "cd_operation": "U", "cd_time": STAMP, "is_sync": "1", "cd_batch": "B"}
P3_FEEDS = [feed for feed in sorted(raw.load_all()) if feed.startswith("p3.")]


@pytest.mark.parametrize("feed", P3_FEEDS)
@pytest.mark.parametrize(("operation", "rank"), [("I", 1), ("U", 2), ("D", 3), ("d ", 3)])
def test_p3_is_a_change_log(feed: str, operation: str, rank: int) -> None:
    result = clean(mapped(feed, **{**P3, "cd_operation": operation}))
    assert key(result) == "G1" and result.records["source_time"][0] == AT
    assert result.records["rank"][0] == rank and result.records["tombstone"][0] == (rank == 3)
    assert (sum(frame.height for frame in result.entities.values()) == 0) == (rank == 3)
    assert "is_sync" not in result.records["raw"][0]


def test_p3_accept() -> None:
    found = clean(
        mapped(
            "p3.accept",
            **P3,
            project_no="N1",
            task_code="12441500196720244T3442199806003",
            apply_date="2026-03-01",
            accept_date="2026/03/02 09:30:00",
            promise_date="2026-03-20",
            applyer_page_code="91441900ma0000015d",
        )
    )
    case = told(found, "case")
    assert (case["item_code"], case["submitted_at"], case["accepted_at"]) == (
        "12441500196720244T3442199806003",
        datetime(2026, 3, 1),
        AT,
    )
    assert case["promise_date"] == datetime(2026, 3, 20) and case["applicant_id"] == "91441900MA0000015D"
    events = [told(found, "case_event", n) for n in (0, 1)]
    assert [(e["event"], e["at"]) for e in events] == [("SUBMITTED", datetime(2026, 3, 1)), ("ACCEPTED", AT)]
    assert len({e["series_key"] for e in events}) == 2
    assert told(mapped("p3.accept", **P3, catalog_code="000115001000"), "case")["item_code"] == "000115001000"


@pytest.mark.parametrize(
    ("code", "result"), [("1", "DONE_OK"), ("2 ", "DONE_FAIL"), ("03", "DONE_RETURNED"), ("4", "WITHDRAWN")]
)
def test_p3_result(code: str, result: str) -> None:
    found = clean(mapped("p3.result", **P3, project_no="N1", result_type=code, result_date=STAMP, result_cetr_no="Z1"))
    assert told(found, "case")["result"] == told(found, "case_event")["event"] == result
    assert told(found, "case")["licence_no"] == "Z1"


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("审查", "HANDLING"),
        ("补正材料", "SUPPLEMENT_START"),
        ("收件", "SUBMITTED"),
        ("部门征求意见", "CONSULTED"),
    ],
)
def test_p3_steps_by_their_names(name: str, event: str) -> None:
    found = clean(mapped("p3.process", **P3, project_no="N1", process_name=name, event_start_time=STAMP))
    assert told(found, "case_event")["event"] == event


def test_p3_a_supplement_ends_where_its_row_says() -> None:
    ended = {"project_no": "N1", "event_start_time": STAMP, "event_end_time": "2026-03-05 10:00:00"}
    events = clean(mapped("p3.process", **P3, **ended, process_name="补正")).entities["case_event"]
    assert events["event"].to_list() == ["SUPPLEMENT_START", "SUPPLEMENT_END"]
    assert events["at"].to_list() == [AT, datetime(2026, 3, 5, 10)]
    assert clean(mapped("p3.process", **P3, **ended, process_name="审查")).entities["case_event"].height == 1


def test_p3_process_special_licence_and_task() -> None:
    step = told(
        clean(
            mapped(
                "p3.process",
                **P3,
                project_no="N1",
                process_name="征求意见",
                event_name="07",
                event_start_time=STAMP,
                event_end_time="2026-03-05",
            )
        ),
        "case_event",
    )
    assert (step["event"], step["raw_code"], step["at"], step["until"]) == (
        "CONSULTED",
        "07",
        AT,
        datetime(2026, 3, 5),
    )
    special = clean(
        mapped(
            "p3.special",
            **P3,
            project_no="N1",
            special_name="听证",
            special_time=STAMP,
            end_time="2026-03-05",
        )
    )
    assert (
        told(special, "special_procedure")["ended_at"] == told(special, "case_event")["until"] == datetime(2026, 3, 5)
    )
    assert told(special, "case_event")["event"] == "SPECIAL_START"
    licence = told(
        clean(
            mapped(
                "p3.licence",
                **P3,
                certificate_number="Z1",
                certificate_type_code="11100000000013338w009",
                issue_date="2026-03",
            )
        ),
        "licence",
    )
    assert (licence["type_code"], licence["issued_at"], licence["kind"]) == (
        "11100000000013338W009",
        datetime(2026, 3, 1),
        "licence",
    )
    task = told(
        clean(
            mapped(
                "p3.task",
                **P3,
                task_type="01",
                anticipate_day="20",
                anticipate_type="1",
                promise_type="2",
                plan_cancel_date="9999-12-31",
            )
        ),
        "national_task",
    )
    assert (task["statutory_limit"], task["statutory_unit"], task["promised_unit"], task["task_type"]) == (
        20,
        "工作日",
        "自然日",
        "01",
    )
    assert task["task_guid"] == "G1" and "valid_to" not in task


# -- P1, P2


@pytest.mark.parametrize(("filing", "item"), [("备案", "DG-401"), ("核准", "DG-402"), ("审批", None)])
def test_p1_a_filing_is_a_project_and_a_case(filing: str, item: str | None) -> None:
    found = clean(
        mapped(
            "p1.project_filing",
            id=7,
            projectCode="2304-441900-04-01-135254",
            filingType=filing,
            totalInvest="12,345.60",
            industryCode="3973",
            beginDate="2026-03",
            submitDate=STAMP,
            finishDate="2026-03-03 10:00:00.0",
            stateFlagName="办结（通过）",
            isValidity="有效",
            updateTime="2026-03-03 10:00:00",
        )
    )
    project, case = told(found, "project"), told(found, "case")
    assert (
        project["filing_type"] == filing
        and project["total_invest"] == Decimal("12345.6")
        and project["industry_code"] == "C3973"
    )
    assert (
        project["planned_start"] == date(2026, 3, 1)
        and project["filing_state"] == "办结（通过）"
        and project["validity"] == "有效"
    )
    assert (case["channel"], case["part"], case["case_no"], case.get("item_code")) == (
        "P1",
        "FILING",
        "7",
        item,
    )
    assert (case["submitted_at"], case["concluded_at"], case["result"]) == (
        AT,
        datetime(2026, 3, 3, 10),
        "DONE_OK",
    )
    assert [told(found, "case_event", n)["event"] for n in (0, 1)] == ["SUBMITTED", "DONE_OK"]


@pytest.mark.parametrize(
    ("state", "events"),
    [
        ("办结(不通过)", ["SUBMITTED", "DONE_FAIL"]),
        ("撤回", ["SUBMITTED", "WITHDRAWN"]),
        ("在办", ["SUBMITTED"]),
    ],
)
def test_p1_states(state: str, events: list[str]) -> None:
    found = clean(
        mapped(
            "p1.project_filing",
            id="7",
            submitDate=STAMP,
            finishDate=STAMP,
            stateFlagName=state,
            updateTime=STAMP,
        )
    )
    assert found.entities["case_event"]["event"].to_list() == events
    assert found.entities["project"].is_empty()  # no code, no project


@pytest.mark.parametrize("end", ["长期", "9999-12-31 00:00:00", "", "2028-03-02"])
def test_p1_a_filing_may_have_no_end(end: str) -> None:
    project = told(
        clean(
            mapped(
                "p1.project_filing",
                id="7",
                projectCode="P",
                expiryDate=end,
                totalInvest="1,000万元",
                updateTime=STAMP,
            )
        ),
        "project",
    )
    assert project.get("expires_at") == (datetime(2028, 3, 2) if end.startswith("2") else None)
    assert project["total_invest"] == 1000


def test_p1_enterprise_and_licence() -> None:
    enterprise = told(
        clean(
            mapped(
                "p1.enterprise",
                uscc="91441900MA0000015D ",
                regStatus="存续",
                regDate="2020/1/5",
                regCapital="1,000",
                legalPerson="李四",
                updateTime=STAMP,
            )
        ),
        "enterprise",
    )
    assert enterprise["reg_capital"] == 1000 and enterprise["reg_date"] == date(2020, 1, 5)
    for end in ("", "长期", "9999-12-31", "9999-12-31 00:00:00"):
        licence = told(
            clean(
                mapped(
                    "p1.licence",
                    certificate_id="1.2.156",
                    valid_to=end,
                    state="有效",
                    issue_date="2026-03-02",
                    updateTime=STAMP,
                )
            ),
            "licence",
        )
        assert "valid_to" not in licence and licence["channel"] == "P1" and licence["state"] == "有效"


def test_p2_land_approval() -> None:
    square = shapely.box(113.7, 23.0, 113.71, 23.01)
    row = {
        "批文号": "粤府土审（04）〔2026〕1号",
        "批准日期": "2026-03-02",
        "更新时间": STAMP,
        "批准面积（公顷）": "7.655",
        "红线": square.wkt,
        "项目名称": "厂房",
    }
    found = clean(mapped("p2.land_approval", **row, 项目代码="2304-441900-04-01-135254"))
    assert key(found) == "粤府土审(04)〔2026〕1号|2304-441900-04-01-135254"
    approval, case = told(found, "land_approval"), told(found, "case")
    assert (
        approval["area"] == Decimal("76550") and approval["approval_no"] == case["case_no"] == "粤府土审(04)〔2026〕1号"
    )
    assert shapely.from_wkb(approval["geom"]).equals(square)
    assert (case["channel"], case["item_code"], case["concluded_at"], case["result"]) == (
        "P2",
        "DG-N-303",
        datetime(2026, 3, 2),
        "DONE_OK",
    )
    assert told(found, "case_event")["event"] == "DONE_OK"
    batch = clean(mapped("p2.land_approval", **row))
    assert key(batch) == "粤府土审(04)〔2026〕1号|" and "project_code" not in told(batch, "land_approval")


# -- M1


def test_m1_items() -> None:
    found = clean(
        mapped(
            "m1.items",
            item_code="DG-604",
            version=1,
            item_name="施工许可",
            kind="政务服务事项",
            stage=6,
            case_channel="M2",
            statutory_limit="7",
            statutory_unit="自然日",
            promised_limit=3,
            promised_unit="工作日",
            project_type=2,
            prerequisites=["DG-404"],
            process_types=[],
            multiple=True,
            materials=[{"name": "表", "code": "1"}],
            valid_from="2020-01-01",
            updated_at=STAMP,
        )
    )
    item = told(found, "item")
    assert (
        item["version"],
        item["stage"],
        item["statutory_limit"],
        item["promised_limit"],
        item["multiple"],
    ) == (1, 6, 7, 3, True)
    assert (item["prerequisites"], item["process_types"], item["project_type"]) == ('["DG-404"]', "[]", "2")
    assert item["materials"] == '[{"code":"1","name":"表"}]' and item["valid_from"] == date(2020, 1, 1)
    assert "aliases" not in item and key(found) == "DG-604|1"
    assert json.loads(found.records["raw"][0])["materials"] == [{"code": "1", "name": "表"}]


@pytest.mark.parametrize(("given", "kept"), [(None, None), ("", None), ([], "[]"), (["涉及土建"], '["涉及土建"]')])
def test_m1_projects_unknown_differs_from_none(given: Any, kept: str | None) -> None:
    found = clean(
        mapped(
            "m1.projects",
            project_code="2304-441900-04-01-135254",
            splclx=3,
            fast_track="true",
            conditions=given,
            planned_items=given,
            updated_at=STAMP,
        )
    )
    project = told(found, "project")
    assert project.get("conditions") == project.get("planned_items") == kept
    assert project["process_type"] == "3" and project["fast_track"] is True


# -- D1, D2, D4, D5


@pytest.mark.parametrize("channel", ["D1", "D4"])
def test_departments_that_send_cases(channel: str) -> None:
    steps = [
        {"SPHJMC": "审查", "SPRXM": "王五", "SPSJ": STAMP, "SPYJ": "同意"},
        {"SPHJMC": "征求意见", "SPSJ": "2026-03-03"},
    ]
    found = clean(
        mapped(
            f"{channel.lower()}.cases",
            YWLSH="Y1",
            SBLSH_SHORT="",
            SXBM="DG-404",
            SLSJ="2026-03-01",
            BJSJ="2026-03-05",
            BJJGDM="0",
            ZJBH="Z1",
            FZSJ="2026-03-06",
            GXSJ=STAMP,
            SPHJ=steps,
            CL=[{"CLMC": "表", "CLLX": "0"}],
        )
    )
    case = told(found, "case")
    assert (case["channel"], case["case_no"], case["department_no"], case["result"]) == (
        channel,
        "Y1",
        "Y1",
        "DONE_OK",
    )
    assert "municipal_no" not in case and case["licence_issued_at"] == datetime(2026, 3, 6)
    events = found.entities["case_event"]
    assert events["event"].to_list() == ["ACCEPTED", "HANDLING", "CONSULTED", "DONE_OK"] and events[
        "ord"
    ].to_list() == [0, 1, 2, 3]
    assert events["series"].to_list() == ["CASE", "SPHJ", "SPHJ", "CASE"] and events["series_key"].n_unique() == 4
    material = told(found, "material")
    assert (material["seq"], material["name"], material["form"], material["role"]) == (
        1,
        "表",
        "原件",
        "application",
    )


@pytest.mark.parametrize("attached", [[{"href": "attachments/a.pdf"}], ["attachments/a.pdf"]])
def test_d4_attachments(attached: list) -> None:
    material = told(clean(mapped("d4.cases", YWLSH="Y1", GXSJ=STAMP, FJ=attached)), "material")
    assert (material["reference"], material["name"], material["file_type"], material["role"]) == (
        "attachments/a.pdf",
        "a.pdf",
        "pdf",
        "attachment",
    )


def test_d2_projects() -> None:
    found = clean(
        mapped(
            "d2.projects",
            projectCode="2304-441900-04-01-135254",
            totalInvest="12,345.60",
            filingDate="2026/03/02",
            industryCode="C3973",
        )
    )
    project = told(found, "project")
    assert project["filing_date"] == date(2026, 3, 2) and project["total_invest"] == Decimal("12345.6")
    assert found.records["source_time"][0] is None


@pytest.mark.parametrize("feed", ["d5.weather", "d5.fire"])
def test_d5_sheets(feed: str) -> None:
    row = {
        "事项编码": "DG-603",
        "受理日期": "46082",
        "办结日期": "2026/3/5",
        "结果": "通过",
        "文号": "粤雷1号",
        "统一社会信用代码": "91441900MA0000015D",
    }
    found = clean(mapped(feed, **row, 申办流水号="S1"))
    assert key(found) == "S1" and told(found, "case")["accepted_at"] == datetime(2026, 3, 1)
    assert found.entities["case_event"]["event"].to_list() == ["ACCEPTED", "DONE_OK"]
    own = clean(mapped(feed, **row))
    assert key(own) == "粤雷1号" == told(own, "case")["case_no"]
    assert mapped(feed, 项目代码="P").rejects["code"].to_list() == ["missing_key"]


# -- S


def test_s1_layers() -> None:
    square = shapely.box(113.7, 23.0, 113.71, 23.01)
    parcel = clean(mapped("s1.parcel", ZDDM="441900001002GB00003", MJ="1000.5", QLR="某公司", _geometry=square.wkb_hex))
    assert told(parcel, "parcel")["area"] == Decimal("1000.5") and parcel.records["source_time"][0] is None
    redline = told(clean(mapped("s1.redline", HXBH="H1", GXSJ=STAMP, _geometry=square.wkt)), "redline")
    assert shapely.from_wkb(redline["geom"]).geom_type == "MultiPolygon" and redline["updated_at"] == AT


def test_s3_times_are_local() -> None:
    found = clean(
        mapped(
            "s3.scene",
            collection="uav",
            id="U1",
            datetime="2026-03-01T20:00:00Z",
            updated="2026-03-02T00:00:00.000Z",
            gsd="0.05",
            **{"dg:project_code": "P1"},
            assets={"visual": {"href": "https://x.example/a.tif?sig=1"}},
            geometry=shapely.box(0, 0, 1, 1).wkt,
        )
    )
    scene = told(found, "scene")
    assert scene["taken_at"] == datetime(2026, 3, 2, 4) and scene["updated_at"] == datetime(2026, 3, 2, 8)
    assert scene["assets"] == '{"visual":"https://x.example/a.tif"}' and key(found) == "uav|U1"


@pytest.mark.parametrize(("feed", "via"), [("s4.reading", "http"), ("s4_mqtt.reading", "mqtt")])
def test_s4_readings(feed: str, via: str) -> None:
    found = clean(mapped(feed, project_code="P1", device="d1", kind="dust", t=1772409600123, v="35.5"))
    reading = told(found, "site_reading")
    assert (
        reading["read_at"] == datetime(2026, 3, 2, 8, 0, 0, 123000)
        and reading["value"] == Decimal("35.5")
        and reading["via"] == via
    )
    assert key(found) == "P1|d1|dust|1772409600123"
    assert "value" not in told(
        clean(mapped(feed, project_code="P1", device="d1", kind="gate", t=1, v=None)), "site_reading"
    )
