"""Foreign systems in a folder of declarations of one's own: a table of permits, a listing with nested records."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mappings import compiler
from quality import suites
from sources import loader
from tests.connectors.web import Asked, Reply, web

STATES = ["issued", "expired", "revoked"]


@contextmanager
def own_declarations(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sources and mappings of a copy that a test may write into."""
    for name, module, attribute in (("sources", loader, "FOLDER"), ("mappings", compiler, "FOLDER")):
        shutil.copytree(getattr(module, attribute), folder / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        patch.setattr(module, attribute, folder / name)
    patch.setattr(loader, "MAPPINGS", folder / "mappings")
    shutil.copytree(suites.FOLDER, folder / "suites")
    patch.setattr(suites, "FOLDER", folder / "suites")
    forget()
    yield folder
    forget()


def forget() -> None:
    """What was read of the declarations."""
    loader.load.cache_clear()
    compiler.load.cache_clear()
    suites._read.cache_clear()


def permits(path: Path, rows: int = 120) -> str:
    """A table of building permits as a foreign town keeps it; returns its SQLAlchemy URL."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "create table permit_register (permit_no text primary key, permit_type text, permittee text, issued_on text,"
            " expires_on text, status text, work_description text, lon text, lat text, fee text, last_modified text)"
        )
        connection.executemany(
            f"insert into permit_register values ({', '.join('?' * 11)})",
            [
                (
                    f"BP-2026-{n:05d}",
                    "Building" if n % 3 else "Demolition",
                    f"Harbour Works {n % 17} Ltd",
                    f"2026-{n % 9 + 1:02d}-{n % 27 + 1:02d}",
                    f"2028-{n % 9 + 1:02d}-{n % 27 + 1:02d}" if n % 5 else None,
                    STATES[n % 3],
                    f"Erect a shed, lot {n}",
                    f"113.7{n:03d}",
                    f"23.0{n:03d}",
                    f"{n * 10}.50",
                    f"2026-10-{n % 27 + 1:02d} 08:{n % 60:02d}:00",
                )
                for n in range(1, rows + 1)
            ],
        )
    connection.close()
    return f"sqlite:///{path}"


def releases(asked: Asked) -> Reply:
    """A listing of notices with nested records, 40 a page, by offset."""
    start = int(asked.query.get("offset", 0))
    listed = [
        {
            "reference": f"APP/{n:04d}",
            "lodged_date": f"2026-0{n % 9 + 1}-10T09:00:00+08:00",
            "applicant": {"name": f"Builder {n % 7}", "id": f"{n % 7}"},
            "decision": ["granted", "refused"][n % 2],
            "documents": [{"document_id": f"D{n}", "document_name": "plan.pdf"}],
        }
        for n in range(100)
    ]
    return Reply(
        {"results": listed[start : start + 40], "count": len(listed)}, headers={"Content-Type": "application/json"}
    )


@contextmanager
def listing() -> Iterator[str]:
    """The listing behind a real server; yields its base URL."""
    with web(releases) as served:
        yield served.url


def connect(patch: pytest.MonkeyPatch, name: str, **fields: object) -> None:
    """An Airflow Connection in the environment."""
    patch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "generic", **fields}))
