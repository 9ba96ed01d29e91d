"""The contract of a connector: check, plan, fetch, decode. One module a protocol.

A connector knows a protocol and nothing of entities, mappings or the store. It is made from a
:class:`~sources.declaration.Source` (what is declared) and an :class:`~connectors.endpoint.Endpoint` (an Airflow
Connection, resolved). Everything that it raises is a :class:`~core.errors.OneMapError`.

The way of a batch::

    plan(feed, done, now)        -> windows still to be read
    fetch(feed, window, state)   -> Payload, Payload, ..., Proof     bytes untouched; the proof comes last
    decode(feed, payload)        -> Batch, Batch, ...                raw columns, all text

The pipeline archives each payload's bytes before it decodes them, and writes the proof's ``state`` in the same
transaction as the rows. A connector keeps no state of its own between calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connectors import planning
from connectors.window import Window as Window  # part of the contract: who writes a connector imports it from here
from core import clock

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from core.errors import OneMapError
    from sources.declaration import Feed, Source


@dataclass(slots=True)
class Payload:
    """One answer, page or file as it came. ``body`` is the bytes, or a file of them when large.

    ``request`` is what was asked, without secrets; ``facts`` what the wire said of the answer (page, total, file
    name, etag, md5, ``signature`` verdict, ``server_date``). ``scopes``, where a source sends a part again to stand
    for the old one wholly: the names of the parts that this payload holds, see docs/architecture.md, "Replacement".

    A file of ours stands until the connector's :meth:`Connector.close`.
    """

    body: bytes | Path
    media_type: str
    request: dict[str, Any]
    started_at: datetime
    finished_at: datetime
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body in memory."""
        return self.body.read_bytes() if isinstance(self.body, Path) else self.body


@dataclass(slots=True)
class Proof:
    """The end of a fetch: is the window complete, and how do we know.

    ``issues`` are (code, severity, detail) to be reported though the fetch went on; ``state`` (JSON-able) is given to
    the next fetch of this feed once this one is committed. ``complete`` False: rows are kept, the interval is not.
    """

    complete: bool
    why: str
    claimed: int | None = None  # what the source says it has
    distinct: int | None = None  # distinct keys that came
    state: dict[str, Any] | None = None
    issues: list[Issue] = field(default_factory=list)
    unchanged: bool = False  # the source says that nothing changed (304): no rows came, and none are gone


@dataclass(frozen=True, slots=True)
class Issue:
    """Something to be reported that stops nothing. ``code`` stands in quality/issues.yaml."""

    code: str
    detail: str
    record: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """What could not be decoded: its place in the payload, an issue code, a message, and the bytes or text."""

    place: str
    code: str
    message: str
    raw: str | None = None
    record: str | None = None


@dataclass(slots=True)
class Batch:
    """Rows of one payload. ``rows``: every raw column as ``large_string`` (nested values as JSON text), named as
    the source names them but in the contract's case, plus ``_place`` (where in the payload, e.g. ``CASE 17``).
    ``scope``: which of the payload's ``facts["scopes"]`` all of these rows belong to.
    """

    rows: pa.Table
    rejects: list[Reject] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of ``onemap source check``: what was tried, whether it held, and what to do when not."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""

    @classmethod
    def failed(cls, what: str, error: OneMapError) -> CheckLine:
        """A line that did not hold: in Chinese first, in English for whom to tell."""
        detail = error.message if error.zh == error.message else f"{error.zh} [{error.message}]"
        return cls(what, False, detail, error.remedy)


@dataclass(frozen=True, slots=True)
class Described:
    """What a source itself says of a feed's rows. ``columns``: name → comment ("" where it has none); ``key``: its primary key."""

    columns: dict[str, str]
    key: list[str]


class Connector(ABC):
    """A protocol. Subclasses are registered by name in ``connectors/__init__.py``; sources name them."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        self.source = source
        self.endpoint = endpoint

    @abstractmethod
    def check(self) -> list[CheckLine]:
        """Reach the source, prove the credentials, see each feed once; reads no more than a page."""

    def plan(self, feed: Feed, done: list[Window], state: dict[str, Any] | None, now: datetime) -> list[Window]:
        """Windows still to be read: what is promised minus what is complete (see :mod:`connectors.planning`)."""
        return planning.windows(feed, done, now)

    @abstractmethod
    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        """Everything in the window, page by page; the last thing yielded is the :class:`Proof`."""

    @abstractmethod
    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        """Payload → rows, in flat memory. Deterministic: the archive is decoded again by the same call."""

    def handed(self, feed: Feed, body: Path, name: str, media_type: str) -> tuple[Payload, list[Issue]]:
        """Bytes that a provider hands over by hand, as the payload that they would be had the source sent them, and what is to
        be told of it.

        :raises ProviderError: they are none of this feed's.
        """
        now = clock.now()
        return Payload(body.read_bytes(), media_type, {"handed": name}, now, now, {"file": name, "name": name}), []

    def describe(self, feed: Feed) -> Described | None:
        """The source's own description of the feed, where the protocol has one; asked while a source is drafted."""
        return None

    def acknowledge(self, feed: Feed, keys: pa.Table) -> list[Issue]:
        """After our commit: tell the source what was taken, where its contract has a way (P3 ``is_sync``).

        ``keys`` has the feed's key columns, as text. What the source refuses is an issue, never a failure.
        """
        return []

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back sockets and sessions."""
