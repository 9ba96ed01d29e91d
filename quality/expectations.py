"""Expectations that Great Expectations lacks: check digits, order of two stamps, plausible times, boxes in a window.

Each is a map expectation, so that all of a suite are counted in one pass over the table, and each failing row can be
found by the query that the result returns. SQL of PostgreSQL; the formulas are those of :mod:`core.codes` (docs/domain.md
§1.1, §1.2, §1.8), in arithmetic that PostgreSQL evaluates without a function of ours; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider import column_condition_partial

_PROJECT_CODE = r"^\d{4}-\d{6}-\d{2}-\d{2}-\d{6}$"
_OLD_PROJECT_CODE = r"^20(1[5-9]|20)-"  # 2015–2020: a year where the new form has YYMM, and no check digit
_USCC = "^[0-9A-HJ-NPQRTUWXY]+$"  # and 18 of them: PostgreSQL is slow at long counted repetitions
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # pragma: allowlist secret
_CERTIFICATE = f"1.2.156.3005.2.{'_' * 21}.{'_' * 18}.%.___._"  # for LIKE; and nine dots between digits and capitals
_CERTIFICATE_LENGTH = (
    60  # of type, issuer, serial and version; a shorter one is padded, a longer one judged by its form
)


def _hybrid(values: Iterable[str], modulus: int) -> str:
    """ISO 7064 hybrid system: the state (SQL) after these characters' values, each used once."""
    state = str(modulus)
    for value in values:
        state = f"((({state} + {value} - 1) % {modulus} + 1) * 2 % {modulus + 1})"
    return state


def _project_code() -> str:
    digits = [f"get_byte(d.b, {place}) - 48" for place in (*range(4), *range(5, 11), 12, 13, 15, 16, *range(18, 23))]
    return (
        f"case when d.v !~ '{_PROJECT_CODE}' then false when d.v ~ '{_OLD_PROJECT_CODE}' then true "
        "when substr(d.v, 3, 2) not between '01' and '12' then false "
        f"else ({_hybrid(digits, 10)} + get_byte(d.b, 23) - 48) % 10 = 1 end"
    )


def _uscc() -> str:
    def value(place: int) -> str:
        return f"(strpos('{_USCC_ALPHABET}', substr(d.v, {place}, 1)) - 1)"

    total = " + ".join(f"{value(place)} * {3 ** (place - 1) % 31}" for place in range(1, 18))
    return (
        f"case when length(d.v) <> 18 or d.v !~ '{_USCC}' then false else (31 - ({total}) % 31) % 31 = {value(18)} end"
    )


def _certificate() -> str:
    """Padded on the left by I, whose value 18 leaves the first state, 36, as it is."""

    def value(place: int) -> str:
        byte = f"get_byte(d.b, {place})"
        return f"{byte} - 48 - {byte} / 65 * 7"  # 0–9 are bytes 48–57, A–Z 65–90

    state = _hybrid([value(place) for place in range(_CERTIFICATE_LENGTH)], 36)
    return (
        f"case when d.v not like '{_CERTIFICATE}' or d.v !~ '^[0-9A-Z.]+$' or length(replace(d.v, '.', '')) + 9 <> length(d.v) "
        f"then false when length(d.v) > {_CERTIFICATE_LENGTH + 20} then true "
        f"else ({state} + {value(_CERTIFICATE_LENGTH)}) % 36 = 1 end"
    )


_ASCII = r"^[ -\[\]-~]*$"  # without the backslash, which the cast to bytes would take for an escape
# the bytes that a code's formula reads, and the formula; ``d.v`` is the code
_CODES = {
    "project_code": ("c.v::bytea", _project_code()),
    "uscc": ("null::bytea", _uscc()),
    "certificate": (f"lpad(replace(substr(c.v, 16), '.', ''), {_CERTIFICATE_LENGTH + 1}, 'I')::bytea", _certificate()),
}


def has_check_digit(kind: str, column: str) -> str:
    """SQL, true where the column (quoted, or an expression) holds a right code of this kind. Work of one row, whatever the rest
    of the table holds: a join against the distinct codes would be quick until its hash does not fit."""
    bytes_of, formula = _CODES[kind]
    return (
        f"(select {formula} from (select c.v, {bytes_of} as b from "
        f"(select case when {column} ~ '{_ASCII}' then {column} else '' end as v offset 0) c offset 0) d)"
    )


