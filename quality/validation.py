"""All suites of a staged batch, run by Great Expectations in PostgreSQL; every failing row, with every reason.

The library counts a suite's expectations in one pass over the run's own table and says which fail; the query that it
gives for a failing one then writes all of its rows, in SQL: into ``failed`` where the expectation rejects, into
``issue`` where it only tells. Nothing of a row passes through Python. Context and data source are kept for the process
(a fork makes its own); a batch without rows does not even import the library.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import settings
from core.errors import InternalError
from quality import issues, suites
from quality.suites import Check, Suite
from store.staging import Staged

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.datasource.fluent import SQLDatasource

TOLD = 50  # records that an expectation names one by one; the rest are counted
_VALUE = 200  # characters of a value that are shown
_FORMAT = {
    "result_format": "BOOLEAN_ONLY",  # the counts come with the rows, below: no second pass for samples
    "return_unexpected_index_query": True,
    "include_unexpected_rows": False,
}


@dataclass(frozen=True, slots=True)
class Validated:
    """A suite's result. ``found``: failing rows of each check, in the suite's order; ``rows``: that were asked."""

    suite: Suite
    rows: int
    found: tuple[int, ...]
    result: ExpectationSuiteValidationResult

    @property
    def rejecting(self) -> int:
        """Failures (not rows) that send a row to quarantine."""
        return sum(count for count, check in zip(self.found, self.suite.checks, strict=True) if check.rejects)


def validate(connection: Connection, staged: Staged) -> list[Validated]:
    """Ask the feed's suite and that of each entity that has rows; reasons and issues stand in staging afterwards.

    What is staged must be committed: the library reads with a connection of its own, ``connection`` writes.

    :raises ConfigurationError: there is no suite, or it is wrong.
    :raises InternalError: an expectation could not be evaluated.
    """
    if not staged.records:
        return []
    own = suites.feed(staged.feed)
    table = staged.record if staged.raw_columns is None else staged.raw_columns
    done = [_run(connection, staged, own, table.name, staged.records)]
    for name in staged.entities:
        if rows := staged.height[name]:
            done.append(_run(connection, staged, suites.entity(name), staged.entity[name].name, rows))
    return done


def _run(connection: Connection, staged: Staged, suite: Suite, table: str, rows: int) -> Validated:
    result = _asked(staged, suite, table)
    found = [0] * len(suite.checks)
    for one in result.results:
        number = number_of(one)
        check = suite.checks[number]
        if one.exception_info and one.exception_info.get("raised_exception", _raised(one.exception_info)):
            raise InternalError(
                f"suite {suite.subject}: {check.expect} of {check.field} cannot be evaluated: {_why(one.exception_info)}",
                remedy="a defect of the suite or of the quality package: report it with the run's number",
                zh=f"质量规则 {suite.subject} 的 {check.expect}（{check.field}）无法执行，请连同批次号上报。",
                feed=staged.feed,
            )
        if not one.success:
            # whole, with its values: a per cent sign in it is no parameter of ours
            query = one.result["unexpected_index_query"].strip().rstrip(";").replace("%", "%%")
            found[number] = _written(connection, staged, suite, check, query, f"{staged.schema}.{table}")
        one.result = _counted(rows, found[number])
    return Validated(suite, rows, tuple(found), result)


def number_of(result: ExpectationValidationResult) -> int:
    """The place of the expectation in its suite's ``checks``."""
    assert result.expectation_config is not None and result.expectation_config.meta is not None  # as suites compiled it
    return int(result.expectation_config.meta["check"])


def _raised(info: dict[str, Any]) -> bool:
    """The library keeps one entry, or one a metric."""
    return any(isinstance(part, dict) and part.get("raised_exception") for part in info.values())


def _why(info: dict[str, Any]) -> str:
    parts = [info, *(part for part in info.values() if isinstance(part, dict))]
    return next((str(part["exception_message"]) for part in parts if part.get("exception_message")), "no message")[:500]


def _counted(rows: int, found: int) -> dict[str, Any]:
    """What the library's own formats would say of the counts."""
    return {"element_count": rows, "unexpected_count": found, "unexpected_percent": 100 * found / rows if rows else 0.0}


# -- rows --------------------------------------------------------------------------------------------------------------


def _written(connection: Connection, staged: Staged, suite: Suite, check: Check, query: str, table: str) -> int:
    """Write the rows that the library's ``query`` finds; returns how many there are."""
    issue = issues.load_all()[check.code]
    statement = (_FAIL if check.rejects else _TELL).format(
        query=query,
        table=table,
        key=", ".join(suite.key),
        value=_value(connection, check),
        record=staged.name("record"),
        failed=staged.name("failed"),
        issue=staged.name("issue"),
    )
    given: dict[str, Any] = {"code": check.code, "field": check.field}
    if check.rejects:
        given["message"] = f"{issue.zh} {issue.en}"
    else:
        given |= {
            "severity": check.severity,
            "duty": issue.duty,
            "told": TOLD,
            "rest": f"同批其余 more in the same batch (> {TOLD})",
        }
    rows: int = connection.exec_driver_sql(statement, given).scalar_one()
    return rows


