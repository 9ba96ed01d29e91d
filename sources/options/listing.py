"""What a listing in pages declares, whatever brings it: where its rows stand, how it is paged, how a window is asked for.

Shared by ``protocol: rest`` and by ``answer: rows`` of ``protocol: soap``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import jmespath
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from sources.options.base import FeedOptions, Names, Strict

Scalar = str | int | float | bool


_STEP = r'(?:[A-Za-z_\u4e00-\u9fff$][\w$-]*|"[^"]+")'
_PATH = re.compile(rf"{_STEP}(\.{_STEP})*")
_STEPS = re.compile(r'"([^"]+)"|([^."]+)')


def steps(path: str) -> list[str]:
    """The names of a path; [] for ``@``."""
    return [] if path == "@" else [quoted or bare for quoted, bare in _STEPS.findall(path)]


def _path(value: str) -> str:
    if value in ("", "@"):
        return "@"
    if not _PATH.fullmatch(value):
        raise ValueError(
            'is no path: write names joined by dots, such as data.items, in "…" where a name has a dot or @ itself, '
            "or @ for the answer itself"
        )
    return value


def _quoted(value: Any) -> Any:
    """OData's annotations as people write them: ``@odata.nextLink`` is one name."""
    return f'"{value}"' if isinstance(value, str) and re.fullmatch(r"@[A-Za-z][\w.]*", value) else value


def _expression(value: str) -> str:
    try:
        jmespath.compile(value)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(f"is no JMESPath expression: {' '.join(str(error).split())}") from None
    return value


Path = Annotated[str, BeforeValidator(_quoted), AfterValidator(_path)]
"""Where something stands in an answer: names joined by dots; ``@`` is the answer itself."""
Expression = Annotated[str, AfterValidator(_expression)]
"""A JMESPath expression. Of XML: elements and attributes are fields by local name, an element's text beside attributes is
``_text``.
"""


class RowShape(Strict):
    """How rows stand in JSON, where they are no list of objects."""

    keyed_as: str | None = Field(
        None, min_length=1, description="JSON: the rows stand in an object by their key; the column that takes the key"
    )
    header: Expression | Names | None = Field(
        None,
        description="JSON: each row is a list of values; JMESPath of the list of their names (fields[].id), or the names",
    )

    @model_validator(mode="after")
    def _one_shape(self) -> RowShape:
        if self.keyed_as and self.header:
            raise ValueError("keyed_as is of rows that are objects, header of rows that are lists: only one of them")
        return self


class _Sized(Strict):
    size: int | None = Field(None, ge=1, description="Rows a page that are asked for; none: the server's own")
    size_as: str = Field("limit", min_length=1, description="Parameter that takes it")


class NoPaging(Strict):
    """The whole list in one answer."""

    kind: Literal["none"]
    total: Path | None = Field(None, description="Where the number of all rows stands")


class PageNumber(_Sized):
    """Pages by number. The end is an empty page, or as many distinct keys as the total."""

    kind: Literal["page"]
    number_as: str = Field("page", min_length=1, description="Parameter that takes the page's number")
    start: int = Field(1, ge=0, le=1, description="Number of the first page")
    total: Path | None = Field(None, description="Where the number of all rows stands")
    pages: Path | None = Field(None, description="Where the number of pages stands")


class Offset(_Sized):
    """Pages by the number of rows before them. The end is an empty page, or as many distinct keys as the total."""

    kind: Literal["offset"]
    offset_as: str = Field(
        "offset", min_length=1, description="Parameter that takes the number of rows before the page"
    )
    start: int = Field(
        0, ge=0, le=1, description="What the first page's offset is called: 1 where rows are counted from 1"
    )
    total: Path | None = Field(None, description="Where the number of all rows stands")


class Cursor(_Sized):
    """Each answer names the next page. null or "" is the end; a field that is not there is a fault."""

    kind: Literal["cursor"]
    next: Path = Field("next_cursor", description="Where the next page's cursor stands")
    cursor_as: str = Field("cursor", min_length=1, description="Parameter that takes it")
    keeps: list[str] | None = Field(
        None, description="Constants that stand beside a cursor, where it excludes all others (OAI-PMH: [verb])"
    )
    more: Path | None = Field(None, description="Where it stands whether more follows, beside the cursor")
    total: Path | None = Field(None, description="Where the number of all rows stands")
    absent: Literal["fault", "end"] = Field(
        "fault", description="What it means that the field is not there; end only where the source's contract says so"
    )
    expired: dict[Expression, list[Scalar | None]] = Field(
        default_factory=dict, description="JMESPath → values that mean that the cursor has died; so does HTTP 410"
    )


