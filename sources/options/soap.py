"""Options of ``protocol: soap``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sources.options.base import FeedOptions, HttpSourceOptions, Strict


class SourceOptions(HttpSourceOptions):
    """Of a source."""

    wsdl: str | None = Field(None, description="Path of the WSDL, where the Connection's extra.wsdl says nothing")
    security: Literal["digest", "basic"] = Field(
        "basic", description="digest: WS-Security UsernameToken, PasswordDigest; basic: HTTP Basic"
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


Feed = Annotated[DocumentFeed | ArrayFeed, Field(discriminator="answer")]
