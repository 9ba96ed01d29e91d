"""One city at scale: ``python -m bench.supervision_scale [--cases 1000000] [--events 20] [--changed 2000]``.

Cases with their events are put straight into the store's tables: a catalogue of 60 items of which 25 are expected, one case of
each in its order, three years, pauses, two systems, a few percent late. Then the city is judged whole, judged again on the next
day, and judged after a day's changes; time and peak memory are printed.
"""

from __future__ import annotations

import argparse
import resource
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta

import psutil
import sqlalchemy as sa

from bench import scratch
from store.engine import engine, transaction

TODAY = date(2026, 11, 24)
CASES_A_PROJECT = 25

_ITEMS = """
    insert into store.item (id, item_code, version, item_name, kind, stage, department, department_code, departments, case_channel, statutory_limit,
        statutory_unit, promised_limit, promised_unit, project_type, prerequisites, soft_prerequisites, process_types, multiple, valid_from, provenance, content_hash)
    select 'DG-' || n || '|1', 'DG-' || n, 1, '事项' || n, case when n % 4 = 0 then '政府内部事项' else '政务服务事项' end, 1 + n * 8 / 60,
        '东莞市住房和城乡建设局', '11441900000100060T', '东莞市住房和城乡建设局', 'M2', 20, '工作日', 4 + n % 12, '工作日', '2',
        case when n > 0 then jsonb_build_array('DG-' || n - 1) else '[]' end, '[]', case when n < :each then '["3"]'::jsonb else '["9"]' end, n % 3 = 0, '2020-01-01', '{}', sha256(n::text::bytea)
    from generate_series(0, 59) n"""
_PROJECTS = """
    insert into store.project (id, project_code, project_name, process_type, filing_type, applicant_uscc, validity, submitted_at, filing_state, town_code,
        fast_track, conditions, planned_items, provenance, content_hash)
    select code, code, '项目' || n, '3', '备案', 'U' || n, '有效', timestamp '2024-01-02 09:00' + n * 7 % 500 * interval '1 day', '办结（通过）', '441900129',
        false, '[]', '[]', '{}', sha256(n::text::bytea)
    from generate_series(0, :projects - 1) n cross join lateral (select '2019-441900-04-01-' || lpad(n::text, 6, '0') as code) p"""
_CASES = """
    insert into store."case" (id, channel, channels, case_no, project_code, project_code_written, project_link, item_code, item_code_written, item_name,
        applicant_type, applicant_id, project_name, provenance, content_hash)
    select 'M2:' || n, 'M2', array['M2', 'D3'], 'M' || n, code, code, 'written', 'DG-' || n % :each, 'DG-' || n % :each, '事项',
        '2', 'U' || n / :each, '项目' || n / :each, jsonb_build_object('case_no', 'm2.sb|' || n), sha256(n::text::bytea)
    from generate_series(cast(:low as bigint), cast(:high as bigint) - 1) n
    cross join lateral (select '2019-441900-04-01-' || lpad((n / :each)::text, 6, '0') as code) p"""
# begun: working hours of a day; the steps of a case are hours and days apart, some cases pause, some are still open
_EVENTS = """
    insert into store.case_event (id, channel, case_no, event, at, series, series_key, version, inserted_at, case_id, limit_days, limit_unit, origin, provenance, content_hash)
    select n || '|' || k, case when k % 3 = 2 then 'D3' else 'M2' end, 'M' || n, e.event, e.at, case when k % 3 = 2 then 'LOG' else e.series end,
        case when k % 3 = 2 then null else n || '|' || k end, case when k % 3 = 2 then null else 1 end, e.at + interval '5 minutes', 'M2:' || n, e.limit_days, e.unit, null,
        jsonb_build_object('*', 'm2.spcl|' || n || '|' || k), sha256((n || '|' || k)::bytea)
    from (select n, timestamp '2024-01-08 09:00' + (n / :each * 7 % 500 + n % :each * 20) * interval '1 day' + n % 7 * interval '1 hour' as begun
          from generate_series(cast(:low as bigint), cast(:high as bigint) - 1) n) c
    cross join generate_series(0, :events - 1) k
    cross join lateral (select
        case when k = 0 then 'SUBMITTED' when k = 1 then 'ACCEPTED' when k = 3 and n % 10 = 0 then 'SPECIAL_START' when k = 6 and n % 10 = 0 then 'SPECIAL_END'
             when k = 4 and n % 12 = 0 then 'SUPPLEMENT_START' when k = :events - 1 then 'DONE_OK' else 'HANDLING' end as event,
        begun + case when k = 0 then interval '0' when k = 1 then interval '1 day' else interval '1 day' + k * case when n % 40 = 0 then 30 else 5 end * interval '1 hour' end as at,
        case when k = 0 then 'SB' when k = 1 then 'SL' when k = 3 and n % 10 = 0 then 'TBCXSQ' when k = 6 and n % 10 = 0 then 'TBCXJG'
             when k = 4 and n % 12 = 0 then 'BZGZ' when k = :events - 1 then 'BJ' else 'SPCL' end as series,
        case when k = 3 and n % 10 = 0 then 10 end as limit_days, case when k = 3 and n % 10 = 0 then '工作日' end as unit) e"""