class Link(_Sized):
    """Each answer links to the next page. ``header``: RFC 8288's Link header, whose absence is the end."""

    kind: Literal["link"]
    next: Path | Literal["header"] = Field("links.next", description="Where the link stands, or `header`")
    total: Path | None = Field(None, description="Where the number of all rows stands")
    absent: Literal["fault", "end"] = Field(
        "fault", description="What it means that the field is not there; end only where the source's contract says so"
    )


Paging = Annotated[NoPaging | PageNumber | Offset | Cursor | Link, Field(discriminator="kind")]
_NAMES = re.compile(r"\{(page|offset|cursor|size)\}")
_OURS = ("since", "until", "page", "offset", "cursor", "size")
_STRFTIME = re.compile(r"%[a-zA-Z]")


def _paths(constants: dict[str, Any], before: str = "") -> Iterator[str]:
    """``variables.after`` of ``{variables: {after: …}}``: names of constants as parameters are named."""
    for name, value in constants.items():
        if value not in (None, ""):  # what stands there until it is filled
            yield f"{before}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.")


class ListingOptions(FeedOptions, RowShape):
    """Of a feed that is a listing in pages."""

    rows: Path = Field(
        "data",
        description="Where the list stands; `@` where the answer is the list itself. XML: elements by local name",
    )
    nested: list[str] = Field(default_factory=list, description="XML: elements that may repeat, always a JSON list")
    lift: Names = Field(
        default_factory=list,
        description="Fields of a row, in this order, whose own fields are the row's: [node] of GraphQL, [attributes] of ArcGIS",
    )
    paging: Paging
    since: str | None = Field(None, min_length=1, description="Parameter that takes the window's start, inclusive")
    until: str | None = Field(None, min_length=1, description="Parameter that takes the window's end")
    time: str = Field(
        "%Y-%m-%d %H:%M:%S",
        description="How since and until are written: strftime, or epoch, epoch_ms, iso, iso_utc",
    )
    success: dict[Expression, list[Scalar | None]] = Field(
        default_factory=dict, description="JMESPath → values that mean success, where errors come with HTTP 200"
    )
    message: Expression | None = Field(None, description="Where an error's text stands")
    empty: dict[Expression, list[Scalar | None]] = Field(
        default_factory=dict, description="JMESPath → values that mean that there are no rows"
    )

    @field_validator("time")
    @classmethod
    def _is_format(cls, value: str) -> str:
        if value not in ("epoch", "epoch_ms", "iso", "iso_utc") and not _STRFTIME.search(value):
            raise ValueError("is neither a strftime format nor epoch, epoch_ms, iso, iso_utc")
        return value

    @field_validator("success", "empty")
    @classmethod
    def _has_values(cls, value: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for expression, values in value.items():
            if not values:
                raise ValueError(f"{expression} lists no value: nothing would ever be it")
        return value

    def each_once(self, constants: dict[str, Any], *more: str | None) -> None:
        """Refuse a parameter that two things would fill. :raises ValueError: there is one."""
        paging = self.paging
        text = repr(constants)
        own = [
            getattr(paging, name, None)
            for name, place in (("number_as", "{page}"), ("offset_as", "{offset}"), ("cursor_as", "{cursor}"))
            if place not in text
        ]
        sized = getattr(paging, "size_as", None) if getattr(paging, "size", None) and "{size}" not in text else None
        filled = [name for name in (*own, sized, self.since, self.until, *more) if name]
        given = {*_paths(constants)}
        for name in filled:
            if filled.count(name) > 1:
                raise ValueError(
                    f"two things would fill the parameter {name}: name each of paging, since and until apart"
                )
            if name in given:
                raise ValueError(f"the parameter {name} is a constant, and paging, since or until would fill it too")

    def stands_for(self, constants: Any) -> None:
        """Refuse a ``{name}`` in a constant's text that nothing will stand for. :raises ValueError: there is one."""
        there = {"page": ["page"], "offset": ["offset"], "cursor": ["cursor"]}.get(self.paging.kind, [])
        there += ["size"] if getattr(self.paging, "size", None) else []
        for name in set(_NAMES.findall(repr(constants))) - set(there):
            raise ValueError(f"{{{name}}} stands in a constant, and paging declares no {name}")

    @staticmethod
    def spelt(constants: dict[str, Any]) -> None:
        """Refuse a ``{name}`` that is nearly one of ours. :raises ValueError: there is one."""
        for name in re.findall(r"\{([a-z]+)\}", repr(constants)):
            if name not in _OURS and (like := get_close_matches(name, _OURS, 1, 0.75)):
                raise ValueError(f"{{{name}}} stands for nothing, did you mean {{{like[0]}}}?")

    @model_validator(mode="after")
    def _bounds_differ(self) -> ListingOptions:
        if self.since and self.since == self.until:
            raise ValueError("since and until are the same parameter")
        return self