def _value(connection: Connection, check: Check) -> str:
    """What stands in the columns that were asked, as text."""
    if check.personal:
        return "null::text"
    quote = connection.dialect.identifier_preparer.quote_identifier
    values = ", ".join(f"coalesce(t.{quote(suites.laid_out(name))}::text, '')" for name in check.columns)
    return f"nullif(left(concat_ws(' / ', {values}), {_VALUE}), '')"


_FAIL = """
with failing as materialized (select {key} from ({query}) q),
written as (
    insert into {failed} (row_id, code, field, message, value)
    select distinct row_id, %(code)s::text, %(field)s::text, %(message)s::text, {value}
    from failing join {table} t using ({key})
)
select count(*) from failing
"""

_TELL = """
with failing as materialized (select {key} from ({query}) q),
named as (
    select * from failing order by {key} limit %(told)s
),
written as (
    insert into {issue} (code, severity, duty, record, field, detail, count)
    select %(code)s::text, %(severity)s::text, %(duty)s::text, record_key, %(field)s::text, value, count(*)
    from (select s.record_key, {value} as value from named join {table} t using ({key}) join {record} s using (row_id)) n
    group by record_key, value
    union all
    select %(code)s::text, %(severity)s::text, %(duty)s::text, null, %(field)s::text, %(rest)s::text, count(*) - %(told)s
    from failing having count(*) > %(told)s
)
select count(*) from failing
"""

# -- the library -------------------------------------------------------------------------------------------------------

_lock = threading.RLock()  # the library's registries are not made for threads
_USES = 200  # suites; the library never forgets what it measured, so it begins anew now and then


@dataclass(slots=True)
class _Kept:
    """The data source of a process and database."""

    pid: int
    url: str
    source: SQLDatasource
    uses: int = 0


_kept: list[_Kept] = []


def _asked(staged: Staged, suite: Suite, table: str) -> ExpectationSuiteValidationResult:
    compiled = suite.compiled()
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # `box` is a type that SQLAlchemy does not reflect
        # its PostgresDatasource takes no URL whose server is a socket's folder
        warnings.filterwarnings("ignore", "You are using a generic SQLDatasource")
        source = _source()
        with _configured_once():
            asset = source.add_table_asset(name=table, table_name=table, schema_name=staged.schema)
            try:
                return (
                    asset.add_batch_definition_whole_table("all")
                    .get_batch()
                    .validate(compiled, result_format=_FORMAT | {"unexpected_index_column_names": list(suite.key)})
                )
            finally:
                source.delete_asset(table)


@contextmanager
def _configured_once() -> Iterator[None]:
    """Within, the library makes an expectation of its configuration, and a configuration of its expectation, once, and not
    anew for each key that it reads: some fifty times an expectation, half of what a suite costs whatever its rows.
    None of them changes meanwhile. Nor is the context written down as YAML for each table that it is told of: it lives in memory alone.
    """
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    results: dict[int, tuple[Any, Any]] = {}  # beside what it was made of, so that no other gets its id meanwhile

    def once(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def found(of: Any) -> Any:
            if id(of) not in results:
                results[id(of)] = (of, make(of))
            return results[id(of)][1]

        return found

    configuration: Any = vars(Expectation)["configuration"]
    to_domain_obj: Any = ExpectationConfiguration.to_domain_obj
    save = AbstractDataContext._save_project_config
    AbstractDataContext._save_project_config = lambda _: None  # type: ignore[method-assign,assignment]
    Expectation.configuration = property(once(configuration.fget))  # type: ignore[method-assign,assignment]
    ExpectationConfiguration.to_domain_obj = once(to_domain_obj)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        AbstractDataContext._save_project_config = save  # type: ignore[method-assign]
        Expectation.configuration = configuration  # type: ignore[method-assign]
        ExpectationConfiguration.to_domain_obj = to_domain_obj  # type: ignore[method-assign]


def _source() -> SQLDatasource:
    """The context that it lives in has neither files nor network. A child of a fork makes its own."""
    url = settings.database_url()
    retained = _kept[0] if _kept else None
    if retained is None or (retained.pid, retained.url) != (os.getpid(), url) or retained.uses >= _USES:
        _kept.clear()
        source: SQLDatasource = _context().data_sources.add_sql(  # type: ignore[call-arg] # its stub lacks kwargs
            name="staging",
            connection_string=url.replace("$", r"\$"),
            kwargs={
                "pool_size": 1,
                "pool_pre_ping": True,
                "connect_args": {
                    "application_name": "onemap quality",
                    "options": "-c timezone=Asia/Shanghai -c client_min_messages=warning -c jit=off -c work_mem=64MB",
                },
            },
        )
        retained = _Kept(os.getpid(), url, source)
        _kept.append(retained)
    retained.uses += 1
    return retained.source


def _context() -> AbstractDataContext:
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # before its import, which tells a lot
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)
