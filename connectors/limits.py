"""What a payload may cost, by feed: ``options.limits`` of its declaration, :class:`~sources.options.limits.Limits`.

A source's own data stay far below the defaults; what is above them is an attack or a fault, and is refused by name.
Every decoder takes its bounds from here. Bytes are of unpacked content.
"""

from __future__ import annotations

from core.errors import ProviderError
from sources.options.limits import Limits

__all__ = ["Limits", "OverLimit", "check"]


class OverLimit(ProviderError):
    """A payload or record beyond :class:`Limits`: refused, not tried."""


_ZH = {
    "page": "报文字节数",
    "entry": "条目解压字节数",
    "total": "压缩包解压总字节数",
    "entries": "压缩包条目数",
    "ratio": "压缩比",
    "elements": "元素个数",
    "children": "单条记录的元素个数",
    "names": "列名个数",
    "depth": "嵌套层数",
    "expanded": "引用展开后的元素个数",
    "rings": "图形环数",
    "points": "图形点数",
    "rows": "行数",
    "cells": "单元格数",
    "merges": "合并单元格个数",
    "styles": "单元格样式个数",
    "strings": "共享字符串个数",
    "field": "单个值的字符数",
}


def check(limits: Limits, name: str, count: int, what: str) -> None:
    """:raises OverLimit: ``count`` is beyond the limit of that name; ``what`` says of what."""
    most = getattr(limits, name)
    if count > most:
        raise OverLimit(
            f"{what}: {name} is more than {most}",
            remedy="tell the source's owner; where it is right, raise options.limits of the feed in the declaration",
            zh=f"{what}的{_ZH[name]}超过上限 {most}，已拒绝解析；请数源部门核实，确属正常的在声明的 options.limits 中调高 {name}。",
            field=name,
            code="over_limit",
        )
