"""Identify and fold, on source rows as the merge leaves them."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from datetime import datetime

import pytest
import sqlalchemy as sa

from core import codes
from core.errors import ConfigurationError
from store import judgement, tables
from store import unify as unifying
from store.engine import transaction
from store.hash import of_store
from store.unify import unify

CODE = "2304-441900-04-01-135254"
OTHER = "2312-441900-04-01-123450"
USCC = "91441900MA0000015D"


def put(feed: str, key: str, when: str | None = None, **rows: dict | None) -> None:
    """A record's current version with its entity rows, marked dirty; an entity given as None: it stands no more."""
    with transaction() as c:
        c.execute(sa.text("set local session_replication_role = replica"))
        found = c.execute(
            sa.select(tables.record.c.id).where(tables.record.c.feed == feed, tables.record.c.record_key == key)
        ).scalar()
        if found is None:
            found = c.execute(
                sa.insert(tables.record)
                .values(
                    feed=feed,
                    record_key=key,
                    raw=b"{}",
                    content_hash=b"x",
                    receipt_id=1,
                    run_id=1,
                    mapping_version=1,
                    code_version="t",
                    rank=0,
                )
                .returning(tables.record.c.id)
            ).scalar_one()
        c.execute(
            sa.update(tables.record)
            .where(tables.record.c.id == found)
            .values(source_time=datetime.fromisoformat(when) if when else None)
        )
        for entity, row in rows.items():
            table = tables.source_entity[entity]
            c.execute(sa.delete(table).where(table.c.record_id == found))
            if row is not None:
                c.execute(sa.insert(table).values(record_id=found, ord=0, feed=feed, **row))
        c.execute(sa.insert(tables.dirty).values(record_id=found, feed=feed, run_id=1))


@pytest.mark.usefixtures("hub")
def test_the_database_knows_the_same_social_credit_codes() -> None:
    """``store.uscc_valid`` and :func:`core.codes.is_valid_uscc` agree, right and wrong check characters alike."""
    letters, chance = "0123456789ABCDEFGHJKLMNPQRTUWXY", random.Random(7)
    asked = [
        "",
        USCC,
        USCC + "\n",
        USCC[:-1],
        "无",
        USCC[:-1] + "I",
        USCC.lower(),
        USCC[:9] + "-" + USCC[10:],
        f" {USCC[1:]}",
    ]
    for _ in range(300):
        body = "".join(chance.choices(letters, k=17))
        right = body + codes.uscc_check(body)
        asked += [body, body + chance.choice(letters), right, right.lower()]
    with transaction() as c:
        rows = c.execute(sa.text("select t, store.uscc_valid(t) from unnest(cast(:t as text[])) t"), {"t": asked}).all()
    assert [code for code, known in rows if known != codes.is_valid_uscc(code)] == []
    assert sum(known for _, known in rows) > 300


def golden(entity: str, columns: str = "*") -> dict[str, dict]:
    with transaction() as c:
        rows = c.execute(sa.text(f'select id, {columns} from store."{entity}" where gone_at is null'))
        return {row.id: dict(row._mapping) for row in rows}


def catalogue() -> None:
    put(
        "m1.items",
        "DG-604|1",
        item={"item_code": "DG-604", "version": 1, "aliases": ["SG604"], "valid_from": datetime(2020, 1, 1)},
    )


def project(feed: str = "m1.projects", code: str = CODE, **more) -> None:
    put(
        feed,
        code,
        "2026-01-01",
        project={"project_code": code, "project_name": "某某智造（一期）项目", "applicant_uscc": USCC, **more},
    )


