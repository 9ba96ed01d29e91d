"""What a DAG needs of ``sources/*.yaml``, read as cheaply as parsing asks: one file a source, no validation.

A task run loads one declaration (Airflow names the DAG that it wants), the DAG processor all of them. The full model,
with errors by file and line, is :mod:`sources.declaration`; the tasks use that.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from croniter import croniter

from core import interval

try:
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeLoader as Loader

FOLDER = Path(__file__).resolve().parent.parent / "sources"
SINKS = FOLDER.parent / "sinks"
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DOUBT = re.compile(r"(?:^|\s)# \?", re.M)


@dataclass(frozen=True, slots=True)
class Declared:
    """A source as its DAGs show it. ``broken``: why the file cannot be used; then only ``source`` is to be relied on."""

    source: str
    name: str = ""
    system: str = ""
    department: str = ""
    contact: str = ""
    connection: str = ""
    protocol: str = ""
    schedule: str | None = None
    promise: str = ""
    reconcile: str | None = None
    parallel: int = 2
    feeds: dict[str, str] = field(default_factory=dict)  # id -> Chinese name
    broken: str = ""


def read(source: str, folder: Path = FOLDER) -> Declared:
    """One declaration; a broken one comes back with its reason, so that the others' DAGs stand."""
    path = folder / f"{source}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        if _DOUBT.search(text):
            raise ValueError("草稿中有“# ?”待人工确认 guesses of a draft are not decided: onemap source check")
        return _declared(source, yaml.load(text, Loader=Loader))
    except Exception as error:  # whatever is wrong with one file, the others' DAGs stand
        return Declared(source=source, broken=f"{path.name}: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A sink as its DAG shows it. ``broken``: why the file cannot be used."""

    sink: str
    name: str = ""
    department: str = ""
    purpose: str = ""
    connection: str = ""
    protocol: str = ""
    schedule: str | None = None
    by_change: bool = False
    promise: str = ""
    outputs: dict[str, str] = field(default_factory=dict)  # id -> Chinese name
    broken: str = ""


def receiver(sink: str, folder: Path = SINKS) -> Receiver:
    """One sink's declaration; a broken one comes back with its reason."""
    path = folder / f"{sink}.yaml"
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
        return Receiver(
            sink=sink,
            name=str(data["name"]),
            department=str(data["owner"]["department"]),
            purpose=str(data["purpose"]),
            connection=str(data["connection"]),
            protocol=str(data["protocol"]),
            schedule=_cron(data["schedule"]),
            by_change=data.get("trigger") == "change",
            promise=str(data.get("promise") or "P1D"),
            outputs={f"{sink}.{name}": str(output["name"]) for name, output in data["outputs"].items()},
        )
    except Exception as error:  # whatever is wrong with one file, the others' DAGs stand
        return Receiver(sink=sink, broken=f"{path.name}: {type(error).__name__}: {error}")


def pools() -> set[str]:
    """Names of the pools that were made, as ``cli/stack/metadata.py`` wrote them down; none where nothing is written."""
    try:
        home = os.environ.get("ONEMAP_HOME") or FOLDER.parent / "var"
        return set(json.loads((Path(home) / "pools.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()


def names(folder: Path = FOLDER) -> list[str]:
    """Ids of all declared sources: the files' names, those alone that can be part of a DAG's id."""
    return sorted(path.stem for path in folder.glob("*.yaml") if _ID.fullmatch(path.stem))


def _declared(source: str, data: dict[str, Any]) -> Declared:
    owner = data["owner"]
    # YAML's own default is that of sources/declaration.py; null there means never
    reconcile = data.get("reconcile", "30 3 * * 6")
    return Declared(
        source=source,
        name=str(data["name"]),
        system=str(data["system"]),
        department=str(owner["department"]),
        contact=str(owner.get("contact") or ""),
        connection=str(data["connection"]),
        protocol=str(data["protocol"]),
        schedule=_schedule(data["schedule"]),
        promise=str(data["promise"]),
        reconcile=None if reconcile is None else _cron(reconcile),
        parallel=max(1, int(data.get("parallel", 2))),
        feeds={f"{source}.{name}": str(feed["name"]) for name, feed in data["feeds"].items()},
    )


def _schedule(given: object) -> str:
    """:raises ValueError: it is neither an interval nor a cron of five fields."""
    return str(given) if interval.parse(str(given)) is not None else _cron(given)


def _cron(given: object) -> str:
    """:raises ValueError: it is no cron of five fields."""
    text = str(given)
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(f"{text!r} is no cron of five fields")
    return text
