"""Options of ``protocol: rest``: JSON lists over HTTP."""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Any, Literal

import jmespath
from pydantic import AfterValidator, Field, field_validator, model_validator

from sources.options.base import FeedOptions as Base
from sources.options.base import HttpSourceOptions, Strict

Scalar = str | int | float | bool


_STEP = r'(?:[A-Za-z_\u4e00-\u9fff$][\w$-]*|"[^".]+")'
_PATH = re.compile(rf"{_STEP}(\.{_STEP})*")


def _path(value: str) -> str:
    if value in ("", "@"):
        return "@"
    if not _PATH.fullmatch(value):
        raise ValueError("is no path: write names joined by dots, such as data.items, or @ for the answer itself")
    return value


def _expression(value: str) -> str:
    try:
        jmespath.compile(value)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(f"is no JMESPath expression: {' '.join(str(error).split())}") from None
    return value


Path = Annotated[str, AfterValidator(_path)]
"""Where something stands in an answer: names joined by dots; ``@`` is the answer itself."""
Expression = Annotated[str, AfterValidator(_expression)]
"""A JMESPath expression."""


class Basic(Strict):
    """HTTP Basic from the Connection's login and password, where it has a login."""

    kind: Literal["basic"] = "basic"


class OAuth(Strict):
    """OAuth 2.0 client credentials. Connection: login = client id, password = client secret."""

    kind: Literal["oauth"]
    token: str = Field("/oauth/token", description="Path of the token endpoint, on the Connection's host")
    scope: str | None = None
    audience: str | None = None
    sent_in: Literal["auto", "header", "form"] = Field(
        "auto", description="Where id and secret stand: HTTP Basic, form fields, or what the server takes"
    )


class ApiKey(Strict):
    """A fixed key, the Connection's password."""

    kind: Literal["api_key"]
    in_: Literal["header", "query"] = Field("header", alias="in")
    name: str = Field(description="Of the header or parameter", min_length=1)
    prefix: str = Field("", description="Written before the key, such as 'Token '")


_SIGNED = {
    "login",
    "password",
    "timestamp",
    "nonce",
    "method",
    "path",
    "query",
    "sorted_query",
    "body",
    "body_digest",
    "signature",
}


def _template(value: str, allowed: set[str]) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
    except ValueError as error:
        raise ValueError(f"is no template: {error}") from None
    if unknown := names - allowed:
        raise ValueError(f"knows no {{{sorted(unknown)[0]}}}; there are {', '.join(sorted(allowed))}")
    return value


class Signature(Strict):
    """Each call signed by a template. Connection: login = key id, password = the secret.

    In braces: ``login``, ``timestamp``, ``nonce``, ``method``, ``path``, ``query`` (as sent), ``sorted_query``, ``body``,
    ``body_digest`` (hexadecimal), and in headers and parameters ``signature``; ``password`` in ``text`` alone.
    """

    kind: Literal["signature"]
    text: str = Field(description="What is signed")
    keyed: bool = Field(True, description="HMAC under the password; false: the plain digest of the text")
    algorithm: Literal["md5", "sha1", "sha256", "sha384", "sha512", "sm3"] = "sha256"
    encoding: Literal["hex", "HEX", "base64"] = "hex"
    timestamp: Literal["seconds", "milliseconds", "iso", "local"] = Field(
        "seconds", description="Unix time, RFC 3339 in UTC, or yyyy-MM-dd HH:mm:ss in local time"
    )
    headers: dict[str, str] = Field(default_factory=dict)
    params: dict[str, str] = Field(default_factory=dict, description="Put into the query, after it was signed")

    @field_validator("text")
    @classmethod
    def _text(cls, value: str) -> str:
        return _template(value, _SIGNED - {"signature"})

    @field_validator("headers", "params")
    @classmethod
    def _sent(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: _template(text, _SIGNED - {"password", "body"}) for name, text in value.items()}

    @model_validator(mode="after")
    def _sends_it(self) -> Signature:
        if not any("{signature}" in text for text in (*self.headers.values(), *self.params.values())):
            raise ValueError("neither headers nor params send the {signature}")
        if not self.keyed and "{password}" not in self.text:
            raise ValueError("signs nothing secret: text needs {password} where keyed is false")
        return self


