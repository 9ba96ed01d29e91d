"""The city's register of departments and town offices: ``schemas/catalogue/departments.csv``."""

from __future__ import annotations

import csv
from functools import cache

import polars as pl

from core.settings import ROOT

REGISTER = ROOT / "schemas" / "catalogue" / "departments.csv"


@cache
def register() -> pl.DataFrame:
    """name, code (统一社会信用代码, 18 characters), kind (市级, 镇街), town_code (镇街 only, 9 digits)."""
    # read without Polars' threads: declarations are read where Airflow forks its tasks, and a pool that runs before a
    # fork stands still in the child for ever
    with REGISTER.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    columns = list(zip(*rows[1:], strict=True))
    return pl.DataFrame({name: [v or None for v in values] for name, values in zip(rows[0], columns, strict=True)})


@cache
def by_organisation() -> dict[str, str]:
    """The 9 characters of an organisation code (GB 11714: places 9 to 17 of the 18) → the department's code."""
    return {code[8:17]: code for code in register()["code"]}