_CHANGES = """
    insert into store.change (entity, entity_id, op) select 'case_event', id, 'MOD' from store.case_event
    where case_id in (select 'M2:' || g * :step from generate_series(1, :count) g) and event = 'HANDLING' limit :count"""


class Peak:
    """The most memory that this process held, in bytes, while the block ran."""

    def __enter__(self) -> Peak:
        self.most, self._going = 0, True
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going = False
        self._watch.join()

    def _look(self) -> None:
        me = psutil.Process()
        while self._going:
            self.most = max(self.most, me.memory_info().rss)
            time.sleep(0.2)


def fill(cases: int, events: int) -> None:
    """The store's tables, some cases at a time."""
    projects = -(-cases // CASES_A_PROJECT)
    step = 50_000
    with transaction() as connection:
        connection.execute(sa.text(_ITEMS), {"each": CASES_A_PROJECT})
        connection.execute(sa.text(_PROJECTS), {"projects": projects})
        for index in ("case_event_case_no_ix", "case_case_no_ix"):
            connection.exec_driver_sql(f"drop index if exists store.{index}")
    for low in range(0, cases, step):
        high = min(low + step, cases)
        with transaction() as connection:
            connection.execute(sa.text(_CASES), {"low": low, "high": high, "each": CASES_A_PROJECT})
            connection.execute(sa.text(_EVENTS), {"low": low, "high": high, "events": events, "each": CASES_A_PROJECT})
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze store.case_event")
        connection.exec_driver_sql('vacuum analyze store."case"')
        connection.exec_driver_sql("analyze store.project")


def database_time() -> float:
    """Processor seconds of this database's backends."""
    with engine().connect() as connection:
        pids = connection.exec_driver_sql(
            "select pid from pg_stat_activity where datname = current_database()"
        ).scalars()
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def measured(what: str, run: Callable[[], object]) -> None:
    """Wall time, and processor time of this process and of the database: on a machine that others share, the latter count."""
    began, own, database = time.perf_counter(), time.process_time(), database_time()
    with Peak() as peak:
        outcome = run()
    wall, own, database = time.perf_counter() - began, time.process_time() - own, database_time() - database
    print(
        f"{what:<28}{wall:>9.1f} s  (processor: own {own:.1f} s, database {database:.1f} s)  peak {peak.most / 2**20:,.0f} MiB  {outcome}",
        flush=True,
    )


def main() -> None:
    from supervision.ledger import supervise

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--changed", type=int, default=2000, help="cases that a day changes")
    options = parser.parse_args()
    with scratch.server() as url, scratch.database(url, "scale"):
        began = time.perf_counter()
        fill(options.cases, options.events)
        print(
            f"{options.cases:,} cases, {options.cases * options.events:,} events, filled in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        measured("whole, first", lambda: supervise(TODAY))
        measured("whole, the next day", lambda: supervise(TODAY + timedelta(days=1)))
        with transaction() as connection:
            step = max(options.cases // options.changed, 1)
            connection.execute(sa.text(_CHANGES), {"step": step, "count": options.changed})
        measured(f"{options.changed:,} cases changed", lambda: supervise(TODAY + timedelta(days=1)))
        measured("nothing changed", lambda: supervise(TODAY + timedelta(days=1)))
        print(f"peak of all {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
