"""How fast answers come from a large city: ``python -m bench.serving [--projects 10000] [--cases 100] [--events 3] [--asked 30]``.

A city is put straight into the store's tables: projects in the real towns with red lines, cases of real departments with clocks and
events, licences, findings, orders, the change feed. Each address of API and pages is then asked as a key for the whole city, for
a town and for a department does; printed are the median and the 95th percentile in milliseconds, rows and bytes of the
answer, and which large tables were read from end to end. Then some are asked again while another process writes as a full sync does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import shapely
import sqlalchemy as sa
from starlette.testclient import TestClient

from bench import scratch
from store import tables
from store.copying import copy_frame
from store.engine import dispose, engine, transaction

TODAY = date(2026, 11, 24)
LARGE = 50_000

_ITEMS = """
    insert into store.item (id, item_code, version, item_name, kind, stage, department, department_code, departments, case_channel, statutory_limit, statutory_unit,
        promised_limit, promised_unit, project_type, prerequisites, soft_prerequisites, process_types, multiple, valid_from, provenance, content_hash)
    select 'DG-' || n || '|1', 'DG-' || n, 1, '事项' || n, '政务服务事项', 1 + n * 8 / 60, d.names[1 + n % 20], d.codes[1 + n % 20], d.names[1 + n % 20], 'M2', 20, '工作日',
        4 + n % 12, '工作日', '2', '[]', '[]', '["3"]', true, '2020-01-01', '{}', sha256(n::text::bytea)
    from generate_series(0, 59) n cross join (select cast(:names as text[]) as names, cast(:codes as text[]) as codes) d"""
_PROJECTS = """
    insert into store.project (id, project_code, project_name, process_type, filing_type, applicant_name, applicant_uscc, validity, submitted_at, filing_state, town_code,
        total_invest, fast_track, conditions, planned_items, provenance, content_hash)
    select p.code, p.code, (array['精密模具', '集成电路', '新型储能', '食品饮料', '智能终端'])[1 + n % 5] || '制造基地' || n, '3', '备案', '东莞市第' || n || '实业有限公司', 'U' || n,
        '有效', timestamp '2024-01-02 09:00' + n * 7 % 500 * interval '1 day', '办结（通过）', (cast(:towns as text[]))[1 + n % :n_towns], n % 900 * 100, false, '[]', '[]',
        '{"*": "p1.project_filing|1"}', sha256(n::text::bytea)
    from generate_series(0, :projects - 1) n cross join lateral (select '2019-441900-04-01-' || lpad(n::text, 6, '0') as code) p"""
_CASES = """
    insert into store."case" (id, channel, channels, case_no, project_code, project_code_written, project_link, item_code, item_code_written, item_name, town_code,
        department_name, department_code, submitted_at, accepted_at, applicant_type, applicant_id, provenance, content_hash)
    select 'M2:' || n, 'M2', array['M2', 'D3'], 'M' || n, p.code, p.code, 'written', 'DG-' || n % 60, 'DG-' || n % 60, '事项' || n % 60, null, d.names[1 + n % 20], d.codes[1 + n % 20],
        timestamp '2024-01-08 09:00' + n % 900 * interval '1 day', timestamp '2024-01-09 09:00' + n % 900 * interval '1 day', '2', 'U', jsonb_build_object('*', 'm2.sb|' || n), sha256(n::text::bytea)
    from generate_series(cast(:low as bigint), cast(:high as bigint) - 1) n
    cross join lateral (select '2019-441900-04-01-' || lpad((n / :each)::text, 6, '0') as code) p
    cross join (select cast(:names as text[]) as names, cast(:codes as text[]) as codes) d"""
_CLOCKS = """
    insert into supervision.clock (case_id, case_no, project_code, item_code, as_of, received_at, accepted_at, acceptance_on, deemed, ended_at, end_event, used_promised, used_statutory,
        due_promised, due_statutory, promised_limit, promised_unit, statutory_limit, statutory_unit, paused, suspended, provisional, light)
    select id, case_no, project_code, item_code, :today, submitted_at, accepted_at, accepted_at::date, false, case when n % 50 > 0 then accepted_at + interval '5 days' end,
        case when n % 50 > 0 then 'DONE_OK' end, 5, 5, accepted_at::date + 10, accepted_at::date + 28, 8, '工作日', 20, '工作日', false, false, false,
        case when n % 50 > 0 then '灰' else (array['双红', '红', '黄', '蓝', '绿'])[1 + n / 50 % 5] end
    from (select c.*, substr(c.id, 4)::bigint as n from store."case" c) c"""
_EVENTS = """
    insert into store.case_event (id, channel, case_no, event, at, series, series_key, version, inserted_at, case_id, provenance, content_hash)
    select n || '|' || k, 'M2', 'M' || n, (array['SUBMITTED', 'ACCEPTED', 'DONE_OK', 'HANDLING'])[1 + least(k, 3)], timestamp '2024-01-08 09:00' + n % 900 * interval '1 day' + k * interval '1 day',
        (array['SB', 'SL', 'BJ', 'SPCL'])[1 + least(k, 3)], n || '|' || k, 1, timestamp '2024-01-08 09:00' + n % 900 * interval '1 day', 'M2:' || n, jsonb_build_object('*', 'm2.spcl|' || n), sha256((n || '|' || k)::bytea)
    from generate_series(cast(:low as bigint), cast(:high as bigint) - 1) n cross join generate_series(0, :events - 1) k where k <> 2 or n % 50 > 0"""
_REST = (
    """insert into supervision.position (project_code, current_stage, finished, current_items, as_of)
       select p.id, 1 + n % 8, n % 9 = 0, jsonb_build_array(jsonb_build_object('item_code', 'DG-' || n % 60, 'item_name', '事项' || n % 60, 'stage', 1 + n % 8, 'turn', '待部门办理',
              'department', '某局', 'department_code', (cast(:codes as text[]))[1 + n % 20], 'open', true)), :today
       from (select id, row_number() over (order by id) - 1 as n from store.project) p""",
    """insert into supervision.stage_state (project_code, stage, stage_name, state, completed_at, as_of)
       select p.id, s, '阶段' || s, case when s < 1 + n % 8 then '完成' else '未开始' end, case when s < 1 + n % 8 then timestamp '2025-01-01' end, :today
       from (select id, row_number() over (order by id) - 1 as n from store.project) p, generate_series(1, 8) s""",
    """insert into supervision.project_item (project_code, item_code, item_name, stage, kind, department, department_code, expected, state, as_of)
       select p.id, i.item_code, i.item_name, i.stage, i.kind, i.department, i.department_code, true, '未办', :today from store.project p, store.item i where i.version = 1""",
    """insert into supervision.finding (id, rule, project_code, item_code, case_no, case_id, severity, department_code, department_name, text, evidence, evidence_hash, state, opened_on, judged_on)
       select 'F' || c.id, (array['C1', 'C2', 'OVERDUE', 'C9'])[1 + n % 4], c.project_code, c.item_code, c.case_no, c.id, 1 + n % 3, c.department_code, c.department_name, '疑似超期', '[]', sha256(c.id::bytea),
              case when n % 3 = 0 then 'closed' else 'open' end, :today, :today
       from (select *, substr(id, 4)::bigint / 50 as n from store."case" where substr(id, 4)::bigint % 50 = 0) c""",
    """insert into supervision.work_order (no, finding_id, rule, project_code, item_code, case_no, department_code, department_name, severity, state, dispatched_at, step_at, due_on)
       select 'GD' || id, id, rule, project_code, item_code, case_no, department_code, department_name, severity, 'dispatched', :today, :today, :today from supervision.finding where state = 'open'""",
    """insert into store.licence (id, channel, type_name, number, organ_name, organ_code, issued_at, state, project_code, case_no, item_code, case_id, quotes_land, provenance, content_hash)
       select 'L' || id, 'P1', '许可证', 'No' || id, department_name, department_code, accepted_at, '有效', project_code, case_no, item_code, id, 'No' || id, '{"*": "p1.licence|1"}', sha256(id::bytea)
       from store."case" where substr(id, 4)::bigint % 10 = 0""",
    """insert into store.change (entity, entity_id, op, columns, sources) select 'case', id, 'ADD', '{case_no}', '{m2.sb}' from store."case" """,
)
_WRITES = (
    "create unlogged table if not exists staging.bench as select id, content_hash, provenance from store.case_event limit 0",
    "truncate staging.bench",
    "insert into staging.bench select id, sha256(content_hash), provenance from store.case_event where series_key = id and version = 1 limit 100000",
    """update store.case_event e set content_hash = b.content_hash, changed_at = now() from staging.bench b where b.id = e.id""",
    """insert into store.change (entity, entity_id, op, columns, sources) select 'case_event', id, 'MOD', '{at}', '{m2.sl}' from staging.bench""",
)


def build(projects: int, each: int, events: int) -> None:
    """The city. Progress is printed."""
    from serving import derive, places
    from serving.access import departments

    codes, _, shapes = places.towns()
    town = {"towns": codes, "n_towns": len(codes)}
    known = {"names": list(departments().values())[:20], "codes": list(departments())[:20]}
    begun = time.perf_counter()
    with transaction() as connection:
        connection.execute(sa.text(_ITEMS), known)
        connection.execute(sa.text(_PROJECTS), {"projects": projects, **town})
        copy_frame(connection, tables.golden["redline"], redlines(projects, shapes))
    step = 100_000
    for low in range(0, projects * each, step):
        values = {"low": low, "high": min(low + step, projects * each), "each": each, "events": events, **known}
        with transaction() as connection:
            connection.execute(sa.text(_CASES), values)
            connection.execute(sa.text(_EVENTS), values)
        print(f"\r{values['high']:,} cases, {time.perf_counter() - begun:.0f} s", end="", flush=True)
    with transaction() as connection:
        for statement in (_CLOCKS, *_REST):
            connection.execute(sa.text(statement), {"today": TODAY, **known})
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
    derive.refresh()
    print(
        f"\r{projects:,} projects, {projects * each:,} cases, {projects * each * events:,} events: {time.perf_counter() - begun:.0f} s",
        flush=True,
    )


def redlines(projects: int, shapes: np.ndarray) -> pl.DataFrame:
    """A square of 200 m for each project, around the town that it is in."""
    middles = shapely.get_coordinates(shapely.point_on_surface(shapes))
    jitter = np.random.default_rng(1).normal(0, 0.01, (projects, 2))
    x, y = (middles[np.arange(projects) % len(shapes)] + jitter).T
    squares = shapely.box(x - 0.001, y - 0.001, x + 0.001, y + 0.001)
    codes = [f"2019-441900-04-01-{n:06d}" for n in range(projects)]
    return pl.DataFrame(
        {
            "id": [f"R{code}" for code in codes],
            "redline_code": [f"R{code}" for code in codes],
            "project_code": codes,
            "geom": shapely.to_wkb(squares),
            "geom_box": [box.tobytes() for box in shapely.bounds(squares)[:, [2, 3, 0, 1]].astype(">f8")],
            "provenance": ['{"*": "s1.redline|1"}'] * projects,
            "content_hash": [code.encode() for code in codes],
        }
    )


CODE = "2019-441900-04-01-000040"


def addresses(town: str, department: str, case: str) -> dict[str, str]:
    """What is asked of the API; all of it is shown to the town and to the department."""
    return {
        "a project, whole": f"/v1/projects/{CODE}",
        "its position": f"/v1/projects/{CODE}/position",
        "its cases": f"/v1/cases?project={CODE}",
        "a case, whole": f"/v1/cases/{case}",
        "its licences": f"/v1/licences?project={CODE}",
        "its findings": f"/v1/findings?project={CODE}",
        "projects": "/v1/projects?limit=100",
        "by Chinese name": "/v1/projects?q=新型储能",
        "by pinyin": "/v1/projects?q=jichengdianlu",
        "by initials": "/v1/projects?q=jmmj",
        "of a town": f"/v1/projects?town={town}",
        "of a department": f"/v1/projects?department={department}",
        "double red projects": "/v1/projects?light=双红",
        "with findings": "/v1/projects?has_findings=true",
        "cases": "/v1/cases?limit=100",
        "red cases": "/v1/cases?light=红",
        "running cases": "/v1/cases?running=true",
        "cases of a town": f"/v1/cases?town={town}",
        "open findings": "/v1/findings?state=open",
        "overdue orders": "/v1/work-orders?overdue=true",
        "the change feed": "/v1/changes?limit=1000",
        "statistics": "/v1/statistics",
        "features in a box": "/features/collections/redlines/items?bbox=113.75,22.8,113.8,22.85&limit=100",
        "projects as points": "/features/collections/projects/items?limit=100",
        "tile of the city": "/tiles/10/835/445.mvt",
        "tile of a town": "/tiles/13/6686/3560.mvt",
    }


def asked(client: TestClient, address: str, times: int) -> tuple[float, float, Any]:
    """(median, 95th percentile in ms, last answer)."""
    client.get(address)
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], answer


def scanned() -> dict[str, int]:
    """Scans from end to end of tables with many rows, so far."""
    with engine().connect() as connection:
        rows = connection.execute(
            sa.text("select schemaname || '.' || relname, seq_scan from pg_stat_user_tables where n_live_tup > :large"),
            {"large": LARGE},
        )
        return dict(tuple(row) for row in rows)


def measured(name: str, client: TestClient, address: str, times: int) -> float:
    """Asks, and prints a line; returns the median."""
    before = scanned()
    middle, high, answer = asked(client, address, times)
    time.sleep(1.1)  # a session tells what it did once a second
    client.get(address)
    read = [table for table, n in scanned().items() if n > before.get(table, 0)]
    rows = len(found) if isinstance(found := _items(answer), list) else ""
    print(
        f"  {name:24} {answer.status_code} {middle:9.1f} {high:9.1f} ms {rows!s:>6} rows {len(answer.content):>9,} bytes  {'reads ' + ', '.join(read) if read else ''}",
        flush=True,
    )
    return middle


def _items(answer: Any) -> Any:
    if "json" not in answer.headers.get("content-type", ""):
        return None
    document = answer.json()
    return document.get("items", document.get("features")) if isinstance(document, dict) else document


def writing(url: str) -> None:
    """What a full sync does to the database, over and over: a batch staged, merged, told to the feed. Ends with who asked for it."""
    os.environ["ONEMAP_DATABASE_URL"] = url
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        for statement in _WRITES:
            with transaction() as connection:
                connection.exec_driver_sql(statement)
    dispose()


@contextmanager
def writer() -> Iterator[None]:
    """A process beside this one that writes to the same database all the while."""
    process = multiprocessing.get_context("spawn").Process(target=writing, args=(os.environ["ONEMAP_DATABASE_URL"],))
    process.start()
    try:
        yield
    finally:
        process.terminate()  # its transaction is rolled back
        process.join()


def beside(clients: dict[str, tuple[TestClient, str]], times: int) -> Iterator[tuple[str, float]]:
    """(what, median) while another process writes."""
    with writer():
        time.sleep(5)
        for name, (client, address) in clients.items():
            yield name, asked(client, address, times)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=100, help="of a project")
    parser.add_argument("--events", type=int, default=3, help="of a case")
    parser.add_argument("--asked", type=int, default=20, help="times that an address is asked")
    given = parser.parse_args()
    with scratch.server() as url, scratch.database(url, "bench_serving"):
        from serving import keys
        from serving.api.app import app
        from serving.pages import standalone

        build(given.projects, given.cases, given.events)
        with transaction() as connection:
            town = connection.execute(
                sa.text("select town_code from store.project where id = :code"), {"code": CODE}
            ).scalar_one()
            case, department = connection.execute(
                sa.text("""select case_no, department_code from store."case" where project_code = :code order by id"""),
                {"code": CODE},
            ).one()

        def client(*scopes: str) -> TestClient:
            key = keys.make("bench", ["read:projects", *scopes], by="bench", per_minute=10**6, per_day=10**7)[1]
            return TestClient(app, headers={"X-API-Key": key})

        city = client()
        for who, asker in (
            ("the whole city", city),
            ("a town", client(f"town:{town}")),
            ("a department", client(f"department:{department}")),
        ):
            print(f"\nA key for {who}: median, 95th percentile")
            for name, address in addresses(town, department, case).items():
                measured(name, asker, address, given.asked)
        print("\nPages")
        pages = TestClient(
            standalone.make("link", "bench", ["testserver"]),
            cookies={standalone.COOKIE: "link"},
            base_url="http://testserver",
        )
        at = standalone.PLACE
        for name, address in {
            "One Map": f"{at}/",
            "filtered by town": f"{at}/?town={town}",
            "searched by pinyin": f"{at}/?q=jichengdianlu",
            "all points": f"{at}/data/points",
            "red lines in view": f"{at}/data/redlines?box=113.75,22.8,113.8,22.85",
            "a project": f"{at}/project/{CODE}",
            "its report": f"{at}/project/{CODE}/report.html",
            "its archive": f"{at}/project/{CODE}/archive.zip",
            "a town's report": f"{at}/town/{town}/report.html",
        }.items():
            measured(name, pages, address, max(given.asked // 4, 3))
        print("\nBeside writes as of a full sync: median, and how many times that of a quiet store")
        chosen = {
            name: (city, address)
            for name, address in addresses(town, department, case).items()
            if name
            in ("a project, whole", "its position", "a case, whole", "by pinyin", "red cases", "the change feed")
        }
        chosen["One Map"] = (pages, f"{at}/")
        quiet = {name: asked(asker, address, given.asked)[0] for name, (asker, address) in chosen.items()}
        for name, middle in beside(chosen, given.asked):
            print(f"  {name:24} {middle:9.1f} ms  {middle / quiet[name]:5.2f} x", flush=True)


if __name__ == "__main__":
    main()
