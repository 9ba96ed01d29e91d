"""The suites of ``quality/suites``, declared once and compiled once a process.

``suites/feeds/<feed>.yaml`` asks of a feed's rows as they came, ``suites/entities/<entity>.yaml`` of what they became. An
expectation is one of Great Expectations' or of :mod:`quality.expectations`, with its own arguments beside ours::

    feed: d3.log
    expectations:
      - {expect: column_values_to_be_in_set, column: SJYXBS, value_set: ["0", "1"], code: unknown_validity, severity: error}

``code``: of ``quality/issues.yaml``. ``severity``: ``error`` sends the row to quarantine, ``warning`` and ``info`` keep it
and tell. ``when``: only rows where these columns are not null (``[a, b]``) or hold this text (``{a: "2"}``) are asked. A
``value_set`` may be ``{codes: result}``, a list of ``schemas/codes``, a ``window`` one of ``suites/shared.yaml``.
``code_lists: warning`` of an entity asks every column that the entity ties to a list for a value of it.

What a feed's suite may name: ``record_key``, ``source_time``, ``rank``, and any raw column of its contract. Every feed
is asked what ``suites/shared.yaml`` has, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT
from quality import issues
from quality.verdicts import Kind, verdict
from schemas import codes, entities, raw

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

FOLDER = ROOT / "quality" / "suites"
RECORD_COLUMNS = ("record_key", "source_time", "rank")
_COLUMNS = ("column", "other")  # arguments that name one
Severity = Literal["error", "warning", "info"]
_TO_LIBRARY = {"error": "critical", "warning": "warning", "info": "info"}


class _Expectation(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    expect: str = Field(description="The expectation's name in Great Expectations, without expect_")
    code: str
    severity: Severity
    when: dict[str, str | None] = Field(default_factory=dict)

    @field_validator("when", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        return dict.fromkeys(given) if isinstance(given, list) else given


class _Shared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    every_feed: list[_Expectation]
    windows: dict[str, tuple[float, float, float, float]]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: str | None = None
    entity: str | None = None
    code_lists: Severity | None = None
    expectations: list[_Expectation] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation of a suite, and what becomes of a row that fails it."""

    expect: str
    arguments: dict[str, Any]
    code: str
    severity: Severity
    when: dict[str, str | None]
    columns: tuple[str, ...]  # those that it reads, whose values are shown
    personal: bool  # one of them is personal data: values are not shown

    @property
    def rejects(self) -> bool:
        """Whether a failing row goes to quarantine."""
        return self.severity == "error"

    @property
    def field(self) -> str:
        """The columns as the quarantine and the issues name them."""
        return "/".join(self.columns)


@dataclass(frozen=True)
class Suite:
    """``subject``: the feed or the entity. ``raw``: the raw columns that a feed's suite reads."""

    subject: str
    of: Literal["feed", "entity"]
    checks: tuple[Check, ...]
    raw: tuple[str, ...] = ()
    _compiled: list[ExpectationSuite] = field(default_factory=list, repr=False, compare=False)

    @property
    def key(self) -> tuple[str, ...]:
        """What names a row of the table that is asked."""
        return ("row_id",) if self.of == "feed" else ("row_id", "ord")

    def compiled(self) -> ExpectationSuite:
        """As Great Expectations runs it; ``meta["check"]`` of an expectation is its place in :attr:`checks`.

        :raises ConfigurationError: the library does not know an expectation, or not its arguments.
        """
        if not self._compiled:
            self._compiled.append(_compile(self))
        return self._compiled[0]


def feed(feed_id: str) -> Suite:
    """Its own, or what every feed is asked. :raises ConfigurationError: it is wrong."""
    return _read(FOLDER / "feeds" / f"{feed_id}.yaml")


def entity(name: str) -> Suite:
    """:raises ConfigurationError: there is no suite of the entity, or it is wrong."""
    return _read(FOLDER / "entities" / f"{name}.yaml")


def laid_out(name: str) -> str:
    """A column's name in the table that is asked. In lower case: the library takes PROJECT_CODE and project_code for one,
    and SQLAlchemy's cache of statements then gives the one for the other."""
    return name.lower()


