"""What the hub itself stands on, reported before it gives way: disks, the archive, the database, the clock, the journal.

Nothing is stored for it. ``ONEMAP_FREE`` is the free space in MiB under which a disk is told of (2048); under a quarter of it
work stops soon.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem

from core import filesystems, settings
from core.errors import OneMapError
from store import clockwatch, journal
from store.engine import engine

_BEHIND = 50  # runs that may wait for the journal


@dataclass(frozen=True, slots=True)
class Condition:
    """``level``: ok, warning (soon), error (now). ``zh`` says all, ``remedy`` what to do, in Chinese."""

    what: str
    level: str
    zh: str
    en: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def conditions() -> list[Condition]:
    """Everything, the worst first; raises nothing: what cannot be asked is reported as such."""
    found = [*_disks(), _archive(), *_database()]
    return sorted(found, key=lambda one: ("error", "warning", "ok").index(one.level))


def least() -> int:
    """Bytes under which a disk is told of. :raises ValueError: ``ONEMAP_FREE`` is no number."""
    return int(os.environ.get("ONEMAP_FREE") or 2048) << 20


def _local_archive() -> Path | None:
    filesystem, root = filesystems.at(settings.archive_url())
    return Path(root) if isinstance(filesystem, LocalFileSystem) else None


def _disks() -> list[Condition]:
    places: dict[int, tuple[str, Path]] = {}
    for name, path in (("归档 archive", _local_archive()), ("运行目录 run folder", settings.home())):
        there = next((p for p in (path, *path.parents) if p.exists()), None) if path else None
        if there is not None:
            places[there.stat().st_dev] = (name, there)
    built = []
    for name, path in places.values():
        free, inodes = shutil.disk_usage(path).free, os.statvfs(path)
        wanted = least()
        level = "error" if free < wanted // 4 else "warning" if free < wanted else "ok"
        if inodes.f_files and inodes.f_favail < inodes.f_files // 100:
            level = "error"
        built.append(
            Condition(
                "disk",
                level,
                f"{name} 所在磁盘剩余 {free / 2**30:.1f} GiB" + ("" if level == "ok" else "，不足"),
                f"{free / 2**30:.1f} GiB free for the {name}: {path}",
                "" if level == "ok" else "清理或扩容；onemap housekeeping 清理到期的日志、暂存与隔离记录",
            )
        )
    return built


def _archive() -> Condition:
    path = _local_archive()
    there = next((p for p in (path, *path.parents) if p.exists()), None) if path else None
    if there is not None and (not os.access(there, os.W_OK) or os.statvfs(there).f_flag & os.ST_RDONLY):
        return Condition(
            "archive",
            "error",
            f"归档目录不可写：{path}",
            f"the archive takes no writes: {path}",
            "检查挂载方式与目录权限",
        )
    return Condition("archive", "ok", "归档可写", "the archive takes writes")


def _database() -> list[Condition]:
    try:
        with engine().connect() as connection:
            read_only = (
                connection.execute(sa.text("show transaction_read_only")).scalar() == "on"
                or connection.execute(sa.text("select pg_is_in_recovery()")).scalar()
            )
            doubt = clockwatch.doubt(connection)
        waiting = journal.waiting()
    except (sa.exc.SQLAlchemyError, OneMapError) as error:
        result = getattr(error, "zh", "") or "连接失败"
        return [
            Condition(
                "database",
                "error",
                f"数据库不可用：{result}",
                f"the database: {type(error).__name__}",
                "检查数据库服务与网络",
            )
        ]
    found = [
        Condition(
            "database", "error", "数据库只读（备库）", "the database takes no writes", "将 ONEMAP_DATABASE_URL 指向主库"
        )
        if read_only
        else Condition("database", "ok", "数据库可写", "the database takes writes")
    ]
    if doubt is not None:
        found.append(Condition("clock", "error", doubt.zh, doubt.en, "校准服务器时钟（NTP）"))
    if waiting > _BEHIND:
        found.append(
            Condition(
                "journal",
                "warning",
                f"{waiting} 个批次尚未写入归档日志",
                f"{waiting} runs wait for the journal of the archive",
                "检查归档目录是否可写；恢复后自动补写",
            )
        )
    return found
