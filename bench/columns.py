"""A city of any number of cases through the real wires: ``python -m bench.columns [--cases 100000] [--most 1000000]``.

The tables of the municipal platform (M2) are made by set-based statements in a database of their own, some five rows a case, as
its contract has them; the hub's own source reads them from there, checks, merges and unifies. A simulated world of
:mod:`standins.world` is made project by project and has every system and defect: this one is for size. Printed are seconds,
CPU of the worker and of the server, peaks of memory, and what a record costs in the database; with ``--most`` for a larger city too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import sqlalchemy as sa

from bench import scratch
from bench.meter import metered
from core.settings import ROOT
from store.engine import engine, transaction

CASES = 26  # of a project, as a simulated world has them
#: The case ``n`` of the project ``p``: when it was handed in, its number, its project's code.
_CASE = """generate_series(0, {last}) n join project p on p.number = n / {each}
cross join lateral (select timestamp '2023-11-06 08:30' + n * (interval '1080 days' / {cases}) as at) t"""
_NO, _CODE = "rpad('4419' || lpad(n::text, 14, '0'), 20)", "rpad(p.code, 30)"
_ITEMS = "('{DG-404,DG-502,DG-604,DG-702,DG-308,DG-503}'::text[])[1 + n % 6]"
#: Feed → table, columns and values, and what is joined to a case where it has several rows or none.
TABLES = {
    "sb": (
        "EX_GDBS_SB",
        {
            "SBLSH": "'SB' || n",
            "SXBM": _ITEMS,
            "SXMC": "'建设项目审批事项' || n % 6",
            "SQRLX": "'2'",
            "SQRMC": "p.company",
            "SQRZJLX": "'31'",
            "SQRZJHM": "p.uscc",
            "LXRXM": "'李明'",
            "LXRSJ": "'13800138000'",
            "SBXMMC": "p.name",
            "TJFS": "'1'",
            "SBHZH": "'HZ' || n",
            "SBSJ": "at",
            "XZQHDM": "'441900003000'",
            "PROJECT_CODE": _CODE,
            "WSSBQD": "'0'",
            "D_ZZJGDM": "'11441900007330000P'",
        },
        "",
    ),
    "sl": (
        "EX_GDBS_SL",
        {
            "YWLSH": "'Y' || n",
            "SLBMMC": "'东莞市住房和城乡建设局'",
            "SLBMZZJGDM": "'11441900007330000P'",
            "BLRXM": "'王芳'",
            "SLZTDM": "'1'",
            "SLHZH": "'SL' || n",
            "SLSJ": "at + interval '1 hour'",
            "GXDXZQHDM": "'441900003'",
            "PROJECT_CODE": _CODE,
        },
        "",
    ),
    "spcl": (
        "EX_GDBS_SPCL",
        {
            "SPHJDM": "k::text",
            "SPHJMC": "('{审查,审核}'::text[])[k]",
            "SPBMMC": "'东莞市住房和城乡建设局'",
            "SPBMZZJDMD": "'11441900007330000P'",
            "SPRXM": "'陈伟'",
            "SPYJ": "'同意'",
            "SPSJ": "at + k * interval '1 day'",
            "SPHJZTDM": "'1'",
            "PROJECT_CODE": _CODE,
        },
        "cross join generate_series(1, 2) k",
    ),
    "bj": (
        "EX_GDBS_BJ",
        {
            "BJBMMC": "'东莞市住房和城乡建设局'",
            "BJBMZZJGDM": "'11441900007330000P'",
            "BJJGDM": "'0'",
            "BJJGMS": "'出证办结'",
            "ZJBH": "'粤施〔2026〕' || n || '号'",
            "SFJE": "0",
            "BJSJ": "at + interval '3 days'",
            "PROJECT_CODE": _CODE,
        },
        "where n % 20 > 0",
    ),
}


@contextmanager
def city(url: str, cases: int) -> Iterator[int]:
    """The source's tables in a database of their own, to which the hub's Connection leads; yields the number of their rows."""
    admin = sa.create_engine(url.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("create database bench_columns"))
    held = sa.create_engine(url.format(database="bench_columns"))
    try:
        rows = _fill(held, cases)
        where = url.format(database="bench_columns")
        os.environ["AIRFLOW_CONN_M_TABLES"] = json.dumps(
            {"conn_type": "generic", "host": "", "login": "postgres", "password": "", "extra": {"url": where}}
        )
        yield rows
    finally:
        held.dispose()
        with admin.connect() as connection:
            connection.execute(sa.text("drop database bench_columns with (force)"))
        admin.dispose()


def _fill(held: sa.Engine, cases: int) -> int:
    from standins.world.people import project_code, uscc

    numbers = range((cases - 1) // CASES + 1)
    projects = [(n, project_code(date(2023, 11, 6), n, 1, "04", "01"), uscc(n)) for n in numbers]
    rows = 0
    with held.begin() as connection:
        connection.exec_driver_sql((ROOT / "schemas" / "contracts" / "m2.sql").read_text(encoding="utf-8"))
        connection.exec_driver_sql(
            "create table project (number int primary key, code text, uscc text, company text, name text)"
        )
        driver = connection.connection.cursor()
        with driver.copy("copy project (number, code, uscc) from stdin") as copy:
            for project in projects:
                copy.write_row(project)
        connection.exec_driver_sql(
            "update project set company = '东莞市第' || number || '实业有限公司', name = '智能制造基地' || number; analyze project"
        )
        for table, columns, also in TABLES.values():
            inserted = "INSERTIME" if table.endswith("BJ") else "INSERTTIME"
            technical = {"SBLSH_SHORT": _NO, "VERSION": "1", "REC_FLAG": "'1'", inserted: "at + interval '4 days'"}
            every = technical | columns
            many = _CASE.format(last=cases - 1, each=CASES, cases=cases)
            rows += connection.exec_driver_sql(
                f"insert into {table} ({', '.join(every)}) select {', '.join(every.values())} from {many} {also}".replace(
                    "%", "%%"
                )
            ).rowcount
            connection.exec_driver_sql(f"create index on {table} ({inserted}); analyze {table}")
    return rows


def measure(url: str, cases: int) -> dict[str, Any]:
    """Make the source, read it by its own declaration, unify it, in the database that the environment names."""
    from pipeline import sync, unify

    empty, begun = _size(), time.perf_counter()
    with city(url, cases) as rows:
        found: dict[str, Any] = {"cases": cases, "records": rows, "made_s": round(time.perf_counter() - begun, 1)}
        with metered() as reading:
            for feed in TABLES:
                for outcome in sync.source("m2", feeds=[feed], trigger="bench"):
                    if outcome.outcome != "ok":
                        raise SystemExit(f"{outcome.feed}: {outcome.error}")
        with metered() as unifying:
            taken = unify.run().taken
        assert taken == rows, (taken, rows)
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum")
    return found | {
        "read_per_s": round(rows / reading["s"]),
        "unify_per_s": round(rows / unifying["s"]),
        "cpu_us_a_record": {
            "read": round((reading["cpu_s"] + reading["server_cpu_s"]) / rows * 1e6, 1),
            "unify": round((unifying["cpu_s"] + unifying["server_cpu_s"]) / rows * 1e6, 1),
        },
        "bytes_per_record": round((_size() - empty) / rows),
        "read": reading,
        "unify": unifying,
    }


def _size() -> int:
    with transaction() as connection:
        return connection.exec_driver_sql("select pg_database_size(current_database())").scalar_one()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--most", type=int, default=0, help="a larger city, measured as well")
    options = parser.parse_args()
    with scratch.server() as url:
        for cases in filter(None, (options.cases, options.most)):
            with scratch.database(url, f"columns_{cases}"):
                print(json.dumps(measure(url, cases)), flush=True)


if __name__ == "__main__":
    main()
