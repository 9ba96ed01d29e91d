"""The city's register of departments and town offices: ``schemas/catalogue/departments.csv``."""

from __future__ import annotations

from functools import cache

import polars as pl

from core.settings import ROOT

REGISTER = ROOT / "schemas" / "catalogue" / "departments.csv"


@cache
def register() -> pl.DataFrame:
    """name, code (统一社会信用代码, 18 characters), kind (市级, 镇街), town_code (镇街 only, 9 digits)."""
    return pl.read_csv(REGISTER, schema_overrides={"town_code": pl.String})


@cache
def by_organisation() -> dict[str, str]:
    """The 9 characters of an organisation code (GB 11714: places 9 to 17 of the 18) → the department's code."""
    return {code[8:17]: code for code in register()["code"]}
