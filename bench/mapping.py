"""The mapping of a batch against its floor, in one run: ``python -m bench.mapping [--rows 200000] [--rounds 5] [--batch 50000]``.

The same batches are read as the feeds' raw text. The floor casts nothing and cleans nothing: it encodes each row as a
JSON object by Polars, which any raw record costs. Printed: rows a second, and the ratio of the medians; the aim is ≤ 6
(more where AIMS says so), for cleaning every column, reading times and codes, and filling the entities.
Ends with 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import polars as pl
import pyarrow as pa

from mappings import compiler
from schemas import raw

AIMS = {
    "d1.cases": 25.0,
    "s4.reading": 15.0,
}  # two steps a case are rows of their own; five columns are a small floor
AIM = 6.0
STEPS = json.dumps(
    [
        {"SPHJMC": "审查", "SPSJ": "2026-03-02 09:30:00"},
        {"SPHJMC": "征求意见", "SPSJ": "2026-03-03 09:30:00"},
    ],
    ensure_ascii=False,
)
FILLED = {
    "m2.sb": {
        "SBLSH_SHORT": "4419{n:010}",
        "VERSION": "1",
        "INSERTTIME": "2026-03-02 10:{m}:00",
        "SBSJ": "2026-03-02 09:{m}:00",
        "SXBM": "DG-503",
        "SXMC": "环境影响评价审批",
        "SQRLX": "2",
        "SQRMC": "东莞市第{n}精密科技有限公司",
        "SQRZJHM": "91441900MA0000015D",
        "SBXMMC": "智能终端研发生产基地项目{n}",
        "XZQHDM": "441900",
        "PROJECT_CODE": "2304-441900-04-01-135254",
        "WSSBQD": "0",
        "REC_FLAG": "1",
        "SBLSH": "11441900MB2C0000{n:010}",
    },
    "d3.log": {
        "LSH": "L{n}",
        "DFSJZJ": "T{n}",
        "GCDM": "2304-441900-04-01-135254-2001",
        "SPSXSLBM": "4419{n:010}",
        "BLZT": "3",
        "BLSJ": "2026-03-02 09:{m}:00",
        "SJYXBS": "1",
        "SJSCZT": "3",
        "GXSJ": "2026-03-02 10:{m}:00",
    },
    "d1.cases": {
        "YWLSH": "Y{n}",
        "SLSJ": "2026/03/02 09:{m}:00",
        "BJSJ": "2026-03-05",
        "BJJGDM": "0",
        "GXSJ": "2026-03-05 10:{m}:00",
        "SPHJ": STEPS,
    },
    "s4.reading": {
        "project_code": "2304-441900-04-01-135254",
        "device": "d{m}",
        "kind": "dust",
        "t": "17724096{n:05}",
        "v": "35.5",
    },
}


def table(feed: str, rows: int, dirty: bool) -> pa.Table:
    """Raw text columns, every column of the contract; ``dirty``: padded with blanks, times with ``.0``."""
    given = FILLED[feed]
    columns = {}
    for name in raw.contract(feed).columns:
        form = given.get(name)
        values: list[str | None]
        if form is None:
            values = [None] * rows
        elif "{" in form and name != "SPHJ":
            values = [form.format(n=n, m=f"{n % 60:02}") for n in range(rows)]
        else:
            values = [form] * rows
        if dirty and form:
            values = [f"{value}.0" if str(value).endswith(":00") else f"{value}    " for value in values]
        columns[name] = pa.array(values, pa.large_string())
    return pa.table({**columns, "_place": pa.array([f"row {n}" for n in range(rows)], pa.large_string())})


def median(rounds: int, run: Callable[[], None]) -> float:
    """Seconds; the first round is not counted."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def measure(feed: str, rows: int, batch: int, rounds: int, dirty: bool) -> tuple[float, float]:
    """(seconds of the mapping, seconds of the floor)."""
    mapping = compiler.load(feed)
    batches = [table(feed, batch, dirty)] * (rows // batch)

    def hub() -> None:
        for part in batches:
            mapped = mapping.apply(part)
            if mapped.records.height != batch:
                raise SystemExit(f"{feed}: {mapped.rejects.height} rejects")

    def floor() -> None:
        for part in batches:
            pl.DataFrame(part).select(pl.struct(pl.all()).struct.json_encode())

    return median(rounds, hub), median(rounds, floor)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--batch", type=int, default=50_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    missed = False
    for feed in FILLED:
        aim = AIMS.get(feed, AIM)
        for dirty in (False, True):
            took, least = measure(feed, given.rows, given.batch, given.rounds, dirty)
            missed |= took / least > aim
            print(
                f"{feed:12} {'padded' if dirty else 'clean':7} {len(raw.contract(feed).columns):3} columns"
                f"  {took:6.2f} s  {given.rows / took / 1000:6.0f} thousand rows/s  floor {least:5.2f} s  ratio {took / least:4.1f} (aim {aim:g})"
            )
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
