"""Troubles of the hub's own ground: disk, archive, database, clock, journal (:mod:`pipeline.machine`)."""

from __future__ import annotations

from pipeline.machine import conditions
from serving.alerts.detect import Trouble

_TITLES = {
    "disk": "磁盘空间不足",
    "archive": "归档不可写",
    "database": "数据库不可用",
    "clock": "时钟有误",
    "journal": "归档日志滞后",
}


def detect() -> list[Trouble]:
    """One a condition that does not hold."""
    return [
        Trouble(
            f"machine:{one.what}",
            "machine",
            3 if one.level == "error" else 2,
            _TITLES[one.what],
            one.zh,
            "本方运维",
            None,
            "全部数源的读取" if one.level == "error" else "暂无；不处理将停止读取",
            one.remedy,
        )
        for one in conditions()
        if one.level != "ok"
    ]
