"""Where a run lives and what it talks to. Read from the environment at call time, never at import.

============================  ====================================================================
``ONEMAP_HOME``               the run folder: database, archive, Airflow home, logs (``var`` beside the code)
``ONEMAP_DATABASE_URL``       the hub's PostgreSQL (SQLAlchemy URL, psycopg 3); without it the embedded one
``ONEMAP_ARCHIVE_URL``        where received bytes are kept: any fsspec URL (``$ONEMAP_HOME/archive``)
``ONEMAP_CLOCK_FILE``         the clock of a simulated world, see :mod:`core.clock`
``ONEMAP_PUBLIC_URL``         the address that people and programs type; links are made from it, never from what a request
                              says of itself (without it ``AIRFLOW__API__BASE_URL``)
============================  ====================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The run folder; everything that a run leaves behind is in it."""
    return Path(os.environ.get("ONEMAP_HOME") or ROOT / "var").resolve()


def database_url() -> str:
    """SQLAlchemy URL of the hub's database. :raises ConfigurationError: none is set and none is running."""
    url = os.environ.get("ONEMAP_DATABASE_URL")
    if url:
        return url
    written = home() / "database.url"  # written by ./onemap up when it starts the embedded server
    if written.exists():
        return written.read_text().strip()
    raise ConfigurationError(
        "no database: ONEMAP_DATABASE_URL is not set and no embedded server is running",
        remedy="run ./onemap up, or set ONEMAP_DATABASE_URL",
        zh="没有数据库：未设置 ONEMAP_DATABASE_URL，也没有运行内嵌数据库。请运行 ./onemap up 或设置该变量。",
    )


def archive_url() -> str:
    """fsspec URL of the archive of received bytes."""
    return os.environ.get("ONEMAP_ARCHIVE_URL") or str(home() / "archive")


def public_url() -> str | None:
    """Scheme, name and port under which the hub is reached, without a trailing slash; None: nobody has said."""
    url = os.environ.get("ONEMAP_PUBLIC_URL") or os.environ.get("AIRFLOW__API__BASE_URL")
    return url.rstrip("/") if url else None