WORLD = [
    catalogue,
    project,
    lambda: put(
        "p1.project_filing",
        "77",
        "2026-02-01",
        project={"project_code": CODE, "applicant_name": "甲公司", "total_invest": 12},
    ),
    lambda: put(
        "m2.sb",
        "S1|1",
        "2026-03-02",
        case={
            "channel": "M2",
            "part": "SB",
            "version": 1,
            "case_no": "S1",
            "municipal_no": "S1",
            "project_code": CODE,
            "item_code": "SG604",
            "submitted_at": datetime(2026, 3, 1),
            "applicant_id": USCC,
        },
    ),
    lambda: put(
        "m2.sl",
        "S1|1",
        "2026-03-03",
        case={
            "channel": "M2",
            "part": "SL",
            "version": 1,
            "case_no": "S1",
            "municipal_no": "S1",
            "department_no": "Y9",
            "accepted_at": datetime(2026, 3, 2),
        },
    ),
    lambda: put(
        "d3.item_v3", "L1", "2026-03-04", case={"channel": "D3", "case_no": "S1", "item_code": "SG604", "variant": "甲"}
    ),
    lambda: put(
        "p3.accept",
        "g1",
        "2026-03-05",
        case={"channel": "P3", "case_no": "S1", "item_code": "DG-604", "promise_date": datetime(2026, 4, 1)},
    ),
    lambda: put(
        "d3.log_v3",
        "L2",
        "2026-03-06",
        case_event={"channel": "D3", "case_no": "S1", "event": "ACCEPTED", "at": datetime(2026, 3, 2)},
    ),
    lambda: put(
        "d3.permit",
        "L3",
        "2026-05-01",
        licence={"channel": "D3", "kind": "permit", "number": "粤施〔2026〕7号", "item_code": "DG-604"},
    ),
    lambda: put(
        "p1.licence",
        "C1",
        "2026-05-02",
        licence={
            "channel": "P1",
            "kind": "licence",
            "certificate_id": "C1",
            "type_code": "SG604",
            "number": "粤施(2026) 7号",
            "project_code": CODE,
            "state": "有效",
        },
    ),
]


