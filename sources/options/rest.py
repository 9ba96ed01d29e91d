"""Options of ``protocol: rest``: lists in JSON or XML over HTTP."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sources.options.base import HttpSourceOptions, Strict
from sources.options.listing import ListingOptions, Scalar


class Basic(Strict):
    """HTTP Basic from the Connection's login and password, where it has a login."""

    kind: Literal["basic"] = "basic"


class OAuth(Strict):
    """OAuth 2.0 client credentials. Connection: login = client id, password = client secret."""

    kind: Literal["oauth"]
    token: str = Field(
        "/oauth/token", pattern=r"^[^:\s]+$", description="Path of the token endpoint, on the Connection's host"
    )
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
    algorithm: Literal["md5", "sha1", "sha256", "sha384", "sha512", "sm3", "sm2"] = Field(
        "sha256", description="sm2: signed, r and s, by the private key that is the password (64 hexadecimal digits)"
    )
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
        if self.algorithm == "sm2" and not (self.keyed and "{password}" not in self.text):
            raise ValueError("sm2 signs by a private key, which never stands in the text")
        if not self.keyed and "{password}" not in self.text:
            raise ValueError("signs nothing secret: text needs {password} where keyed is false")
        return self


Auth = Annotated[Basic | OAuth | ApiKey | Signature, Field(discriminator="kind")]


class Sealed(Strict):
    """Answers whose content stands encrypted by SM4 in a text of them (密文). Connection: extra ``sm4_key``, and ``sm4_iv`` for
    CBC, 32 hexadecimal digits each. Paths lead into what was encrypted, else into what is around it."""

    at: str = Field(
        min_length=1, description="JMESPath of the text; an answer without it is read as it is (errors are)"
    )
    mode: Literal["cbc", "ecb"] = "cbc"
    encoding: Literal["base64", "hex"] = "base64"


class SourceOptions(HttpSourceOptions):
    """Of a source."""

    auth: Auth = Basic()
    sealed: Sealed | None = None
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every call")

    @model_validator(mode="before")
    @classmethod
    def _bare_word(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("auth"), str):
            return {**data, "auth": {"kind": data["auth"]}}
        return data


class FeedOptions(ListingOptions):
    """Of a feed. ``{since}`` and ``{until}`` in a constant's text stand for the window's bounds, as ``time`` writes them; a
    constant whose bound the window lacks is not sent. ``{page}``, ``{offset}``, ``{size}`` and ``{cursor}`` stand for the
    paging, where it has no parameters of its own.
    """

    path: str = Field(min_length=1, description="Under the Connection's base URL")
    method: Literal["GET", "POST"] = "GET"
    format: Literal["json", "xml"] = "json"
    params: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, description="Constants of the query")
    body: dict[str, Any] | None = Field(
        None, description="Constants of a JSON body; window and paging then go there too, not into the query"
    )
    headers: dict[str, str] = Field(default_factory=dict)
    day: str | None = Field(None, description="Parameter that takes a local day: the window is read day by day")
    etag: bool = Field(False, description="The first page's ETag is the whole listing's: unchanged, nothing is read")

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("is an address: only the path stands here, the host is the Connection's")
        if value.startswith("//") or not value.strip() or ".." in value.split("?")[0].split("/"):
            raise ValueError("is no path under the Connection's base URL")
        return value

    @model_validator(mode="after")
    def _post_has_body(self) -> FeedOptions:
        if self.body is not None and self.method == "GET":
            raise ValueError("has a body, which GET does not send: set method to POST")
        if self.etag and self.paging.kind not in ("none", "cursor", "link"):
            raise ValueError(f"etag is of no use with paging kind {self.paging.kind}")
        if self.nested and self.format != "xml":
            raise ValueError("nested is of format: xml")
        if (self.keyed_as or self.header) and self.format == "xml":
            raise ValueError(f"{'keyed_as' if self.keyed_as else 'header'} is of format: json")
        self.stands_for([self.path, self.params, self.body])
        self.spelt(self.params)
        if self.day and (self.since or self.until):
            raise ValueError("day and since or until ask for the same: only one of them")
        self.each_once({**self.params, **(self.body or {})}, self.day)
        keeps = getattr(self.paging, "keeps", None) or []
        if unknown := set(keeps) - set(self.params) - set(self.body or ()):
            raise ValueError(f"paging.keeps names {sorted(unknown)[0]}, which is no constant of params or body")
        return self