def flags(suite: Suite) -> dict[str, tuple[str, Kind]]:
    """Column of a verdict → (the column as the suite names it, kind), of each that is asked."""
    asked = [
        (check.arguments["column"], check.arguments.get("kind", "text"))
        for check in suite.checks
        if check.expect in ("column_values_to_have_a_check_digit", "column_values_to_be_legible")
    ]
    return {verdict(laid_out(column), kind): (column, kind) for column, kind in asked}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the suites of a feed read beside the rows of its entities. ``raw``: raw column → as it is laid out.
    ``verdicts``: table (``asked`` or an entity) → :func:`flags` of it."""

    raw: dict[str, str]
    verdicts: dict[str, dict[str, tuple[str, Kind]]]


def inputs(feed_id: str, of_entities: Iterable[str]) -> Inputs:
    """:raises ConfigurationError: a suite is missing or wrong."""
    own = feed(feed_id)
    return Inputs(
        {name: laid_out(name) for name in own.raw},
        {"asked": flags(own)} | {name: flags(entity(name)) for name in of_entities},
    )


def load_all() -> list[Suite]:
    """Every suite, feeds first."""
    return [_read(path) for kind in ("feeds", "entities") for path in sorted((FOLDER / kind).glob("*.yaml"))]


@cache
def _shared() -> _Shared:
    return declared.load(FOLDER / "shared.yaml", _Shared)


@cache
def _read(path: Path) -> Suite:
    if (
        path.parent.name == "feeds" and not path.exists()
    ):  # a feed needs no suite: what every feed is asked is asked of it
        document = declared.Document(path, {"feed": path.stem, "expectations": []}, b"", {})
    else:
        document = declared.read(path)
    result = declared.build(document, _Declared)
    subject = result.feed or result.entity
    if subject != path.stem or (result.feed is None) == (result.entity is None):
        raise document.error((), f"must say feed or entity, and {path.stem}, as the file's name has it")
    personal: set[str] = set()
    known: set[str] | None
    if result.entity:
        columns = entities.load(result.entity).columns
        known = {"ord", *columns, *(f"{name}_box" for name, column in columns.items() if column.type == "geometry")}
        personal = {name for name, column in columns.items() if column.personal}
    else:
        contract = raw.find(subject)
        # a feed without a contract of its own has the columns that its source sends
        known = {*RECORD_COLUMNS, *contract.columns} if contract else None
    faults: list[tuple[tuple[str | int, ...], str]] = []
    checks = []
    shared = _shared()
    for number, one in enumerate([*(shared.every_feed if result.feed else ()), *result.expectations]):
        place = ("expectations", number - (len(shared.every_feed) if result.feed else 0))
        arguments = dict(one.model_extra or {})
        names = tuple(arguments[name] for name in _COLUMNS if name in arguments)
        faults += [
            (place, f"{subject} has no column {name}") for name in (*names, *one.when) if known and name not in known
        ]
        if one.code not in issues.load_all():
            faults.append((place, f"quality/issues.yaml has no code {one.code}"))
        if isinstance(arguments.get("value_set"), dict):
            arguments["value_set"] = _listed(arguments["value_set"].get("codes"))
            if not arguments["value_set"]:
                faults.append((place, "value_set: no such list in schemas/codes"))
        if isinstance(arguments.get("window"), str):
            if arguments["window"] not in shared.windows:
                faults.append((place, "window: no such one in suites/shared.yaml"))
            arguments["window"] = list(shared.windows.get(arguments["window"], ()))
        checks.append(Check(one.expect, arguments, one.code, one.severity, one.when, names, bool(personal & {*names})))
    if faults:
        raise document.errors(faults)
    if result.code_lists and result.entity:
        checks += _code_lists(result.entity, result.code_lists)
    wanted = {name for check in checks for name in (*check.columns, *check.when)}
    return Suite(
        subject,
        "feed" if result.feed else "entity",
        tuple(checks),
        tuple(sorted(wanted - {*RECORD_COLUMNS})) if result.feed else (),
    )


def _listed(name: str | None) -> list[str]:
    return list(codes.load(name).codes) if name in codes.names() else []


def _code_lists(name: str, severity: Severity) -> Iterator[Check]:
    columns = entities.load(name).columns
    lists = {column: _listed(declared_as.codes) for column, declared_as in columns.items() if declared_as.codes}
    if lists:
        personal = any(columns[column].personal for column in lists)
        yield Check(
            "column_rows_to_hold_listed_codes",
            {"column": "ord", "lists": lists},
            "not_in_code_list",
            severity,
            {},
            tuple(lists),
            personal,
        )


def _compile(suite: Suite) -> ExpectationSuite:
    import great_expectations as gx
    from great_expectations.expectations import row_conditions as gx_conditions
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    from quality import expectations as _ours  # noqa: F401 - registers them

    listed = issues.load_all()
    compiled = []
    for number, check in enumerate(suite.checks):
        arguments: dict[str, Any] = {
            name: laid_out(value) if name in _COLUMNS else value for name, value in check.arguments.items()
        }
        if check.when:
            asked: list[Any] = [
                column.is_not_null() if value is None else column == value
                for column, value in (
                    (gx_conditions.Column(laid_out(name)), value) for name, value in check.when.items()
                )
            ]
            arguments["row_condition"] = asked[0] if len(asked) == 1 else gx_conditions.AndCondition(conditions=asked)
        issue = listed[check.code]
        try:
            compiled.append(
                get_expectation_impl(f"expect_{check.expect}")(
                    **arguments,
                    severity=FailureSeverity(_TO_LIBRARY[check.severity]),
                    description=f"{check.field}：{issue.zh} | {issue.en}",
                    meta={"check": number, "code": check.code},
                )
            )
        except Exception as error:  # the library raises what its models raise
            raise ConfigurationError(
                f"suite {suite.subject}, expectation {number + 1} ({check.expect} of {check.field}): {error}",
                remedy=f"correct quality/suites/{'feeds' if suite.of == 'feed' else 'entities'}/{suite.subject}.yaml",
                zh=f"质量规则 {suite.subject} 第 {number + 1} 条（{check.expect}）有误：{error}",
                feed=suite.subject if suite.of == "feed" else None,
            ) from error
    return gx.ExpectationSuite(name=suite.subject, expectations=compiled)
