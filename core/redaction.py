"""The one choke point where secrets leave what is logged, stored or shown.

:func:`hide` registers a secret's value; :func:`redact` replaces it in text and in nested data. Logging goes
through :class:`RedactingFilter`, receipts and errors through :func:`redact`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
# What tells who somebody is or how to reach them: 身份证号 (GB 11643: area, date of birth, order, check; also in groups) and its
# older form of 15 digits, 手机 in the usual groups, 固定电话 with its area code, 银行卡, 电子邮箱, 港澳证件, and whatever stands
# behind the word for such a document. A project code, a case number or a unified social credit code is none of these.
# serving.mask_text (migration 0038) looks for the same; tests/serving/test_masking.py holds the two together.
_DATE = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_ALONE = (
    r"(?:(?<![0-9A-Za-z])(?<![0-9A-Za-z]-)|(?<=[Tt][Ee][Ll])|(?<=[Ii][Dd])|(?<=[Nn][Oo])|(?<=[Pp][Hh][Oo][Nn][Ee]))"
)
_ENDS = r"(?![0-9A-Za-z])(?!-[0-9A-Za-z])"
_LANDLINE = r"0(?:10|2\d|[3-9]\d\d)(?:[)）-]| )?\d{7,8}(?:-\d{1,5})?"
_PERSONAL = re.compile(
    "|".join(
        (
            # one look at what stands before a digit, for all that begin with one
            rf"(?=[0-9+]){_ALONE}(?:"
            rf"[1-9]\d{{5}}[- ]?(?:18|19|20)\d{{2}}[- ]?{_DATE}[- ]?\d{{3}}[\dXx]"
            rf"|[1-9]\d{{7}}{_DATE}\d{{3}}"
            r"|(?:(?:\+|00)?86[- ]?)?1[3-9]\d[- .]?(?:\d{4}[- .]?\d{4}|\d{3}[- .]?\d{5})"
            rf"|{_LANDLINE}"
            rf"|62\d\d(?:[ -]?\d{{4}}){{2}}[ -]?\d{{1,4}}[ -]?\d{{0,3}}){_ENDS}",
            rf"[(（]({_LANDLINE}){_ENDS}",
            r"[A-Z](?<![A-Za-z].)[A-Z]?\d{6}[(（][0-9A][)）]",
            r"(?:护照|证件|份证|行证|乡证|胞证)(?:号码|编号|证号|号)?[:：为是 ]{0,3}([A-Za-z0-9]{6,20})(?![A-Za-z0-9])",
        )
    )
)
# from where a name begins: tried at each letter of a long word, the word would be read once a letter
_MAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_FULL_WIDTH = str.maketrans("０１２３４５６７８９Ｘｘ－＋＠．", "0123456789Xx-+@.")
# what a database says of the values that it refused
_VALUES = re.compile(r"(?m)^(DETAIL|CONTEXT|LINE \d+|\[parameters): .*(?:\n {2,}.*)*")
_HIDDEN_NAMES = ("password", "secret", "token", "signature", "authorization", "private_key", "passwd")
_values: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """Register values that must never be shown; those under 4 characters would blot out ordinary text."""
    _values.update(value for value in values if len(value) >= 4)


def depersonalise(text: str) -> str:
    """Text without ID and phone numbers and the like; their first three and last two signs stay, to find the record by."""
    for pattern in (_PERSONAL, _MAIL):
        pieces, done = [], 0
        for found in pattern.finditer(text.translate(_FULL_WIDTH)):
            start, end = found.span(found.lastindex or 0)
            pieces += [text[done : start + 3], "*" * (end - start - 5)]
            done = end - 2
        text = "".join([*pieces, text[done:]])
    return text


def depersonalised(data: Any) -> Any:
    """The same data with every text, and every name, as of :func:`depersonalise`."""
    if isinstance(data, str):
        return depersonalise(data)
    if isinstance(data, dict):
        return {depersonalise(str(name)): depersonalised(value) for name, value in data.items()}
    return [depersonalised(value) for value in data] if isinstance(data, list) else data


def without_values(text: str) -> str:
    """An error's text for a log: where it happened, without the values that a database or a row held."""
    return depersonalise(_VALUES.sub(r"\1: (values left out)", text))


def redact(data: Any) -> Any:
    """The same data without secrets: registered values anywhere, and whatever stands under a secret's name."""
    if isinstance(data, str):
        for value in _values:
            data = data.replace(value, MASK)
        return data
    if isinstance(data, dict):
        return {
            key: MASK if isinstance(key, str) and any(n in key.lower() for n in _HIDDEN_NAMES) else redact(value)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [redact(value) for value in data]
    return data


class RedactingFilter(logging.Filter):
    """Attach to handlers: the formatted message leaves without registered secrets and without numbers of persons."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = without_values(redact(message))
        if clean != message:
            record.msg, record.args = clean, ()
        return True
