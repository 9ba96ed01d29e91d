"""Expectations that Great Expectations lacks: check digits, order of two stamps, plausible times, boxes in a window.

Each is a map expectation, so that all of a suite are counted in one pass over the table, and each failing row can be
found by the query that the result returns. SQL of PostgreSQL. Whether a code or a key is valid is found before a batch is
staged, for a whole column at once (:mod:`quality.verdicts`); the expectation is asked of the verdict that stands beside it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider import column_condition_partial

from quality.verdicts import verdict


class _CheckDigit(ColumnMapMetricProvider):
    condition_metric_name = "column_values.check_digit"
    condition_value_keys = ("kind",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, kind: str, **_: Any) -> Any:  # noqa: N805 - as the library has it
        return sa.column(verdict(column.name, kind)) == sa.true()


class _Legible(ColumnMapMetricProvider):
    condition_metric_name = "column_values.legible"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, **_: Any) -> Any:  # noqa: N805 - as the library has it
        return sa.column(verdict(column.name, "text")) == sa.true()


class _AtMostLong(ColumnMapMetricProvider):
    condition_metric_name = "column_values.at_most_long"
    condition_value_keys = ("characters",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, characters: int, **_: Any) -> Any:  # noqa: N805 - as the library has it
        return sa.func.length(column) <= characters


class _NotAfter(ColumnMapMetricProvider):
    condition_metric_name = "column_values.not_after"
    condition_value_keys = ("other",)

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(cls, column: Any, other: str, **_: Any) -> Any:  # noqa: N805 - as the library has it
        def date_only(stamp: Any) -> Any:
            return sa.cast(sa.cast(stamp, sa.DateTime), sa.Time) == sa.literal_column("time '00:00'")

        later: sa.ColumnClause[Any] = sa.column(other)
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
        from core import clock  # the hub's clock, not the database's: a simulated world has its own

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


class ExpectColumnValuesToBeLegible(ColumnMapExpectation):
    """The text holds neither control characters nor U+FFFD, which stands where bytes could not be read."""

    map_metric: ClassVar[str] = "column_values.legible"
    args_keys: ClassVar[tuple[str, ...]] = ("column",)


class ExpectColumnValuesToBeAtMostLong(ColumnMapExpectation):
    """The text has so many ``characters`` at most.

    The library's own expectation of lengths reads the table once more, for itself.
    """

    characters: int

    map_metric: ClassVar[str] = "column_values.at_most_long"
    success_keys: ClassVar[tuple[str, ...]] = ("characters", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "characters")


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
