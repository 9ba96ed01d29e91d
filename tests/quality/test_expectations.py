"""Verdicts of a column are those that core.codes finds one by one."""

from __future__ import annotations

import random

import polars as pl
import pytest

from core import codes
from quality import verdicts

SEED = random.Random(20261124)


def project_codes() -> list[str]:
    good = ["2304-441900-04-01-135254", "2312-441900-04-01-123450", "2509-320193-89-01-544060"]
    made = [
        f"{y:02d}{m:02d}-441900-04-0{k}-{SEED.randrange(10**6):06d}"
        for y in range(20, 27)
        for m in (0, 1, 12, 13)
        for k in (1, 2)
    ]
    odd = [
        "2019-441900-78-03-056565",
        "2312-441900-04-01-12345",
        "",
        "x",
        "2312-441900-04-01-123450 ",
        "２３１２-441900-04-01-123450",
        "2312\\441900",
    ]
    return good + made + odd


def usccs() -> list[str]:
    good = ["91441900MA0000015D", "91441900MA00000238", "11441900000001230P"]
    made = ["".join(SEED.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(18)) for _ in range(40)]
    return (
        good
        + made
        + [m[:17] + codes.uscc_check(m) for m in made]
        + ["91441900MA0000015I", "91441900MA000001", "东莞", "\\x41"]
    )


def certificates() -> list[str]:
    root = codes.CERTIFICATE_ROOT
    made = []
    for length in (1, 9, 12, 14, 18):
        body = f"{root}.11100000000013338W009.11441900000001230P.{''.join(SEED.choice('0123456789ABCXYZ') for _ in range(length))}.001"
        made += [
            f"{body}.{codes.certificate_check(body)}",
            f"{body}.{'A' if codes.certificate_check(body) != 'A' else 'B'}",
        ]
    return [
        *made,
        f"{root}.11100000000013338W009.11430000006122244L.20230000403.001.U",
        f"{root}.1.2.3.4",
        "证书",
        f"{root}.11100000000013338W009",
    ]


@pytest.mark.parametrize(
    ("kind", "values", "holds"),
    [
        ("project_code", project_codes(), lambda c: codes.is_valid_project_code(c) or codes.is_old_project_code(c)),
        ("uscc", usccs(), codes.is_valid_uscc),
        ("certificate", certificates(), codes.is_valid_certificate_id),
    ],
)
def test_check_digits_of_a_column_are_those_of_core_codes(kind, values, holds) -> None:
    found = verdicts.valid(kind, pl.Series([None, *values], dtype=pl.String)).to_list()
    assert found == [None, *(bool(holds(value)) for value in values)]
    assert 0 < sum(found[1:]) < len(values)


def test_a_text_with_control_characters_or_damage_is_not_valid():
    texts = ["京A|1", "a\x01", "\x7f", "\ufffd1", "", "名 1", None]
    assert verdicts.valid("text", pl.Series(texts)).to_list() == [True, False, False, False, True, True, None]
