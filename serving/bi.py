"""BI: the five ready questions of ``docs/examples/questions.sql``, and the dashboard of them in Superset's own export format (assets, version 1.0.0)."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Connection

from core.settings import ROOT

FILE = ROOT / "docs" / "examples" / "questions.sql"
_QUESTION = re.compile(r"^-- (\d) (.+?) · (.+?)\n(.+?);", re.M | re.S)
_SPACE = uuid.UUID("0be1a6c4-7f0e-4b3f-9a43-6f6e656d6170")
#: a question's chart: kind, what is drawn along, what is counted
_CHARTS = {
    "1": ("bar", "town_name", "cases"),
    "2": ("bar", "department_name", "days"),
    "3": ("bar", "stage", "projects"),
    "4": ("table", "rule", "findings"),
    "5": ("bar", "department_name", "late"),
}
_TYPES = {"int8": "BIGINT", "int4": "INTEGER", "numeric": "NUMERIC", "float8": "FLOAT", "date": "DATE", "text": "TEXT"}


@dataclass(frozen=True, slots=True)
class Question:
    """A statement over the views of ``onemap`` and what it answers, in Chinese and English."""

    name: str
    zh: str
    en: str
    sql: str


def questions() -> list[Question]:
    """All of them, by number."""
    return [Question(number, zh, en, sql) for number, zh, en, sql in _QUESTION.findall(FILE.read_text("utf-8"))]


def columns(connection: Connection, question: Question) -> dict[str, str]:
    """Name → type of what the statement gives, as the database says."""
    asked = connection.execute(sa.text(f"select * from ({question.sql}) q limit 0"))
    description = asked.cursor.description if asked.cursor is not None else ()
    types = {number: name for number, name in connection.exec_driver_sql("select oid::integer, typname from pg_type")}
    return {name: _TYPES.get(types[type_code], "TEXT") for name, type_code, *_ in description or ()}


def superset(connection: Connection, uri: str = "postgresql://BI_ROLE@HOST:5432/onemap") -> dict[str, Any]:
    """Path in the export → document: a database, a dataset and a chart a question, one dashboard. ``uri`` holds no password."""
    database = _id("database")
    files: dict[str, Any] = {
        "metadata.yaml": {"version": "1.0.0", "type": "Dashboard", "timestamp": datetime.now(UTC).isoformat()},
        "databases/onemap.yaml": {
            "database_name": "onemap",
            "sqlalchemy_uri": uri,
            "cache_timeout": None,
            "expose_in_sqllab": True,
            "allow_run_async": False,
            "allow_ctas": False,
            "allow_cvas": False,
            "allow_dml": False,
            "extra": {"metadata_params": {}, "engine_params": {}, "schemas_allowed_for_csv_upload": []},
            "uuid": database,
            "version": "1.0.0",
        },
    }
    charts = []
    for question in questions():
        types = columns(connection, question)
        files[f"datasets/onemap/{question.name}.yaml"] = _dataset(question, types, database)
        chart = _chart(question, types)
        files[f"charts/{question.name}.yaml"] = chart
        charts.append((question, chart["uuid"]))
    files["dashboards/onemap.yaml"] = _dashboard(charts)
    return files


def zipped(files: dict[str, Any]) -> bytes:
    """The ZIP that Superset imports (Settings → Import, or ``superset import-assets``)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, document in files.items():
            archive.writestr(f"onemap/{path}", yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return out.getvalue()


def _id(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name))


def _dataset(question: Question, types: dict[str, str], database: str) -> dict[str, Any]:
    _, _, metric = _CHARTS[question.name]
    when = next((name for name, kind in types.items() if kind == "DATE"), None)
    return {
        "table_name": question.zh,
        "main_dttm_col": when,
        "description": question.en,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "schema": "onemap",
        "sql": question.sql,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "uuid": _id(f"dataset {question.name}"),
        "metrics": [
            {
                "metric_name": metric,
                "verbose_name": metric,
                "metric_type": "sum",
                "expression": f'sum("{metric}")',
                "description": None,
                "d3format": None,
                "extra": {},
                "warning_text": None,
            }
        ],
        "columns": [
            {
                "column_name": name,
                "verbose_name": name,
                "is_dttm": kind == "DATE",
                "is_active": True,
                "type": kind,
                "groupby": True,
                "filterable": True,
                "expression": None,
                "description": None,
                "python_date_format": None,
                "extra": {},
            }
            for name, kind in types.items()
        ],
        "version": "1.0.0",
        "database_uuid": database,
    }


def _chart(question: Question, types: dict[str, str]) -> dict[str, Any]:
    kind, along, metric = _CHARTS[question.name]
    if kind == "table":
        params: dict[str, Any] = {
            "viz_type": "table",
            "query_mode": "raw",
            "all_columns": list(types),
            "row_limit": 1000,
        }
    else:
        params = {
            "viz_type": f"echarts_timeseries_{kind}",
            "x_axis": along,
            "metrics": [metric],
            "groupby": [],
            "row_limit": 1000,
            "truncate_metric": True,
        }
    return {
        "slice_name": question.zh,
        "description": question.en,
        "certified_by": None,
        "certification_details": None,
        "viz_type": params["viz_type"],
        "params": params,
        "query_context": None,
        "cache_timeout": None,
        "uuid": _id(f"chart {question.name}"),
        "version": "1.0.0",
        "dataset_uuid": _id(f"dataset {question.name}"),
    }


def _dashboard(charts: list[tuple[Question, str]]) -> dict[str, Any]:
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": "一张图 OneMap"}},
    }
    for number, (question, chart) in enumerate(charts, 1):
        row, cell = f"ROW-{number}", f"CHART-{number}"
        position["GRID_ID"]["children"].append(row)
        position[row] = {
            "type": "ROW",
            "id": row,
            "children": [cell],
            "parents": ["ROOT_ID", "GRID_ID"],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
        position[cell] = {
            "type": "CHART",
            "id": cell,
            "children": [],
            "parents": ["ROOT_ID", "GRID_ID", row],
            "meta": {"chartId": number, "width": 12, "height": 50, "sliceName": question.zh, "uuid": chart},
        }
    return {
        "dashboard_title": "一张图 OneMap",
        "description": "五个常问 · five ready questions",
        "css": "",
        "slug": "onemap",
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "uuid": _id("dashboard"),
        "position": position,
        "metadata": {"color_scheme": "supersetColors", "cross_filters_enabled": True},
        "version": "1.0.0",
    }
