"""Check digits against published codes (docs/domain.md §1) and python-stdnum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc

from core import codes

PUBLISHED = (
    "2304-441900-04-01-135254",
    "2304-441900-04-01-386559",
    "2304-441900-04-01-254812",
    "2304-441900-04-01-838783",
    "2211-441900-04-02-310151",
    "2106-440100-04-01-237448",
    "2509-320193-89-01-544060",
    "2505-330354-04-01-274607",
    "2312-441900-04-01-123450",
)


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_project_codes_pass(code):
    assert codes.is_valid_project_code(code)
    assert not codes.is_old_project_code(code)


@pytest.mark.parametrize(
    "code",
    [
        "2312-441900-04-01-123456",
        "2605-440100-04-01-000001",
        "2313-441900-04-01-135254",
        "2304441900040113525",
        "",
        None,
        "２304-441900-04-01-135254",
        "2304-441900-04-01-135254\n",
    ],
)
def test_wrong_project_codes_fail(code):
    assert not codes.is_valid_project_code(code)


def test_old_codes_are_known_by_a_year_that_is_no_month():
    assert codes.is_old_project_code("2019-441900-78-03-056565")
    assert not codes.is_valid_project_code("2019-441900-78-03-056565")
    assert not codes.is_old_project_code("2101-441900-04-01-056565")


@pytest.mark.parametrize(("month", "valid"), [("00", False), ("01", True), ("12", True), ("13", False)])
def test_a_month_is_one_of_twelve(month, valid):
    head = f"23{month}-441900-04-01-13525"
    assert codes.is_valid_project_code(head + codes.project_code_check(head)) is valid


def test_an_old_code_whose_last_digit_happens_to_fit_is_still_old():
    head = "2020-441900-78-03-05656"
    assert not codes.is_valid_project_code(head + codes.project_code_check(head))
    new = "2304-201590-04-01-13525"  # only the first part is a year
    assert codes.is_valid_project_code(new + codes.project_code_check(new))


@pytest.mark.parametrize(
    "code", ["2304-441900-04-01-1352", "2304-441900-04-01-1352A", "２304-441900-04-01-13525", "A", ""]
)
def test_a_check_digit_is_made_of_19_digits_alone(code):
    with pytest.raises(ValueError, match="not 19 digits"):
        codes.project_code_check(code)


@given(st.integers(0, 18), st.integers(1, 9), st.sampled_from(PUBLISHED))
def test_every_single_wrong_digit_is_found(place, by, code):
    digits = list(code.replace("-", ""))
    digits[place] = str((int(digits[place]) + by) % 10)
    assert codes.project_code_check("".join(digits)) != digits[-1]


@pytest.mark.parametrize(
    "code", ["91441900MA0000015D", "91441900MA00000238", "11441900000001230P", "12441500196720244T"]
)
def test_credit_codes(code):
    assert codes.is_valid_uscc(code)
    assert not codes.is_valid_uscc(code[:-1] + ("0" if code[-1] != "0" else "1"))


def test_credit_codes_of_a_wrong_alphabet_or_length_fail_quietly():
    assert not codes.is_valid_uscc("91441900MAI000015D")
    assert not codes.is_valid_uscc("91441900MA0000015")
    assert not codes.is_valid_uscc(None)
    with pytest.raises(ValueError, match="not 17 characters"):
        codes.uscc_check("9144")


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9))
def test_our_credit_codes_are_stdnums(tail):
    head = "91441900" + tail
    assert stdnum_uscc.is_valid(head + codes.uscc_check(head)) and codes.is_valid_uscc(head + codes.uscc_check(head))


def test_organisation_code_inside():
    assert codes.organisation_code("91441900MA0000015D") == "MA0000015"
    assert codes.organisation_check("MA000001") == "5"
    assert codes.organisation_check("MA000002") == "3"
    assert codes.organisation_check("MA0000015") == "5"  # its own check is let be
    with pytest.raises(ValueError, match="not 8 characters"):
        codes.organisation_check("MA00000")


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=8, max_size=8))
def test_an_organisation_code_is_checked_by_gb_11714(body):
    value = codes.organisation_check(body)
    worth = {"X": 10}.get(value) if value == "X" else int(value)
    total = sum(w * int(c, 36) for w, c in zip((3, 7, 9, 10, 5, 8, 4, 2), body, strict=True))
    assert (total + worth) % 11 == 0


@pytest.mark.parametrize("code", ["", "1.2.156.3005.2.A.B.C", "1.2.156.3005.2.A.B.C.d.E"])
def test_a_certificate_is_checked_over_four_parts(code):
    with pytest.raises(ValueError, match=r"not type\.issuer\.serial\.version"):
        codes.certificate_check(code)


@pytest.mark.parametrize(
    "code",
    [
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
        "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
    ],
)
def test_published_certificate_ids_pass(code):
    assert codes.is_valid_certificate_id(code)
    assert codes.certificate_check(code) == code[-1]
    assert not codes.is_valid_certificate_id(code[:-1] + ("A" if code[-1] != "A" else "B"))
    assert not codes.is_valid_certificate_id(code.replace("3005.2", "3005.3"))
