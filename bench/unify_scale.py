"""What unify costs by size: ``python -m bench.unify_scale [--projects 600] [--changed 1000] [--most 6000]``.

A city is put straight into the sources' tables, in the proportions of the simulated one: some 310 records a project. Printed are
the records a second of a first unify, and the seconds of the next after so many records changed, for the size asked and, with
``--most``, for a larger one: the second figure is to be the same for both. ``--days 100`` changes as many records on each of a hundred
days and tells what they leave.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import sqlalchemy as sa

from bench import scratch
from bench.meter import metered
from store.engine import engine, transaction

#: Records of a city as a share of its cases: (feed, entity, rows a case in thousandths, columns).
CASES = 26  # of a project
_P = "'2019-441900-04-01-' || lpad((n / {cases})::text, 6, '0')"
_CASE = {
    "channel": "'M2'",
    "case_no": "'M' || n",
    "municipal_no": "'M' || n",
    "project_code": _P,
    "item_code": "'SG-' || n % 60",
    "applicant_id": "'U' || n / {cases}",
    "applicant_type": "'2'",
    "applicant_name": "'东莞市第' || n / {cases} || '实业有限公司'",
    "project_name": "'制造基地' || n / {cases}",
    "version": "1",
}
_DAY = "timestamp '2024-01-08 09:00' + n % 900 * interval '1 day'"
_FEEDS: list[tuple[str, str, int, dict[str, str]]] = [
    ("m2.sb", "case", 1000, _CASE | {"part": "'SB'", "submitted_at": _DAY, "intake_channel": "'网上'"}),
    (
        "m2.sl",
        "case",
        960,
        _CASE | {"part": "'SL'", "accepted_at": _DAY, "department_no": "'Y' || n", "department_code": "'B' || n % 20"},
    ),
    (
        "m2.bj",
        "case",
        920,
        _CASE
        | {"part": "'BJ'", "concluded_at": _DAY, "result": "'DONE_OK'", "licence_no": "'粤施〔2026〕' || n || '号'"},
    ),
    (
        "d1.cases",
        "case",
        160,
        {"channel": "'D1'", "case_no": "'Y' || n", "department_no": "'Y' || n", "item_code": "'DG-' || n % 60"},
    ),
    (
        "d3.item_v3",
        "case",
        160,
        {"channel": "'D3'", "case_no": "'M' || n", "item_code": "'SG-' || n % 60", "variant": "'甲'"},
    ),
    (
        "m2.spcl",
        "case_event",
        2500,
        {
            "channel": "'M2'",
            "case_no": "'M' || n",
            "event": "'HANDLING'",
            "at": f"{_DAY} + k * interval '1 hour'",
            "series": "'SPCL'",
            "series_key": "n || '|' || k",
            "version": "1",
            "inserted_at": _DAY,
            "step_name": "'审查'",
            "handler": "'张三'",
            "opinion": "'同意'",
        },
    ),
    ("d3.log_v3", "case_event", 700, {"channel": "'D3'", "case_no": "'M' || n", "event": "'ACCEPTED'", "at": _DAY}),
    (
        "m2.sbcl",
        "material",
        2600,
        {
            "channel": "'M2'",
            "case_no": "'M' || n",
            "seq": "k",
            "name": "'材料' || k",
            "medium": "'电子'",
            "form": "'原件'",
            "version": "1",
        },
    ),
    (
        "p1.licence",
        "licence",
        600,
        {
            "channel": "'P1'",
            "kind": "'licence'",
            "certificate_id": "'C' || n",
            "type_code": "'SG-' || n % 60",
            "number": "'粤施〔2026〕' || n || '号'",
            "holder_name": "'东莞市第' || n / {cases} || '实业有限公司'",
            "project_code": _P,
            "issued_at": _DAY,
            "state": "'有效'",
        },
    ),
    (
        "s4.reading",
        "site_reading",
        2000,
        {
            "project_code": _P,
            "device": "'X' || n",
            "kind": "'PM10'",
            "read_at": f"{_DAY} + k * interval '1 hour'",
            "value": "n % 90",
        },
    ),
]
_PROJECT = {
    "project_code": "'2019-441900-04-01-' || lpad(n::text, 6, '0')",
    "project_name": "'制造基地' || n",
    "applicant_uscc": "'U' || n",
    "applicant_name": "'东莞市第' || n || '实业有限公司'",
}


def _put(feed: str, entity: str, many: str, columns: dict[str, str]) -> None:
    """Records of a feed with a row each, changed and not known before, as an initial load marks them."""
    listed = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(f'{text.format(cases=CASES)} as "{name}"' for name, text in columns.items())
    with transaction() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.execute(
            sa.text(
                f"""with x as materialized (
                        select nextval('source.record_id_seq') as record_id, n || '|' || k as key, {_DAY} as told_at, {values} from {many}),
                    r as (insert into source.record
                              (id, feed, record_key, raw, content_hash, source_time, rank, receipt_id, run_id, mapping_version, code_version)
                          overriding system value
                          select record_id, :feed, key, '', sha256(key::bytea), told_at, 0, 1, 1, 1, 'bench' from x),
                    e as (insert into source."{entity}" (record_id, ord, feed, {listed}) select record_id, 0, :feed, {listed} from x)
                    insert into store.dirty (record_id, upto, feed, run_id, fresh)
                    select min(record_id), max(record_id), :feed, 1, true from x group by record_id / 10000 order by 1"""
            ),
            {"feed": feed},
        )


def fill(projects: int) -> int:
    """A city of so many projects in the sources' tables; returns the number of its records."""
    _put(
        "m1.items",
        "item",
        "generate_series(0, 59) n, generate_series(0, 0) k",
        {
            "item_code": "'DG-' || n",
            "version": "1",
            "aliases": "jsonb_build_array('SG-' || n)",
            "valid_from": "'2020-01-01'::date",
        },
    )
    for feed in ("m1.projects", "p1.project_filing", "d2.projects"):
        _put(feed, "project", f"generate_series(0, {projects - 1}) n, generate_series(0, 0) k", _PROJECT)
    cases = projects * CASES
    for feed, entity, share, columns in _FEEDS:
        each, rest = divmod(share, 1000)
        many = f"""generate_series(0, {cases - 1}) n
                   cross join lateral generate_series(1, {each} + (n * 7 % 1000 < {rest})::int) k"""
        _put(feed, entity, many, columns)
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
        return connection.exec_driver_sql("select count(*) from source.record").scalar_one()