class _CheckDigit(ColumnMapMetricProvider):
    condition_metric_name = "column_values.check_digit"
    condition_value_keys = ("kind",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, kind: str, **_: Any) -> Any:  # noqa: N805 - as the library has it
        quoted = column.name.replace('"', '""')
        return sa.literal_column(has_check_digit(kind, f'"{quoted}"'), sa.Boolean)


class _NotAfter(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_after"
    condition_value_keys = ("other",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, other: str, **_: Any) -> Any:  # noqa: N805 - as the library has it
        def date_only(stamp: Any) -> Any:
            return sa.cast(sa.cast(stamp, sa.DateTime), sa.Time) == sa.literal_column("time '00:00'")

        later = sa.column(other)
        by_date = sa.and_(
            sa.or_(date_only(column), date_only(later)), sa.cast(column, sa.Date) <= sa.cast(later, sa.Date)
        )
        return sa.or_(later.is_(None), column <= later, by_date)


class _Listed(ColumnMapMetricProvider):
    condition_metric_name = "column_values.row_holds_listed_codes"
    condition_value_keys = ("lists",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, lists: dict[str, list[str]], **_: Any) -> Any:  # noqa: N805 - as the library has it
        return sa.and_(
            *(sa.or_(sa.column(name).is_(None), sa.column(name).in_(values)) for name, values in lists.items())
        )


class _InWindow(ColumnMapMetricProvider):
    condition_metric_name = "column_values.box_in_window"
    condition_value_keys = ("window",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, window: list[float], **_: Any) -> Any:  # noqa: N805 - as the library has it
        west, south, east, north = (float(side) for side in window)
        return sa.literal_column(f"box '({west},{south}),({east},{north})'").op("@>", is_comparison=True)(
            sa.func.center(column)
        )


class _Plausible(ColumnMapMetricProvider):
    condition_metric_name = "column_values.plausible_time"
    condition_value_keys = ("first", "ahead")

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, first: str, ahead: int, _table: Any, **_: Any) -> Any:  # noqa: N805 - as the library has it
        from core import clock  # the hub's clock, not the database's: a told world has its own

        latest = f"{clock.now():%Y-%m-%d %H:%M:%S}"
        return sa.and_(
            column >= sa.literal_column(f"timestamp '{first}'"),
            column <= sa.literal_column(f"timestamp '{latest}' + interval '{int(ahead)} days'"),
        )


class ExpectColumnValuesToHaveACheckDigit(ColumnMapExpectation):
    """The code has its form and the right check digit: 项目代码 (old forms have none), 统一社会信用代码, 电子证照标识."""

    kind: Literal["project_code", "uscc", "certificate"]

    map_metric: ClassVar[str] = "column_values.check_digit"
    success_keys: ClassVar[tuple[str, ...]] = ("kind", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "kind")


class ExpectColumnTimesToNotBeAfter(ColumnMapExpectation):
    """``column`` is not after ``other``, where both are there; by date where one of the two is a date only (00:00:00).

    Not one of the library's pair expectations: these are counted each in a pass of its own.
    """

    other: str

    map_metric: ClassVar[str] = "column_values.not_after"
    success_keys: ClassVar[tuple[str, ...]] = ("other", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "other")


class ExpectColumnRowsToHoldListedCodes(ColumnMapExpectation):
    """Each column of ``lists`` is null or holds a value of its list. ``column`` is one that every row fills.

    One expectation for all lists of a table: what the library does in Python grows with their number.
    """

    lists: dict[str, list[str]]

    map_metric: ClassVar[str] = "column_values.row_holds_listed_codes"
    success_keys: ClassVar[tuple[str, ...]] = ("lists", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "lists")


class ExpectColumnBoxesToLieInWindow(ColumnMapExpectation):
    """The middle of the box lies in ``window``: west, south, east, north in degrees."""

    window: list[float]

    map_metric: ClassVar[str] = "column_values.box_in_window"
    success_keys: ClassVar[tuple[str, ...]] = ("window", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "window")


class ExpectColumnTimesToBePlausible(ColumnMapExpectation):
    """Not before ``first`` (a date), and no more than ``ahead`` days after now by the hub's clock."""

    first: str = "1980-01-01"
    ahead: int = 1

    map_metric: ClassVar[str] = "column_values.plausible_time"
    success_keys: ClassVar[tuple[str, ...]] = ("first", "ahead", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "first", "ahead")
