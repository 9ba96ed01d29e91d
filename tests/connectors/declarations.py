"""Declarations of the database and file-drop sources, as small as a test needs them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sources.declaration import Feed, FilesCursor, Owner, Source, WindowCursor


def source(name: str, protocol: str, feeds: dict[str, Feed], **options: Any) -> Source:
    """A source of that name and protocol with those feeds."""
    return Source(
        source=name,
        name=name,
        system="部门审批系统",
        owner=Owner(department="测试"),
        connection="test",
        protocol=protocol,
        schedule="*/10 * * * *",
        promise=timedelta(hours=1),
        timeout=timedelta(seconds=10),
        options=options,
        feeds=feeds,
    )


def window_feed(feed: str, key: list[str], column: str, **options: Any) -> Feed:
    """A feed of a table."""
    return Feed(
        id=feed, name=feed, mapping=feed, cursor=WindowCursor(kind="window", column=column), key=key, options=options
    )


def files_feed(feed: str, key: list[str], **options: Any) -> Feed:
    """A feed of files."""
    return Feed(id=feed, name=feed, mapping=feed, cursor=FilesCursor(kind="files"), key=key, options=options)