@pytest.fixture(params=["at once", "by parts"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As a few changes go, in one transaction, and as a large load does: chunk by chunk, parts side by side."""
    if request.param == "by parts":
        by_parts(monkeypatch)
    return request.param


def by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AT_ONCE": 0, "CHUNK": 3, "PART": 1, "WORKERS": 3}.items():
        monkeypatch.setattr(unifying, name, value)


@pytest.mark.usefixtures("hub", "way")
class TestUnify:
    def test_one_case_of_three_systems_each_field_from_who_is_believed(self) -> None:
        for tell in WORLD:
            tell()
        result = unify()
        assert result.taken == len(WORLD)
        [case] = golden("case").values()
        assert case["id"] == "M2:S1"
        assert case["channels"] == ["M2", "D3", "P3"]
        assert (case["item_code"], case["item_code_written"]) == ("DG-604", "SG604")
        assert (case["project_code"], case["project_link"]) == (CODE, "written")
        assert case["variant"] == "甲"
        assert case["accepted_at"] == datetime(2026, 3, 2)
        assert case["provenance"]["variant"] == "d3.item_v3|L1"
        assert case["provenance"]["accepted_at"] == "m2.sl|S1|1"
        [event] = golden("case_event").values()
        assert event["case_id"] == "M2:S1"
        row = golden("project")[CODE]
        assert (row["applicant_name"], row["project_name"], row["total_invest"]) == (
            "甲公司",
            "某某智造（一期）项目",
            12,
        )

    def test_a_document_of_another_source_is_the_certificate_of_the_same_number(self) -> None:
        for tell in WORLD:
            tell()
        unify()
        [licence] = golden("licence").values()
        assert (licence["id"], licence["item_code"], licence["project_code"]) == ("C1", "DG-604", CODE)

    def test_a_second_run_writes_nothing(self) -> None:
        for tell in WORLD:
            tell()
        unify()
        assert unify().taken == 0
        for tell in WORLD:
            tell()  # the same again, dirty again
        assert unify().written == 0

    def test_a_gone_row_takes_its_golden_row_along_and_says_so(self) -> None:
        for tell in WORLD:
            tell()
        unify()
        put("m2.sb", "S1|1", "2026-03-02", case=None)
        put("m2.sl", "S1|1", "2026-03-03", case=None)
        put("d3.item_v3", "L1", "2026-03-04", case=None)
        put("p3.accept", "g1", "2026-03-05", case=None)
        assert unify().changes["case"] == {"DEL": 1}
        assert golden("case") == {}

    def test_an_alias_that_comes_later_resolves_what_is_stored(self) -> None:
        for tell in WORLD[1:]:
            tell()
        unify()
        assert golden("case")["M2:S1"]["item_code"] is None
        catalogue()
        unify()
        assert golden("case")["M2:S1"]["item_code"] == "DG-604"

    def test_a_department_number_joins_only_for_the_same_item(self) -> None:
        for tell in WORLD:
            tell()
        put("d1.cases", "Y9", case={"channel": "D1", "case_no": "Y9", "department_no": "Y9", "item_code": "DG-604"})
        put("d4.cases", "Y9", case={"channel": "D4", "case_no": "Y9", "department_no": "Y9", "item_code": "DG-503"})
        unify()
        assert set(golden("case")) == {"M2:S1", "D4:Y9"}

    def test_a_person_can_refuse_a_join_and_take_it_back(self) -> None:
        for tell in WORLD:
            tell()
        put("d1.cases", "Y9", case={"channel": "D1", "case_no": "Y9", "department_no": "Y9", "item_code": "DG-604"})
        unify()
        said = judgement.judge("M2:S1", "D1:Y9", "different", by="王", note="两件事")
        unify()
        assert set(golden("case")) == {"M2:S1", "D1:Y9"}
        judgement.undo(said, by="王")
        unify()
        assert set(golden("case")) == {"M2:S1"}
        assert [m.why for m in judgement.members("M2:S1") if m.channel == "D1"] == ["department_no"]

    def test_a_person_can_say_which_project_a_code_means(self) -> None:
        catalogue()
        project()
        put(
            "m2.sb",
            "S2|1",
            "2026-03-02",
            case={"channel": "M2", "version": 1, "case_no": "S2", "municipal_no": "S2", "project_code": OTHER},
        )
        put(
            "d3.project",
            "L8",
            project={"project_code": "甲-旧", "project_name": "旧"},
            engineering={"engineering_code": "甲-旧-1", "project_code": "甲-旧"},
        )
        unify()
        assert set(golden("project")) == {CODE}
        said = [judgement.rename(alias, CODE, by="王", note="旧码") for alias in (OTHER, "甲-旧")]
        unify()
        assert golden("case")["M2:S2"]["project_code"] == CODE
        assert set(golden("project")) == {CODE}
        for refused in ((CODE, CODE), ("2304-441900-04-01-135255", "无")):
            with pytest.raises(ConfigurationError):
                judgement.rename(*refused, by="王", note="")
        for number in said:
            judgement.undo(number, by="王")
        unify()
        assert golden("case")["M2:S2"]["project_code"] == OTHER

    def test_a_number_that_only_events_tell_of_is_joined_whichever_came_first(self) -> None:
        told = [
            lambda: put("m2.spcl", "S3|x", case_event={"channel": "M2", "case_no": "S3", "event": "HANDLING"}),
            lambda: put("d1.cases", "Y3", case={"channel": "D1", "case_no": "Y3", "municipal_no": "S3"}),
        ]
        for order in (told, told[::-1]):
            for tell in order:
                tell()
                unify()
            assert {m.channel for m in judgement.members("M2:S3")} == {"M2", "D1"}
            put("m2.spcl", "S3|x", case_event=None)
            put("d1.cases", "Y3", case=None)
            unify()
            assert judgement.members("M2:S3") == []

    def test_a_number_that_no_source_speaks_of_any_more_joins_nothing(self) -> None:
        put("m2.sb", "S4|1", case={"channel": "M2", "version": 1, "case_no": "S4", "municipal_no": "S4"})
        put("d1.cases", "Y4", case={"channel": "D1", "case_no": "Y4", "municipal_no": "S4"})
        unify()
        assert set(golden("case")) == {"M2:S4"}
        put("m2.sb", "S4|1", case=None)
        unify()
        assert set(golden("case")) == {"D1:Y4"}

    def test_a_quoted_code_makes_a_row_once_a_founder_says_it(self) -> None:
        put("d3.project", "L8", project={"project_code": "不是代码", "project_name": "乙", "process_type": "1"})
        unify()
        assert golden("project") == {}
        put("d2.projects", "1", project={"project_code": "不是代码", "project_name": "甲"})
        unify()
        assert golden("project")["不是代码"]["process_type"] == "1"
        put("d2.projects", "1", project=None)
        unify()
        assert golden("project") == {}

    def test_documents_of_one_certificate_stay_together_when_a_case_of_one_changes(self) -> None:
        for tell in WORLD:
            tell()
        unify()
        before = golden("licence", "case_id, title, number")
        put("d3.item_v3", "L1", "2026-03-05", case={"channel": "D3", "version": None, "case_no": "S1", "variant": "乙"})
        unify()
        assert golden("licence", "case_id, title, number") == before

    def test_a_case_without_a_code_finds_the_one_project_of_owner_and_name(self) -> None:
        catalogue()
        project()
        put(
            "m2.sb",
            "S2|1",
            "2026-03-02",
            case={
                "channel": "M2",
                "version": 1,
                "case_no": "S2",
                "municipal_no": "S2",
                "applicant_id": USCC,
                "project_name": "某某智造(一期) 项目",
                "project_code": "2304-441900-04-01-135255",
            },
        )
        unify()
        case = golden("case")["M2:S2"]
        assert (case["project_code"], case["project_link"], case["project_code_written"]) == (
            CODE,
            "identity",
            "2304-441900-04-01-135255",
        )

    def test_an_owner_s_code_with_a_wrong_check_character_finds_no_project(self) -> None:
        wrong = USCC[:-1] + "E"
        catalogue()
        project(applicant_uscc=wrong)
        put(
            "m2.sb",
            "S2|1",
            "2026-03-02",
            case={
                "channel": "M2",
                "version": 1,
                "case_no": "S2",
                "municipal_no": "S2",
                "applicant_id": wrong,
                "project_name": "某某智造(一期) 项目",
            },
        )
        unify()
        assert (golden("case")["M2:S2"]["project_code"], golden("project").keys()) == (None, {CODE})

    def test_a_project_that_comes_later_takes_its_cases(self) -> None:
        put(
            "m2.sb",
            "S2|1",
            "2026-03-02",
            case={
                "channel": "M2",
                "version": 1,
                "case_no": "S2",
                "municipal_no": "S2",
                "applicant_id": USCC,
                "project_name": "某某智造(一期) 项目",
            },
        )
        unify()
        assert golden("case")["M2:S2"]["project_code"] is None
        project()
        unify()
        assert golden("case")["M2:S2"]["project_code"] == CODE

    def test_a_work_gives_the_project_where_no_code_is_written(self) -> None:
        project()
        put("d3.item", "L9", case={"channel": "D3", "case_no": "B1", "engineering_code": f"{CODE}-2001"})
        put("d3.project", "L8", engineering={"engineering_code": f"{CODE}-2001", "project_code": CODE})
        unify()
        case = golden("case")["D3:B1"]
        assert (case["project_code"], case["project_link"]) == (CODE, "engineering")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("none", ["1900-01-01", "1970-01-01 08:00:00", "9999-12-31", "0001-01-01"])
def test_a_date_that_stands_for_none_is_believed_where_nobody_has_another(none: str) -> None:
    project("m1.projects", submitted_at=datetime.fromisoformat(none))
    unify()
    assert golden("project")[CODE]["submitted_at"] == datetime.fromisoformat(none)
    project("d3.project", submitted_at=datetime(2026, 3, 1))
    project("p1.project_filing", submitted_at=datetime.fromisoformat(none))
    unify()
    made = golden("project")[CODE]
    assert made["submitted_at"] == datetime(2026, 3, 1)
    assert made["provenance"]["submitted_at"].startswith("d3.project|")


@pytest.mark.usefixtures("hub")
def test_the_order_of_arrival_does_not_matter() -> None:
    ends = []
    for order in itertools.islice(itertools.permutations(range(len(WORLD))), 0, None, 600_000):
        with transaction() as c:
            for table in (
                *tables.golden.values(),
                *tables.source_entity.values(),
                tables.record,
                tables.member,
                tables.case_member,
                tables.item_code,
                tables.dirty,
            ):
                c.execute(sa.text(f'truncate {table.schema}."{table.name}" cascade'))
        for n, index in enumerate(order):
            WORLD[index]()
            if n % 3 == 0:
                unify()
        unify()
        ends.append(of_store())
    assert len(ends) > 5
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize(
    ("day", "old", "own"),
    [
        ("2026-02-28", "DG-604", "DG-604"),
        ("2026-03-01", "DG-604", "DG-604"),  # the last day of version 1, that day included
        ("2026-03-02", None, None),  # between two versions
        ("2026-03-03", None, "DG-604"),  # version 2 has no old code; it holds where version 3 overlaps it in part
        ("2026-03-10", "DG-604", "DG-604"),  # version 3 overlaps version 2: the later holds
        ("2026-03-20", "DG-604", "DG-604"),  # its last day
        ("2026-03-21", None, "DG-604"),  # version 2 holds again, it has no end
    ],
)
def test_a_code_means_an_item_up_to_the_last_day_and_of_two_versions_the_later_holds(hub, day, old, own) -> None:
    spans = (("SG604", "2020-01-01", "2026-03-01"), (None, "2026-03-03", None), ("SG604", "2026-03-10", "2026-03-20"))
    for version, (alias, since, until) in enumerate(spans, 1):
        row = {"item_code": "DG-604", "version": version, "aliases": [alias] if alias else []}
        row |= {"valid_from": datetime.fromisoformat(since), "valid_to": until and datetime.fromisoformat(until)}
        put("m1.items", f"DG-604|{version}", item=row)
    for no, code in (("A", "SG604"), ("B", "DG-604")):
        row = {
            "channel": "M2",
            "case_no": no,
            "item_code": code,
            "submitted_at": datetime.fromisoformat(f"{day} 17:30"),
        }
        put("m2.sb", no, day, case=row)
    unify()
    assert [row["item_code"] for _, row in sorted(golden("case", "item_code").items())] == [old, own]


@pytest.mark.usefixtures("hub")
def test_records_that_wait_are_taken_in_their_own_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first chunk brings catalogue and projects: of the cases and licences that speak of them, none was taken yet."""
    by_parts(monkeypatch)
    for tell in WORLD:
        tell()
    left, true = [], unifying._leave

    def leave(connection, folded) -> None:
        true(connection, folded)
        left.append(connection.execute(sa.text("select array_agg(distinct entity) from store.unfolded")).scalar())
        left.append(connection.execute(sa.text("select count(*) from store.case_member")).scalar())

    monkeypatch.setattr(unifying, "_leave", leave)
    unify()
    assert left[:2] == [["feed"], 0]
    assert set(golden("licence")) == {"C1"} and set(golden("case")) == {"M2:S1"}


#: A unify in a process of its own that ends at the n-th call of one of its steps.
_KILLED = """
import os, signal, sys
from store import unify
name, times = sys.argv[1], int(sys.argv[2])
unify.AT_ONCE, unify.CHUNK, unify.PART, unify.WORKERS = 0, 4, 1, 2
true, left = getattr(unify, name), [times]
def deadly(*args):
    left[0] -= 1
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return true(*args)
setattr(unify, name, deadly)
unify.unify()
"""


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("place", [("_leave", 1), ("_fold", 3), ("_without_golden", 2)])
def test_a_unify_that_is_killed_goes_on_where_it_was(place: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for tell in WORLD:
        tell()
    unify()
    whole = of_store()
    with transaction() as c:  # the same records, never unified
        c.execute(
            sa.text(
                """insert into store.dirty (record_id, upto, feed, run_id, fresh)
                   select min(id), max(id), feed, 1, true from source.record group by feed"""
            )
        )
        for table in (
            *tables.golden.values(),
            tables.member,
            tables.case_member,
            tables.item_code,
            tables.change,
            tables.change_batch,
        ):
            c.execute(sa.delete(table))
    name, times = place
    done = subprocess.run([sys.executable, "-c", _KILLED, name, str(times)], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert of_store() != whole
    unify()
    assert of_store() == whole
    assert unify().taken == 0
    with transaction() as c:
        assert c.execute(sa.select(sa.func.count()).select_from(tables.unfolded)).scalar() == 0


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("meanwhile", [9, 12])
def test_what_hangs_on_nothing_is_folded_beside_the_rest_and_found_again_after_a_kill(meanwhile: int) -> None:
    def read(value: int) -> None:
        row = {"project_code": CODE, "device": "X1", "kind": "PM10", "read_at": datetime(2026, 3, 2), "value": value}
        put("s4.reading", "R1", "2026-03-02", site_reading=row)

    for tell in (lambda: read(9), *WORLD):
        tell()
    with transaction() as c:
        c.execute(sa.text("update store.dirty set fresh = true"))
    done = subprocess.run([sys.executable, "-c", _KILLED, "_leave", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(golden("site_reading")) == 1 and not golden("case")
    if meanwhile != 9:
        read(meanwhile)
    unify()
    assert [row["value"] for row in golden("site_reading").values()] == [meanwhile]
    assert len(golden("case")) == 1
    with transaction() as c:
        assert c.execute(sa.text("select count(*) from store.member where entity = 'site_reading'")).scalar() == 1
        feed = c.execute(sa.text("select op from store.changes where entity = 'site_reading' order by seq")).scalars()
        assert list(feed) == (["ADD"] if meanwhile == 9 else ["ADD", "MOD"])


@pytest.mark.usefixtures("hub")
def test_a_reading_that_the_database_refuses_beside_the_rest_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    by_parts(monkeypatch)
    monkeypatch.setattr(unifying, "CHUNK", 100)
    with transaction() as c:
        c.execute(sa.text("alter table store.site_reading add constraint no_such check (value < 5)"))
        c.execute(sa.text("alter table landing.quarantine disable trigger all"))  # these records came by no run
    for tell in WORLD:
        tell()
    for n in range(6):
        row = {"project_code": CODE, "device": "X1", "kind": "PM10", "read_at": datetime(2026, 3, 2, n), "value": n}
        put("s4.reading", f"R{n}", "2026-03-02", site_reading=row)
    with transaction() as c:
        c.execute(sa.text("update store.dirty set fresh = true"))
    assert unify().refused == ["s4.reading R5"]
    assert len(golden("site_reading")) == 5 and set(golden("licence")) == {"C1"}


@pytest.mark.usefixtures("hub")
def test_a_record_that_a_part_cannot_take_is_set_aside_and_the_rest_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    by_parts(monkeypatch)
    with transaction() as c:
        c.execute(sa.text("alter table store.case_event add constraint no_such check (event <> 'BAD')"))
        c.execute(sa.text("alter table landing.quarantine disable trigger all"))  # these records came by no run
    for tell in WORLD:
        tell()
    for n in range(6):
        put(
            "d3.log_v3",
            f"E{n}",
            case_event={"channel": "D3", "case_no": "S1", "event": "BAD" if n == 4 else "HANDLING"},
        )
    assert unify().refused == ["d3.log_v3 E4"]
    assert len(golden("case_event")) == 6 and set(golden("licence")) == {"C1"}


@pytest.mark.usefixtures("hub")
def test_rows_of_one_record_come_and_go(way: str) -> None:
    def tell(count: int) -> None:
        put("m2.spcl", "S1|1", "2026-03-02", case_event=None)
        with transaction() as c:
            [found] = c.execute(sa.select(tables.record.c.id)).scalars()
            for n in range(count):
                row = {"channel": "M2", "case_no": "S1", "event": "HANDLING", "limit_days": count}
                c.execute(
                    sa.insert(tables.source_entity["case_event"]).values(record_id=found, ord=n, feed="m2.spcl", **row)
                )
        unify()

    for count in (3, 1, 0, 2):
        tell(count)
        assert sorted(golden("case_event")) == [f"m2.spcl|S1|1|{n}" for n in range(count)]
        with transaction() as c:
            assert c.execute(sa.select(sa.func.count()).select_from(tables.member)).scalar() == max(count - 1, 0)


@pytest.mark.usefixtures("hub")
def test_what_a_load_has_just_made_another_table_is_analysed_before_the_planner_asks() -> None:
    """What a session wrote is counted seconds after its commit; plans for the empty table that was would take hours."""
    with transaction() as connection:  # what other tests left of the file is not to hide that it has grown
        connection.exec_driver_sql("truncate store.case_member")
        connection.exec_driver_sql("analyze store.case_member")
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into store.case_member (channel, case_no, case_id, why)
               select 'M2', n::text, 'M2:' || n, 'self' from generate_series(1, 20000) n"""
        )
    unifying._refresh_statistics()
    with transaction() as connection:
        counted = connection.exec_driver_sql(
            "select reltuples from pg_class where oid = 'store.case_member'::regclass"
        ).scalar_one()
    assert counted > 15_000


@pytest.mark.usefixtures("hub")
def test_a_chunk_ends_with_the_batch_of_an_initial_load_that_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unifying, "CHUNK", 15)
    with transaction() as c:
        for first in (1, 11, 21):
            c.execute(sa.insert(tables.dirty).values(record_id=first, upto=first + 9, feed="x.a", run_id=1, fresh=True))
        c.execute(sa.insert(tables.dirty).values(record_id=40, feed="x.a", run_id=1))
        first, *_, last = c.execute(sa.select(tables.dirty.c.seq).order_by(tables.dirty.c.seq)).scalars()
    assert unifying._next(last) == first + 1
    with transaction() as c:
        c.execute(sa.delete(tables.dirty).where(tables.dirty.c.seq <= first + 1))
    assert unifying._next(last) == last
