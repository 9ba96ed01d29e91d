"""Options of ``protocol: soap``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sources.options.base import FeedOptions, HttpSourceOptions, Pattern, Strict
from sources.options.listing import ListingOptions, Path

Parameters = dict[str, Any]
"""Values by name, objects within objects. In their texts ``{login}`` and ``{password}`` stand for the Connection's,
``{session}`` for what the log-in operation answered.
"""


class LogIn(Strict):
    """The operation that opens a session."""

    operation: str
    parameters: Parameters = Field(default_factory=dict)
    session: Path | None = Field(
        None, description="Where the session's key stands beneath the answer's element; none: the session is a cookie"
    )


class SourceOptions(HttpSourceOptions):
    """Of a source."""

    wsdl: str | None = Field(None, description="Path of the WSDL, where the Connection's extra.wsdl says nothing")
    port: str | None = Field(None, description="Port of the WSDL, where several have the operations")
    security: Literal["digest", "text", "basic", "none"] = Field(
        "basic",
        description="digest, text: WS-Security UsernameToken with that password; basic: HTTP Basic, where there is a login",
    )
    headers: Parameters = Field(
        default_factory=dict,
        description="Elements of the SOAP header: name, or {namespace}name where it is not the service's own, and its content",
    )
    login: LogIn | None = None
    faults: dict[Pattern, Literal["authentication", "configuration", "transient", "smaller", "empty"]] = Field(
        default_factory=dict,
        description="Regular expression in a fault's code or text → what it means; smaller: pages are asked for in half the "
        "size; empty: there are no rows",
    )


class PageParameters(Strict):
    """Names of a listing's parameters, by page number."""

    begin: str
    end: str
    page: str
    size: str


class Detail(Strict):
    """The operation that tells more of one record than the listing does."""

    operation: str
    parameter: str


class DocumentFeed(FeedOptions):
    """``answer: document``: a string that holds a document of its own."""

    answer: Literal["document"]
    operation: str = Field(description="The listing")
    parameters: PageParameters
    size: int = Field(200, ge=1, description="Rows a page")
    record: str = Field(description="Local name of a record's element in the inner document")
    nested: list[str] = Field(default_factory=list, description="Repeated elements of a record: a JSON list each")
    columns: list[str] = Field(default_factory=list, description="The contract's columns, for their case")
    detail: Detail | None = Field(
        None, description="Ask it for each record; its answers are the rows instead of the listing's"
    )

    @property
    def operations(self) -> set[str]:
        return {self.operation} | ({self.detail.operation} if self.detail else set())


class OffsetParameters(Strict):
    """Names of a listing's parameters, by offset."""

    begin: str
    end: str
    start: str
    count: str


class ArrayFeed(FeedOptions):
    """``answer: array``: an encoded array of structs."""

    answer: Literal["array"]
    operation: str = Field(description="The listing")
    parameters: OffsetParameters
    size: int = Field(100, ge=1, description="Items a page")
    first_day: str = Field("1990-01-01", description="begin of a full listing, where the source wants one")
    last_day: str = Field("2100-01-01", description="end of a full listing, exclusive")
    columns: list[str] = Field(default_factory=list, description="The contract's columns, for their case")

    @property
    def operations(self) -> set[str]:
        return {self.operation}


class RowsFeed(ListingOptions):
    """``answer: rows``: any operation whose answer holds rows, typed or as a document in a string.

    ``{since}``, ``{until}``, ``{page}``, ``{offset}``, ``{size}`` and ``{cursor}`` in a parameter's text stand for window and
    paging, where they are no parameters of their own (a query in XML). Paths begin beneath the answer's own element.
    """

    answer: Literal["rows"]
    operation: str = Field(min_length=1, description="The listing")
    parameters: Parameters = Field(default_factory=dict)
    document: Path | None = Field(
        None, description="Where a string stands that holds the rows as a document of its own, XML or JSON"
    )

    @property
    def operations(self) -> set[str]:
        return {self.operation}

    @model_validator(mode="after")
    def _has_no_links(self) -> RowsFeed:
        if self.paging.kind == "link":
            raise ValueError("paging kind link is of addresses: none, page, offset or cursor")
        if getattr(self.paging, "keeps", None) is not None:
            raise ValueError("paging.keeps is of protocol rest")
        if (self.keyed_as or self.header) and self.document is None:
            raise ValueError("keyed_as and header are of JSON: of a document in a string")
        self.stands_for(self.parameters)
        self.spelt(self.parameters)
        self.each_once(self.parameters)
        return self


Feed = Annotated[DocumentFeed | ArrayFeed | RowsFeed, Field(discriminator="answer")]