def change(records: int, day: int) -> None:
    """So many records, of cases, events and readings alike, say something else."""
    touched = {
        "m2.sl": ("case", "department_name = 'X' || :day"),
        "m2.spcl": ("case_event", "opinion = 'X' || :day"),
        "s4.reading": ("site_reading", "value = value + 1 + 0 * :day"),
    }
    with transaction() as connection:
        for feed, (entity, what) in touched.items():
            connection.execute(
                sa.text(
                    f"""with chosen as (select id from source.record where feed = :feed and record_key >= :key order by record_key limit :many),
                             e as (update source."{entity}" set {what} from chosen where record_id = id)
                        insert into store.dirty (record_id, feed, run_id) select id, :feed, 1 from chosen"""
                ),
                {"feed": feed, "key": str(100 + day), "many": records // len(touched), "day": day},
            )


def measure(projects: int, changed: int) -> dict[str, Any]:
    """Fill the store that the environment names, unify it, change some records, unify again."""
    from store.unify import unify

    began = time.perf_counter()
    records = fill(projects)
    filling = time.perf_counter() - began
    with metered() as first:
        taken = unify().taken
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
        size = connection.exec_driver_sql("select pg_database_size(current_database())").scalar_one()
    after = []
    for day in range(5):
        change(changed, day)
        with metered() as next_:
            assert unify().written >= changed // 3 * 3 // 2
        after.append(next_)
    return {
        "records": records,
        "fill_s": round(filling, 1),
        "unify_s": round(first["s"], 2),
        "rows_per_s": round(taken / first["s"]),
        "changed": changed,
        "changed_s": min(each["s"] for each in after),
        "changed_server_cpu_s": min(each["server_cpu_s"] for each in after),
        "bytes_per_record": round(size / records),
        "first": first,
    }


def aged(projects: int, changed: int, days: int) -> dict[str, Any]:
    """What so many days of changes leave: MiB before and after them and after ``vacuum``, and the tables that grew most."""
    from store.unify import unify

    fill(projects)
    unify()
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
    first, began = _sizes(), time.perf_counter()
    by_quarter = [_kinds(first)]
    for day in range(days):
        change(changed, day)
        unify()
        if day % max(1, days // 4) == days // 4 - 1:
            by_quarter.append(_kinds(_sizes()))
    seconds, last = time.perf_counter() - began, _sizes()
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum")
        dead = connection.exec_driver_sql("select sum(n_dead_tup) from pg_stat_user_tables").scalar_one()
        hot = connection.exec_driver_sql(
            """select round(100.0 * sum(n_tup_hot_upd) / nullif(sum(n_tup_upd), 0)) from pg_stat_user_tables
               where schemaname = 'store' and n_tup_upd > 0"""
        ).scalar_one()
    after = _sizes()
    grown = sorted(last, key=lambda name: last[name] - first.get(name, 0), reverse=True)[:6]
    mib = 1 << 20
    return {
        "days": days,
        "changed_a_day": changed,
        "a_day_s": round(seconds / days, 3),
        "mib": [round(sum(sizes.values()) / mib, 1) for sizes in (first, last, after)],
        "mib_by_quarter": by_quarter,
        "dead_rows_after_vacuum": int(dead),
        "hot_updates_per_cent": int(hot or 0),
        "grown_mib": {name: round((last[name] - first.get(name, 0)) / mib, 1) for name in grown},
    }


def _kinds(sizes: dict[str, int]) -> dict[str, float]:
    """MiB of the rows and their indexes, of the feed of changes, of PostgreSQL's catalogues."""
    kinds = {"rows": 0, "changes": 0, "catalogues": 0}
    for name, size in sizes.items():
        kind = "catalogues" if name.startswith("pg_") else "changes" if name.startswith("store.change") else "rows"
        kinds[kind] += size
    return {kind: round(size / (1 << 20), 1) for kind, size in kinds.items()}


def _sizes() -> dict[str, int]:
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            """select n.nspname || '.' || c.relname, pg_total_relation_size(c.oid)
               from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.relkind = 'r' and n.nspname in ('source', 'store', 'pg_catalog')"""
        )
        return {name: size for name, size in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=600)
    parser.add_argument("--changed", type=int, default=1000)
    parser.add_argument("--most", type=int, default=0, help="a larger city, measured as well")
    parser.add_argument("--here", type=int, help="so many projects, in the database that the environment names")
    parser.add_argument("--days", type=int, default=0, help="so many days of changes, and what they leave of bloat")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.here, options.changed)))
        return
    with scratch.server() as url:
        for projects in filter(None, (options.projects, options.most)):
            with scratch.database(url, f"unify_{projects}"):
                made = (
                    aged(projects, options.changed, options.days)
                    if options.days
                    else measure(projects, options.changed)
                )
                print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
