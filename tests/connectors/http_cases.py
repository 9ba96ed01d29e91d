"""Sources and endpoints for tests over HTTP, with retries that do not wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.endpoint import Endpoint
from sources.declaration import Feed, FullCursor, Owner, Source

FAST = {"first": 0.001, "longest": 0.002, "total": 20}


def source(protocol: str, *feeds: Feed, quota: str | None = None, timeout: float = 5, **options: Any) -> Source:
    """A source ``t`` with those feeds."""
    return Source(
        source="t",
        name="测试数源",
        system="空天地系统",
        owner=Owner(department="测试"),
        connection="t",
        protocol=protocol,
        schedule="*/10 * * * *",
        promise=timedelta(hours=1),
        quota=quota,
        timeout=timedelta(seconds=timeout),
        options={"http": FAST} | options,
        feeds={feed.id.partition(".")[2]: feed for feed in feeds},
    )


def feed(name: str, key: list[str], cursor: Any = None, **options: Any) -> Feed:
    """A feed ``t.<name>``; a full listing unless a cursor is given."""
    return Feed(
        id=f"t.{name}",
        name=name,
        mapping=f"t/{name}",
        cursor=cursor or FullCursor(kind="full"),
        key=key,
        options=options,
    )


def endpoint(url: str, login: str = "", password: str = "", **extra: Any) -> Endpoint:
    """A Connection to a test's server."""
    return Endpoint("t", "http", url, login=login, password=password, extra=extra)
