"""Codes with check digits: project code, unified social credit code, organisation code, certificate id.

Sources: ``docs/domain.md`` §1.1 (GB/T 40058-2021), §1.2 (GB 32100-2015, GB 11714), §1.8 (GB/T 36904-2018). One code at
a time; columns are checked where they are mapped. No function raises on text of a wrong shape when it *judges* a code;
those that *make* a check digit raise ValueError on what they cannot compute.
"""

from __future__ import annotations

import re

from stdnum.cn import uscc as _uscc
from stdnum.iso7064 import mod_11_10, mod_37_36

PROJECT_CODE = re.compile(r"(\d{4})-(\d{6})-(\d{2})-(\d{2})-(\d{6})", re.ASCII)  # for fullmatch
_USCC = re.compile(r"[0-9A-HJ-NP-RTUWXY]{18}")
_OLD_YEAR = re.compile(r"20(1[5-9]|20)")
CERTIFICATE_ROOT = "1.2.156.3005.2"
_CERTIFICATE = re.compile(r"1\.2\.156\.3005\.2\.([0-9A-Z]{21})\.([0-9A-Z]+)\.([0-9A-Z]+)\.([0-9A-Z]{3})\.([0-9A-Z])")
_ORGANISATION = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def project_code_check(code: str) -> str:
    """The check digit of a 项目代码 (ISO 7064 MOD 11,10) over its first 19 digits; hyphens and a 20th digit are let be.

    :raises ValueError: fewer than 19 digits.
    """
    digits = code.replace("-", "")[:19]
    if len(digits) != 19 or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"not 19 digits: {code!r}")
    return mod_11_10.calc_check_digit(digits)


def is_old_project_code(code: str | None) -> bool:
    """Whether the code has the form of 2015–2020, which has a year where the new one has YYMM, and no check digit."""
    match = PROJECT_CODE.fullmatch(code or "")
    return bool(match and _OLD_YEAR.fullmatch(match[1]))


def is_valid_project_code(code: str | None) -> bool:
    """Whether the code has the form since 2020 with a month 01–12 and the right check digit. Old forms: False."""
    match = PROJECT_CODE.fullmatch(code or "")
    if not match or not 1 <= int(match[1][2:]) <= 12:  # an old year's last digits, 15 to 20, are no month
        return False
    return project_code_check(match[0]) == match[5][5]


def uscc_check(code: str) -> str:
    """The 18th character of a 统一社会信用代码 over its first 17.

    :raises ValueError: fewer than 17 characters, or one outside its alphabet (no I, O, S, V, Z).
    """
    body = code[:17]
    if len(body) != 17:
        raise ValueError(f"not 17 characters: {code!r}")
    return _uscc.calc_check_digit(body)


def is_valid_uscc(code: str | None) -> bool:
    """Whether the text is a 统一社会信用代码 with the right check character (the inner one of GB 11714 is not judged)."""
    if not _USCC.fullmatch(code or ""):  # the library takes small letters and blanks for the code that they would be
        return False
    return uscc_check(code or "") == (code or "")[17]


def organisation_check(body: str) -> str:
    """The check character of a 9-character 组织机构代码 (GB 11714) over its first 8.

    :raises ValueError: fewer than 8 characters, or one outside 0–9, A–Z.
    """
    if len(body) < 8:
        raise ValueError(f"not 8 characters: {body!r}")
    total = sum(w * _ORGANISATION.index(c) for w, c in zip(_ORGANISATION_WEIGHTS, body[:8], strict=True))
    return "0123456789X0"[11 - total % 11]


def organisation_code(uscc: str) -> str:
    """The 组织机构代码 (9 characters) inside a 统一社会信用代码."""
    return uscc[8:17]


def certificate_check(code: str) -> str:
    """The check character of an 电子证照标识 (ISO 7064 MOD 37,36) over type, issuer, serial and version.

    :param code: ``1.2.156.3005.2.{type}.{issuer}.{serial}.{version}``, with or without its check, or without the root.
    :raises ValueError: not these four parts of digits and capital letters.
    """
    parts = code.removeprefix(CERTIFICATE_ROOT + ".").split(".")[:4]
    text = "".join(parts)
    if len(parts) != 4 or not re.fullmatch(r"[0-9A-Z]+", text):
        raise ValueError(f"not type.issuer.serial.version: {code!r}")
    return mod_37_36.calc_check_digit(text)


def is_valid_certificate_id(code: str | None) -> bool:
    """Whether the text is an 电子证照标识 with the right check character."""
    match = _CERTIFICATE.fullmatch(code or "")
    return bool(match and certificate_check(match[0]) == match[5])