Auth = Annotated[Basic | OAuth | ApiKey | Signature, Field(discriminator="kind")]


class SourceOptions(HttpSourceOptions):
    """Of a source."""

    auth: Auth = Basic()
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every call")

    @model_validator(mode="before")
    @classmethod
    def _bare_word(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("auth"), str):
            return {**data, "auth": {"kind": data["auth"]}}
        return data


class _Sized(Strict):
    size: int | None = Field(None, ge=1, description="Rows a page that are asked for; none: the server's own")
    size_as: str = Field("limit", description="Parameter that takes it")


class NoPaging(Strict):
    """The whole list in one answer."""

    kind: Literal["none"]
    total: Path | None = Field(None, description="Where the number of all rows stands")


class PageNumber(_Sized):
    """Pages by number. The end is an empty page, or as many distinct keys as the total."""

    kind: Literal["page"]
    number_as: str = Field("page", description="Parameter that takes the page's number")
    start: int = Field(1, ge=0, description="Number of the first page")
    total: Path | None = Field(None, description="Where the number of all rows stands")
    pages: Path | None = Field(None, description="Where the number of pages stands")


class Offset(_Sized):
    """Pages by the number of rows before them. The end is an empty page, or as many distinct keys as the total."""

    kind: Literal["offset"]
    offset_as: str = Field("offset", description="Parameter that takes the offset, from 0")
    total: Path | None = Field(None, description="Where the number of all rows stands")


class Cursor(_Sized):
    """Each answer names the next page. null or "" is the end; a field that is not there is a fault."""

    kind: Literal["cursor"]
    next: Path = Field("next_cursor", description="Where the next page's cursor stands")
    cursor_as: str = Field("cursor", description="Parameter that takes it")
    more: Path | None = Field(None, description="Where it stands whether more follows, beside the cursor")
    total: Path | None = Field(None, description="Where the number of all rows stands")
    absent: Literal["fault", "end"] = Field(
        "fault", description="What it means that the field is not there; end only where the source's contract says so"
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
_STRFTIME = re.compile(r"%[a-zA-Z]")


class FeedOptions(Base):
    """Of a feed."""

    path: str = Field(description="Under the Connection's base URL")
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, description="Constants of the query")
    body: dict[str, Any] | None = Field(
        None, description="Constants of a JSON body; window and paging then go there too, not into the query"
    )
    headers: dict[str, str] = Field(default_factory=dict)
    rows: Path = Field("data", description="Where the list stands; `@` where the answer is the list itself")
    paging: Paging
    since: str | None = Field(None, description="Parameter that takes the window's start, inclusive")
    until: str | None = Field(None, description="Parameter that takes the window's end")
    day: str | None = Field(None, description="Parameter that takes a local day: the window is read day by day")
    time: str = Field(
        "%Y-%m-%d %H:%M:%S",
        description="How since and until are written: strftime, or epoch, epoch_ms, iso_utc",
    )
    etag: bool = Field(False, description="The first page's ETag is the whole listing's: unchanged, nothing is read")
    success: dict[Expression, list[Scalar | None]] = Field(
        default_factory=dict, description="JMESPath → values that mean success, where errors come with HTTP 200"
    )
    message: Expression | None = Field(None, description="Where an error's text stands")

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("is an address: only the path stands here, the host is the Connection's")
        return value

    @field_validator("time")
    @classmethod
    def _is_format(cls, value: str) -> str:
        if value not in ("epoch", "epoch_ms", "iso_utc") and not _STRFTIME.search(value):
            raise ValueError("is neither a strftime format nor epoch, epoch_ms, iso_utc")
        return value

    @model_validator(mode="after")
    def _post_has_body(self) -> FeedOptions:
        if self.body is not None and self.method == "GET":
            raise ValueError("has a body, which GET does not send: set method to POST")
        if self.etag and self.paging.kind not in ("none", "cursor", "link"):
            raise ValueError(f"etag is of no use with paging kind {self.paging.kind}")
        return self
