"""Airflow reads this module in each of its processes.

Those that fork the tasks (the scheduler with its LocalExecutor, a Celery worker) import what the tasks need once, so
that a task begins to work at once instead of importing for seconds; the pages are shared until written to.
"""

from __future__ import annotations

import importlib
import logging
import sys

_MODULES = (
    "pipeline.sync",
    "pipeline.unify",
    "supervision.ledger",
    "serving.alerts",
    "quality.expectations",
    "pyarrow.pandas_compat",
    "fsspec.implementations.chained",
    "airflow.sdk.bases.hook",
    "airflow.dag_processing.dagbag",  # with which each task makes its DAG
    "dags.supervision",
    "dags.serving_dags",
)


def _forks_tasks(arguments: list[str]) -> bool:
    return "scheduler" in arguments or ("celery" in arguments and "worker" in arguments)


def _preload() -> None:
    from connectors import PROTOCOLS

    for name in (*_MODULES, *(place.partition(":")[0] for place in PROTOCOLS.values())):
        try:
            importlib.import_module(name)
        except ImportError as error:  # the task that needs it will say so with its place; the scheduler goes on
            logging.getLogger(__name__).warning("not preloaded: %s: %s", name, error)
    from quality import docs

    docs.prepare()


if _forks_tasks(sys.argv):
    _preload()
