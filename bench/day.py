"""A whole day's changes of a large city: ``python -m bench.day [--cases 100000 1000000] [--changed 5000]``.

A city of so many cases is put straight into the sources' tables (:mod:`bench.unify_scale`) with a catalogue that has limits, unified,
and judged whole, as it is on each new day. Then a day passes: so many cases say something else, each with its acceptance, its
conclusion and a step, each of another project as far as there are projects. Printed is what each part of the way costs from there, in
seconds, the CPU of this process and of the database: what depends on the stored city instead of the change is seen beside a smaller one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import date

import sqlalchemy as sa

from bench import scratch, unify_scale
from bench.supervision_scale import database_time
from store.engine import engine, transaction

TODAY = date(2026, 11, 24)
#: Feeds of the city that is put in place; materials and readings hang on nothing that is measured here.
_CITY = ("m2.sb", "m2.sl", "m2.bj", "d1.cases", "d3.item_v3", "d3.log_v3", "p1.licence")
_ITEM = {
    "item_code": "'DG-' || n",
    "version": "1",
    "item_name": "'事项' || n",
    "kind": "'政务服务事项'",
    "stage": "1 + n * 8 / 60",
    "department_code": "'11441900000100060T'",
    "case_channel": "'M2'",
    "promised_limit": "4 + n % 12",
    "promised_unit": "'工作日'",
    "statutory_limit": "20",
    "statutory_unit": "'工作日'",
    "aliases": "jsonb_build_array('SG-' || n)",
    "valid_from": "'2020-01-01'::date",
}
#: What a day changes: feed, entity, what its rows say anew.
_DAY = (
    ("m2.sl", "case", "department_name = '某局' || :day"),
    ("m2.bj", "case", "result = case when :day % 2 = 0 then 'DONE_OK' else 'DONE_REJECTED' end"),
    ("d3.log_v3", "case_event", "at = at + interval '1 minute'"),
)


def fill(cases: int) -> int:
    """The city; returns the number of its records."""
    projects = -(-cases // unify_scale.CASES)
    unify_scale._put("m1.items", "item", "generate_series(0, 59) n, generate_series(0, 0) k", _ITEM)
    unify_scale._put(
        "p1.project_filing",
        "project",
        f"generate_series(0, {projects - 1}) n, generate_series(0, 0) k",
        unify_scale._PROJECT,
    )
    for feed, entity, share, columns in unify_scale._FEEDS:
        if feed in _CITY:
            each, rest = divmod(share, 1000)
            many = f"""generate_series(0, {projects * unify_scale.CASES - 1}) n
                       cross join lateral generate_series(1, {each} + (n * 7 % 1000 < {rest})::int) k"""
            unify_scale._put(feed, entity, many, columns)
    return vacuumed()


def vacuumed() -> int:
    """Statistics as autovacuum leaves them; the number of records."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
        return connection.exec_driver_sql("select count(*) from source.record").scalar_one()


def change(cases: int, changed: int, day: int) -> int:
    """So many cases, one in so many of the city, say something else; returns the number of records."""
    step = max(cases // changed, 1)
    keys = [f"{n}|1" for n in range(day, cases, step)]
    records = 0
    with transaction() as connection:
        for feed, entity, what in _DAY:
            records += connection.execute(
                sa.text(
                    f"""with chosen as (select id from source.record where feed = :feed and record_key = any(:keys)),
                             e as (update source."{entity}" set {what} from chosen where record_id = id)
                        insert into store.dirty (record_id, feed, run_id) select id, :feed, 1 from chosen"""
                ),
                {"feed": feed, "keys": keys, "day": day},
            ).rowcount
    return records


def measured(what: str, run: Callable[[], object]) -> float:
    """Runs, and prints a line; returns the CPU seconds of process and database."""
    began, own, database = time.perf_counter(), time.process_time(), database_time()
    outcome = str(run())
    wall, own, database = time.perf_counter() - began, time.process_time() - own, database_time() - database
    print(f"  {what:<24}{wall:>8.2f} s   CPU: own {own:.2f}, database {database:.2f}   {outcome[:110]}", flush=True)
    return own + database


def measure(cases: int, changed: int) -> dict[str, float]:
    """CPU seconds of each part after a day's changes, in the database that the environment names."""
    from pipeline import unify
    from serving import balance, derive, webhooks
    from supervision import care, ledger
    from supervision.orders import life

    began = time.perf_counter()
    print(f"{cases:,} cases, {fill(cases):,} records, put in place in {time.perf_counter() - began:.0f} s", flush=True)
    measured("first unify", lambda: unify.run().taken)
    vacuumed()
    measured("first judging, whole", lambda: ledger.supervise(TODAY))
    measured("orders", lambda: life.advance().steps)
    measured("derived first", derive.refresh)
    vacuumed()
    found: dict[str, float] = {}
    for day in (1, 2):
        records = change(cases, changed, day)
        print(f"  day {day}: {records:,} records of {changed:,} cases changed", flush=True)
        parts: dict[str, Callable[[], object]] = {
            "unify": lambda: unify.run().changes,
            "judge": lambda: ledger.supervise(TODAY),
            "orders": lambda: life.advance().steps,
            "remind": lambda: len(care.remind(TODAY)),
            "derive": derive.refresh,
            "balance": balance.record,
            "webhooks": webhooks.deliver,
        }
        found = {name: measured(name, part) for name, part in parts.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--changed", type=int, default=5_000, help="cases that a day changes")
    given = parser.parse_args()
    with scratch.server() as url:
        found = []
        for cases in given.cases:
            with scratch.database(url, f"day_{cases}"):
                found.append(measure(cases, given.changed))
    if len(found) > 1:
        ratios = {name: round(found[-1][name] / max(found[0][name], 0.01), 1) for name in found[0]}
        print(f"CPU of the largest over the smallest: {ratios}")


if __name__ == "__main__":
    main()
