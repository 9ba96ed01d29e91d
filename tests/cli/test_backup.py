"""A backup restores: into an empty folder, with the same store, the same secrets, the same payloads, Airflow's database too."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.backup import app
from cli.stack import backup, postgres, processes
from cli.stack.layout import Layout
from core.errors import ConfigurationError, InternalError
from pipeline import registry, unify
from quality import validation
from store import archive, migrate
from store import hash as store_hash
from store.engine import dispose
from tests.pipeline.fake import Answers, FakeConnector
from tests.pipeline.rows import FULL, case, project, run

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="onemap-"))  # pytest's own is closed to the database's user
    for name in ("ONEMAP_DATABASE_URL", "ONEMAP_ARCHIVE_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    yield made
    dispose()
    for home in ("one", "two", "three"):
        postgres.stop(Layout(made / home), patience=5)
    shutil.rmtree(made)


def hub(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Layout:
    dispose()
    monkeypatch.setenv("ONEMAP_HOME", str(folder / name))
    return Layout.here()


def lived(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> str:
    layout.make()
    layout.secret("fernet.key", lambda: "not-to-be-lost")
    answers = {"m2.sb": Answers([[case(1), case(2)]]), "d2.projects": Answers([[project(1)]])}
    monkeypatch.setattr(registry, "connector", lambda source: FakeConnector(source, answers))
    monkeypatch.setattr(validation, "validate", lambda connection, staged: [])
    with backup.databases(layout) as urls:
        migrate.upgrade()
        for feed in answers:
            assert run(feed, FULL).outcome == "ok"
        unify.run()
        airflow = sa.create_engine(urls["airflow"])
        with airflow.begin() as connection:
            connection.exec_driver_sql("create table connection (conn_id text); insert into connection values ('p1')")
        airflow.dispose()
        return store_hash.of_store()


def test_a_backup_is_restored_into_an_empty_folder(folder, monkeypatch):
    whole = lived(hub(folder, "one", monkeypatch), monkeypatch)
    made = backup.take(Layout.here(), folder / "backup")
    assert made.store_hash == whole and made.payloads == 2 and postgres.running(folder / "one" / "postgres") is None
    for path in (folder / "backup").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    shutil.rmtree(folder / "one")

    layout = hub(folder, "two", monkeypatch)
    assert backup.restore(layout, folder / "backup").store_hash == whole
    assert layout.secret("fernet.key") == "not-to-be-lost" and len(list(archive.listing())) == 2
    with backup.databases(layout) as urls:
        assert store_hash.of_store() == whole and migrate.differences() == []
        airflow = sa.create_engine(urls["airflow"])
        with airflow.connect() as connection:
            assert connection.exec_driver_sql("select conn_id from connection").scalar() == "p1"
        airflow.dispose()
        migrate.upgrade()
        run("m2.sb", FULL)  # life goes on

    with pytest.raises(ConfigurationError, match="not empty"):
        backup.restore(layout, folder / "backup")
    (folder / "backup" / "onemap.dump").write_bytes(b"cut")
    with pytest.raises(InternalError, match="damaged"):
        backup.restore(hub(folder, "three", monkeypatch), folder / "backup")


def test_a_run_folder_of_which_the_archive_alone_is_left_is_rebuilt(folder, monkeypatch):
    whole = lived(hub(folder, "one", monkeypatch), monkeypatch)
    postgres.stop(Layout.here())
    shutil.copytree(folder / "one" / "archive", folder / "two" / "archive")
    layout = hub(folder, "two", monkeypatch)
    done = CliRunner().invoke(app, ["rebuild", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["hash"] == whole and postgres.running(layout.postgres) is None


def test_a_server_that_was_started_for_a_command_ends_with_it_whatever_happens(folder, monkeypatch):
    layout = hub(folder, "one", monkeypatch)
    monkeypatch.setattr(processes, "write_down", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), backup.databases(layout):
        pass
    assert postgres.running(layout.postgres) is None and "ONEMAP_DATABASE_URL" not in os.environ


def test_a_backup_is_never_half_and_never_inside_of_the_hub(folder, monkeypatch):
    layout = hub(folder, "one", monkeypatch)
    lived(layout, monkeypatch)
    with pytest.raises(ConfigurationError, match="inside"):
        backup.take(layout, layout.home / "backup")
    backup.take(layout, folder / "backup")
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_archive", lambda target: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backup.take(layout, folder / "backup")
    with pytest.raises(ConfigurationError, match="no whole backup"):
        backup.check(folder / "backup")
    backup.take(layout, folder / "backup")  # brought up to date
    next((folder / "backup" / "archive").glob("??/*.zst")).unlink()
    with pytest.raises(InternalError, match="another"):
        backup.restore(hub(folder, "three", monkeypatch), folder / "backup")
