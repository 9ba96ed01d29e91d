"""What a payload may cost, by feed: ``options.limits`` of its declaration (a subset of the names below).

A source's own data stay far below the defaults; what is above them is an attack or a fault, and is refused by name.
Every decoder takes its bounds from here. Bytes are of unpacked content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError, ProviderError

if TYPE_CHECKING:
    from sources.declaration import Feed

MIB = 1 << 20


class Limits(BaseModel):
    """Upper bounds of one payload."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: int = Field(128 * MIB, ge=1, description="Bytes of an answer or a document that is read as a whole")
    entry: int = Field(640 * MIB, ge=1, description="Bytes unpacked of a zip's entry")
    total: int = Field(1024 * MIB, ge=1, description="Bytes unpacked of all entries of a zip")
    entries: int = Field(10_000, ge=1, description="Entries of a zip")
    ratio: int = Field(250, ge=1, description="Bytes unpacked for a byte packed, of an entry above 64 MiB")
    elements: int = Field(5_000_000, ge=1, description="Elements of a page of XML")
    children: int = Field(100_000, ge=1, description="Elements within one record of XML")
    names: int = Field(500, ge=1, description="Different column names of a payload")
    depth: int = Field(64, ge=1, description="Levels within a record, of XML or JSON")
    expanded: int = Field(
        200_000, ge=1, description="Elements that a record or geometry has once references are followed"
    )
    rings: int = Field(20_000, ge=1, description="Rings of one geometry or boundary file")
    points: int = Field(2_000_000, ge=1, description="Points of one geometry or boundary file")
    rows: int = Field(2_000_000, ge=1, description="Rows of a table or sheet")
    cells: int = Field(20_000_000, ge=1, description="Cells of a workbook or table, empty ones counted")
    merges: int = Field(200_000, ge=1, description="Merged ranges of a sheet")
    styles: int = Field(65_536, ge=1, description="Cell formats of a workbook")
    strings: int = Field(5_000_000, ge=1, description="Shared strings of a workbook")
    field: int = Field(8 * MIB, ge=1, description="Characters of one value")

    @classmethod
    def of(cls, feed: Feed) -> Limits:
        """A feed's, as declared. :raises ConfigurationError: a name or number that is none of ours."""
        given: Any = feed.options.get("limits") or {}
        if isinstance(given, cls):
            return given
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(["limits", *(str(part) for part in first["loc"])])
            raise ConfigurationError(
                f"feed {feed.id}: options.{name}: {first['msg']}",
                remedy=f"one of {', '.join(cls.model_fields)}, each a positive number",
                zh=f"数据项 {feed.id} 的 options.{name} 有误：{first['msg']}。",
                feed=feed.id,
                field=f"options.{name}",
            ) from error


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
