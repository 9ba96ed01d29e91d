"""The bounds of one payload, as a declaration may raise or lower them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError

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
    rings: int = Field(2_000, ge=1, description="Rings of one geometry or boundary file")
    points: int = Field(2_000_000, ge=1, description="Points of one geometry or boundary file")
    rows: int = Field(1_048_576, ge=1, description="Rows of a table or sheet")
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
