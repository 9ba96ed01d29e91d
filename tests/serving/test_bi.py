"""BI: the questions' dashboard in Superset's export format, and the notebook over a snapshot, as people use them."""

from __future__ import annotations

import io
import json
import uuid
import zipfile

import jsonschema
import yaml

from core.settings import ROOT
from serving import bi, snapshot
from serving.access import Grant
from store.engine import transaction
from tests.serving.conftest import rows

#: what Superset's import asks for and knows (superset/*/schemas.py, ImportV1…Schema): kind → required, allowed
KNOWN = {
    "databases": ({"database_name", "sqlalchemy_uri", "uuid", "version"}, {"password", "cache_timeout", "expose_in_sqllab", "allow_run_async", "allow_ctas", "allow_cvas", "allow_dml", "allow_csv_upload", "extra"}),
    "datasets": ({"table_name", "uuid", "version", "database_uuid"}, {"main_dttm_col", "description", "default_endpoint", "offset", "cache_timeout", "schema", "sql", "params", "template_params", "filter_select_enabled", "fetch_values_predicate", "extra", "columns", "metrics"}),
    "charts": ({"slice_name", "viz_type", "uuid", "version", "dataset_uuid"}, {"description", "certified_by", "certification_details", "params", "query_context", "cache_timeout"}),
    "dashboards": ({"dashboard_title", "uuid", "version"}, {"description", "css", "slug", "position", "metadata", "certified_by", "certification_details", "published"}),
}  # fmt: skip
#: nbformat 4.5, what it demands
NOTEBOOK = {
    "type": "object",
    "required": ["metadata", "nbformat", "nbformat_minor", "cells"],
    "properties": {
        "nbformat": {"const": 4},
        "nbformat_minor": {"minimum": 5},
        "cells": {
            "type": "array",
            "items": {
                "required": ["id", "cell_type", "metadata", "source"],
                "properties": {"id": {"pattern": "^[a-zA-Z0-9-_]{1,64}$"}, "cell_type": {"enum": ["markdown", "code"]}},
                "if": {"properties": {"cell_type": {"const": "code"}}},
                "then": {"required": ["outputs", "execution_count"], "properties": {"outputs": {"maxItems": 0}}},
            },
        },
    },
}


def test_the_dashboard_is_one_that_superset_imports(store):
    with transaction() as c:
        made = bi.superset(c)
    with zipfile.ZipFile(io.BytesIO(bi.zipped(made))) as archive:
        files = {name.removeprefix("onemap/"): yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    assert files["metadata.yaml"]["version"] == "1.0.0" and files["metadata.yaml"]["type"] == "Dashboard"
    kinds = {path: path.partition("/")[0] for path in files if path != "metadata.yaml"}
    for path, kind in kinds.items():
        required, allowed = KNOWN[kind]
        assert required <= set(files[path]) <= required | allowed, path
        uuid.UUID(files[path]["uuid"])
    assert len([k for k in kinds.values() if k == "charts"]) == len(bi.questions()) == 5
    ids = {kind: {files[p]["uuid"] for p, k in kinds.items() if k == kind} for kind in KNOWN}
    assert all(files[p]["database_uuid"] in ids["databases"] for p, k in kinds.items() if k == "datasets")
    assert all(files[p]["dataset_uuid"] in ids["datasets"] for p, k in kinds.items() if k == "charts")
    shown = {
        cell["meta"]["uuid"]
        for cell in files["dashboards/onemap.yaml"]["position"].values()
        if isinstance(cell, dict) and cell["type"] == "CHART"
    }
    assert shown == ids["charts"]
    assert "password" not in json.dumps(files, default=str)


def test_each_datasets_columns_and_metric_are_those_of_its_question(store):
    with transaction() as c:
        made = bi.superset(c)
        for question in bi.questions():
            dataset, chart = made[f"datasets/onemap/{question.name}.yaml"], made[f"charts/{question.name}.yaml"]
            told = rows(dataset["sql"])
            names = {column["column_name"] for column in dataset["columns"]}
            assert not told or set(told[0]) == names
            for metric in dataset["metrics"]:
                rows(f"select {metric['expression']} from ({dataset['sql']}) q")
            used = chart["params"].get("all_columns") or [chart["params"]["x_axis"]]
            assert set(used) <= names and set(chart["params"].get("metrics", [])) <= {
                m["metric_name"] for m in dataset["metrics"]
            }


def test_the_notebook_answers_its_five_questions_from_a_snapshot(store, tmp_path, monkeypatch):
    folder = snapshot.make(Grant("test"), str(tmp_path))["folder"]
    notebook = json.loads((ROOT / "docs" / "examples" / "questions.ipynb").read_text("utf-8"))
    jsonschema.validate(notebook, NOTEBOOK)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for place in (folder, str(tmp_path)):  # the folder of one, or of all
        monkeypatch.setenv("SNAPSHOT", place)
        names: dict = {}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
        late = rows(
            """select p.town_name, count(*) as n from onemap."case" c join onemap.project p on p.id = c.project_code where c.light in ('红', '双红') group by 1"""
        )
        assert dict(names["late"]) == {r["town_name"]: r["n"] for r in late}
        assert sum(n for _, n in names["stages"]) == rows("select count(*) as n from onemap.project")[0]["n"]
        assert dict(names["findings"]) == {
            r["rule"]: r["n"]
            for r in rows(
                "select rule, count(*) as n from onemap.finding where state in ('open', 'confirmed') group by 1"
            )
        }
        assert names["days"] and isinstance(names["without"], list)
