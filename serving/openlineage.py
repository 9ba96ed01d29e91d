"""Runs of the pipeline as OpenLineage events (specification 2-0-2), for whatever catalogue keeps the city's lineage.

A run of a feed is a run of job ``sync.<feed>``: START and then COMPLETE, FAIL or ABORT, from the feed at its source to the tables
of its entities, column by column as the mapping has it, with the rows that came in and what became of them. That unify
makes ``store`` of ``source`` is reported as a job without runs, since it takes what is there and no window.

Events go to the Airflow Connection ``openlineage`` (host: address of the service, password: its API key), in the order of the
runs; without that Connection nobody is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.endpoint import Endpoint, resolve
from connectors.transports.http import Http, bearer
from core import clock
from core.errors import ConfigurationError, OneMapError, TransientError
from core.redaction import redact
from mappings import compiler
from sources.options.base import HttpSettings
from store import tables
from store.engine import transaction

CONNECTION = "openlineage"
PRODUCER = "urn:onemap:hub"
_SPEC = "https://openlineage.io/spec"
_ENDS = {"ok": "COMPLETE", "waiting": "ABORT", "held": "ABORT", "failed": "FAIL"}
BATCH = 500
SETTINGS = HttpSettings(attempts=2, total=30, connect=5, read=20, answer=60)


def events(run: Any) -> list[dict[str, Any]]:
    """START and, once it has ended, the end of a row of ``landing.run``."""
    result = [_event("START", run.started_at, run, {})]
    if run.ended_at is not None:
        facets: dict[str, Any] = {}
        if run.error:
            facets["errorMessage"] = _facet(
                "1-0-1", "ErrorMessageRunFacet", message=redact(run.error), programmingLanguage="python"
            )
        result.append(_event(_ENDS[run.outcome], run.ended_at, run, facets))
    return result


def design(at: datetime) -> dict[str, Any]:
    """The job that makes golden rows of what the sources said."""
    return {
        "eventTime": at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": _job("unify"),
        "inputs": [_dataset(f"source.{name}") for name in tables.golden],
        "outputs": [_dataset(f"store.{name}") for name in tables.golden],
    }


def _event(kind: str, at: datetime, run: Any, facets: dict[str, Any]) -> dict[str, Any]:
    if run.window_start is not None:
        nominal = {"nominalStartTime": _zoned(run.window_start)}
        if run.window_end is not None:
            nominal["nominalEndTime"] = _zoned(run.window_end)
        facets = {"nominalTime": _facet("1-0-1", "NominalTimeRunFacet", **nominal), **facets}
    raw = {"namespace": f"onemap://{run.source}", "name": run.feed}
    came = (
        {}
        if kind == "START"
        else {
            "inputFacets": {
                "dataQualityMetrics": _facet(
                    "1-0-3",
                    "DataQualityMetricsInputDatasetFacet",
                    rowCount=run.rows_in,
                    bytes=run.bytes,
                    columnMetrics={},
                )
            }
        }
    )
    outputs = [
        {
            **_dataset(f"source.{entity}"),
            "facets": {"columnLineage": _facet("1-2-0", "ColumnLineageDatasetFacet", fields=_fields(raw, columns))},
        }
        for entity, columns in _columns(run.feed).items()
    ]
    records = _dataset("source.record")
    if kind != "START":
        records["outputFacets"] = {
            "outputStatistics": _facet(
                "1-0-2",
                "OutputStatisticsOutputDatasetFacet",
                rowCount=run.new + run.changed + run.history + run.tombstoned,
            )
        }
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"onemap:{run.id}:{run.started_at.timestamp()}")),
            "facets": facets,
        },
        "job": _job(f"sync.{run.feed}"),
        "inputs": [{**raw, **came}],
        "outputs": [records, *outputs],
    }


def _job(name: str) -> dict[str, Any]:
    kind = _facet("2-0-4", "JobTypeJobFacet", processingType="BATCH", integration="ONEMAP", jobType="JOB")
    return {"namespace": "onemap", "name": name, "facets": {"jobType": kind}}


def _dataset(table: str) -> dict[str, Any]:
    return {"namespace": "onemap", "name": table}


def _facet(version: str, name: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}", **values}


def _zoned(local: datetime) -> str:
    return local.replace(tzinfo=clock.SHANGHAI).isoformat()


@cache
def _columns(feed: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """entity → column → the raw columns that its mapping reads, by the mapping as it is now."""
    found: dict[str, dict[str, set[str]]] = {}
    for block in compiler.load(feed).declaration.entities:
        for name, value in block.columns.items():
            found.setdefault(block.entity, {}).setdefault(name, set()).update(value.columns)
    return {
        entity: {name: tuple(sorted(raw)) for name, raw in columns.items() if raw} for entity, columns in found.items()
    }


def _fields(raw: dict[str, str], columns: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    return {name: {"inputFields": [{**raw, "field": field} for field in taken]} for name, taken in columns.items()}


# -- telling ---------------------------------------------------------------------------------------------------------------


def deliver(look_up: Callable[[str], Endpoint] = resolve) -> int:
    """Send the events of runs that have ended since, in order of the runs; returns how many runs. 0 without the Connection.

    Up to the first run that has not ended: so a number says how far the receiver is. What it did not take, it gets again.

    :raises TransientError: the receiver did not take an event; what it took before stays taken.
    """
    try:
        endpoint = look_up(CONNECTION)
    except ConfigurationError:
        return 0
    with transaction() as connection:
        runs = ended(connection, _sent_until(connection))
    if not runs:
        return 0
    http = Http(endpoint, CONNECTION, SETTINGS, sign=bearer(endpoint))
    try:
        for run in runs:
            for event in events(run):
                _send(http, event)
            with transaction() as connection:
                connection.execute(
                    sa.text(
                        "insert into serving.derived_until values (:what, :seq) on conflict (what) do update set seq = greatest(derived_until.seq, excluded.seq)"
                    ),
                    {"what": CONNECTION, "seq": run.id},
                )
        _send(http, design(clock.now()))
    finally:
        http.close()
    return len(runs)


def ended(connection: Connection, after: int) -> list[Any]:
    """Runs behind a number, up to the first that has not ended; at most :data:`BATCH`."""
    return list(
        connection.execute(
            sa.text(
                """select * from landing.run where id > :after and id < coalesce((select min(id) from landing.run where ended_at is null and id > :after), id + 1)
                   order by id limit :batch"""
            ),
            {"after": after, "batch": BATCH},
        )
    )


def _sent_until(connection: Connection) -> int:
    return connection.execute(
        sa.text("select coalesce(max(seq), 0) from serving.derived_until where what = :what"), {"what": CONNECTION}
    ).scalar_one()


def _send(http: Http, event: dict[str, Any]) -> None:
    try:
        http.post("/api/v1/lineage", json=event)
    except OneMapError as error:
        raise TransientError(
            f"the OpenLineage receiver did not take an event: {redact(error.message)}",
            remedy="look at the receiver, and at the Connection openlineage",
            zh=f"OpenLineage 接收方未收下事件，稍后重发：{redact(error.zh)}",
        ) from error
