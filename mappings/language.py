"""The language of ``mappings/**.yaml`` (docs/architecture.md, "Mappings"). Declarations alone: nothing in it is run."""

from __future__ import annotations

import re
from typing import Any, Literal
from zoneinfo import available_timezones

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator

from core import declared
from mappings import times

#: What a value is read as. Without ``as`` it is the type of the entity's column.
Reading = Literal[
    "text",
    "code",
    "department",
    "document_no",
    "industry",
    "int",
    "decimal",
    "bool",
    "timestamp",
    "date",
    "end_date",
    "end_timestamp",
    "epoch_ms",
    "json",
    "list",
    "asset_links",
    "geometry",
    "multipolygon",
]


#: What takes ``format`` and ``zone``
TIMES = ("timestamp", "date", "end_date", "end_timestamp")
#: ``ignore: rest``
REST = "rest"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _or_name(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "description": "A raw column"}, schema]}


class Value(_Strict):
    """How one value comes about: one source (from, const, first_of, concat, position), then in this order
    extract, contains | map | codes, as (with unit, month, format, zone, between), default."""

    from_: str | None = Field(None, alias="from", description="A raw column; in an exploded block also COLUMN.field")
    const: str | int | bool | None = Field(None, description="Always this")
    first_of: list[Value] | None = Field(None, description="The first that is not null")
    concat: list[Value] | None = Field(None, description="All that are not null, joined by `separator`")
    separator: str = "|"
    position: bool = Field(False, description="In an exploded block: the element's place, from 1")
    extract: str | None = Field(None, description="A regular expression; its first group is the value")
    contains: dict[str, str] | None = Field(None, description="Word → value: the first word that stands in the text")
    map: dict[str, str | int | None] | None = Field(None, description="Code → value; another code is an issue")
    codes: str | None = Field(None, description="A list of schemas/codes; a code that is not in it is an issue")
    as_: Reading | None = Field(None, alias="as")
    unit: str | None = Field(None, description="Unit as written; brought to the entity column's")
    month: Literal["first", "last"] = Field("first", description="The day that a month without a day stands for")
    format: str | None = Field(
        None, description="The form of a time, and no other is read: dd/MM/yyyy HH:mm:ss (letters of Unicode TS 35)"
    )
    zone: str | None = Field(
        None, description="Where a time that states no offset was written: Europe/London, UTC; default: Asia/Shanghai"
    )
    between: tuple[float, float] | None = Field(None, description="Numbers outside are an issue and null")
    unreadable: Literal["reject", "issue", "nothing"] = Field(
        "reject",
        description="A value that cannot be read: the row is rejected; or it is null and an issue; or null",
    )
    optional: bool = Field(False, description="In key and time: may be null")
    default: str | int | bool | None = Field(None, description="In place of null")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, data: Any) -> Any:
        return {"from": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_source(self) -> Value:
        sources = [self.from_, self.const, self.first_of, self.concat, self.position or None]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("needs exactly one of from, const, first_of, concat, position")
        if sum(source is not None for source in (self.contains, self.map, self.codes)) > 1:
            raise ValueError("takes one of contains, map, codes")
        if (self.format or self.zone) and self.as_ not in (None, *TIMES):
            raise ValueError(f"format and zone are of times ({', '.join(TIMES)}), not of {self.as_}")
        if self.format and self.month == "last":
            raise ValueError("month is of months without a day, which a format has")
        return self

    @field_validator("format")
    @classmethod
    def _is_format(cls, form: str | None) -> str | None:
        if form is not None:
            times.directives(form)
        return form

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(
                f"{zone!r} is no zone of the IANA database{declared.suggestion(zone, available_timezones())}"
            )
        return zone

    @field_validator("extract")
    @classmethod
    def _is_expression(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
            pl.Series([""]).str.extract(pattern, 1)  # no look-around: the engine that runs it has none
        except (re.error, pl.exceptions.PolarsError) as error:
            raise ValueError(f"is no regular expression: {error}") from error
        if groups < 1:
            raise ValueError("needs a group, (…)")
        return pattern

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _or_name(handler(core))

    @property
    def columns(self) -> set[str]:
        """Raw columns that it reads."""
        found = {self.from_} if self.from_ else set()
        for inner in (*(self.first_of or ()), *(self.concat or ())):
            found |= inner.columns
        return found


class Test(_Strict):
    """A yes or no about a row; null is no. A bare name: the column is not null."""

    from_: str | None = Field(None, alias="from", description="A raw column")
    as_: Reading = Field("text", alias="as")
    equals: str | int | None = None
    one_of: list[str] | None = None
    contains: str | None = Field(None, description="A word that stands in the text")
    present: bool | None = None
    all: list[Test] | None = None
    any: list[Test] | None = None
    not_: Test | None = Field(None, alias="not")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, data: Any) -> Any:
        return {"from": data, "present": True} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_test(self) -> Test:
        tests = sum(test is not None for test in (self.equals, self.one_of, self.contains, self.present))
        groups = sum(group is not None for group in (self.all, self.any, self.not_))
        if (self.from_ is None, tests, groups) not in ((False, 1, 0), (True, 0, 1)):
            raise ValueError("needs from with one of equals, one_of, contains, present; or one of all, any, not")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _or_name(handler(core))

    @property
    def value(self) -> Value:
        """What is tested."""
        return Value(from_=self.from_, as_=self.as_)

    @property
    def columns(self) -> set[str]:
        """Raw columns that it reads."""
        found = {self.from_} if self.from_ else set()
        for inner in (*(self.all or ()), *(self.any or ()), *((self.not_,) if self.not_ else ())):
            found |= inner.columns
        return found


class Block(_Strict):
    """Rows of one entity: one a raw row, or one an element of a nested column."""

    entity: str
    when: Test | None = Field(None, description="Only rows for which this holds")
    explode: str | None = Field(None, description="A nested raw column: a row an element")
    columns: dict[str, Value]


class Declaration(_Strict):
    """One mapping file."""

    feed: str
    version: int = Field(ge=1, description="Raised when a meaning changes")
    doc: str = ""
    key: list[Value] = Field(min_length=1, description="record_key: the values joined by |")
    time: Value | None = Field(None, description="source_time")
    rank: Value | None = Field(None, description="Orders versions of equal time; the greater holds")
    tombstone: Test | None = Field(None, description="The row says that its record is gone")
    ignore: list[str] | Literal["rest"] = Field(
        default_factory=list,
        description="Known and not used, on purpose; kept in raw. `rest`: whatever else the source sends, a person decided so",
    )
    drop: list[str] = Field(
        default_factory=list, description="Known and kept nowhere: what we write ourselves, file bodies"
    )
    entities: list[Block] = Field(min_length=1)

    @field_validator("key")
    @classmethod
    def _key_is_required(cls, key: list[Value]) -> list[Value]:
        if all(part.optional for part in key):
            raise ValueError("a part at least must not be optional")
        return key

    @property
    def columns(self) -> set[str]:
        """Raw columns that it uses, those of ``explode`` and their fields included."""
        found: set[str] = set()
        for part in (*self.key, self.time, self.rank, self.tombstone):
            found |= part.columns if part else set()
        for block in self.entities:
            found |= block.when.columns if block.when else set()
            found |= {block.explode} if block.explode else set()
            for value in block.columns.values():
                found |= value.columns
        return found
