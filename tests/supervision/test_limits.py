"""A case against its limits: one wording in columns and of one case, one meaning of late."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from supervision import limits

CLOCKS = [
    # promised 5 working days, 11 used; statutory 30 natural, 15 used
    (5, "工作日", 11, date(2026, 11, 19), 30, "自然日", 15, date(2026, 12, 9)),
    (5, "工作日", 5, date(2026, 11, 19), 4, "工作日", 5, None),
    (None, None, None, None, 10, None, 0, date(2026, 12, 1)),
    (7, "工作日", None, None, None, "工作日", 3, None),
]
NAMES = ["promised_limit", "promised_unit", "used_promised", "due_promised"]
NAMES += ["statutory_limit", "statutory_unit", "used_statutory", "due_statutory"]
FRAME = pl.DataFrame(CLOCKS, schema=NAMES, orient="row")


def of(clock: tuple) -> tuple[limits.Limit, ...]:
    return limits.of(dict(zip(NAMES, clock, strict=True)))


def test_one_case_says_its_verdict():
    assert limits.verdict(of(CLOCKS[0])) == (
        "超承诺时限 6 个工作日（时限 5，已用 11，到期 2026-11-19）；法定时限剩余 15 个自然日（时限 30，已用 15，到期 2026-12-09）"
    )
    assert limits.verdict(of(CLOCKS[1])) == (
        "承诺时限剩余 0 个工作日（时限 5，已用 5，到期 2026-11-19）；超法定时限 1 个工作日（时限 4，已用 5）"
    )
    assert limits.verdict(of(CLOCKS[2])) == "法定时限剩余 10 个日（时限 10，已用 0，到期 2026-12-01）"
    assert limits.verdict(of(CLOCKS[3])) == ""


def test_a_column_of_clocks_says_the_same():
    assert FRAME.select(limits.verdicts()).to_series().to_list() == [limits.verdict(of(clock)) for clock in CLOCKS]


def test_short_words_and_days_past():
    promised, statutory = of(CLOCKS[0])
    assert (promised.short, promised.over) == ("超承诺 6 个工作日", 6)
    assert (statutory.short, statutory.over) == ("法定剩 15 个自然日", 0)
    assert limits.over((promised, statutory)) == 6 and limits.over((statutory,)) == 0 and limits.over(()) == 0


def test_late_is_more_than_a_limit_and_no_limit_is_never_late():
    assert FRAME.select(limits.passed("promised")).to_series().to_list() == [True, False, False, False]
    assert FRAME.select(limits.passed("statutory")).to_series().to_list() == [False, True, False, False]
    assert FRAME.select(limits.overdue()).to_series().to_list() == [True, True, False, False]


@pytest.mark.parametrize("due", [date(2026, 11, 19), "2026-11-19", "2026-11-19T00:00:00"])
def test_a_due_day_may_come_as_text(due):
    clock = dict(zip(NAMES, CLOCKS[0], strict=True)) | {"due_promised": due}
    assert limits.of(clock)[0].due == date(2026, 11, 19)


def test_the_conditions_of_sql_name_the_view_that_is_asked():
    assert limits.overdue_sql("c") == "(c.used_promised > c.promised_limit or c.used_statutory > c.statutory_limit)"
    assert limits.running_overdue_sql("c") == "c.light in ('双红', '红')"
    assert set(limits.COUNTS) == {"running_overdue", "overdue"}
