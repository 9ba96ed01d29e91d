"""What a provider hands over to see what the hub would say of it, before sending: who may, how large, and the verdict for them.

The verdict is the sync's own (:mod:`pipeline.tryout`); values of the rows leave it but for who may read raw rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from connectors.limits import Limits
from core.errors import ProviderError
from core.redaction import depersonalised
from pipeline import registry, trial
from pipeline.tryout import Tried
from quality.issues import explained
from serving import audit
from serving.access import Grant, departments
from sources.declaration import Feed

_VALUES = ("value", "message", "detail")  # of a reason or an issue: may quote a row


class TooLargeError(Exception):
    """A body beyond what the feed takes; ``most`` in bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} bytes")
        self.most = most


def may(who: Grant) -> bool:
    """Whether somebody may try feeds at all: who decides for the whole city, and a department."""
    if who.data is not None or who.towns is not None or who.party:
        return False
    return who.departments is not None or who.decides


def feeds(who: Grant) -> dict[str, Feed]:
    """The feeds that somebody may try, by id: all of them, or a department's own (of the sources whose ``owner.department`` is its
    name in the catalogue of departments).
    """
    if not may(who):
        return {}
    known = departments()
    own = None if who.departments is None else {known.get(code) for code in who.departments}
    found = [source for source in registry.sources() if own is None or source.owner.department in own]
    return {feed.id: feed for source in found for feed in source.feeds.values()}


def most(feed: Feed) -> int:
    """Bytes of a body that the feed takes: ``options.limits.page`` of its declaration."""
    return Limits.of(feed).page


async def store(chunks: AsyncIterator[bytes], path: Path, most: int) -> int:
    """Write a body to a file, never more than ``most``; its size. :raises TooLargeError: there is more."""
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise TooLargeError(most)
            file.write(chunk)
    return size


def verdict(who: Grant, feed: Feed, body: Path, name: str, *, records: bool) -> dict[str, Any]:
    """The command's own verdict, masked for who asks, once its entry (no contents, but their digest) stands on the audit log.

    :raises TransientError: none now.
    """
    with body.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        tried = trial.judged(feed.id, body, name, records=records)
    except ProviderError as error:
        tried = _refused(feed.id, name, error)
    audit.append(
        who.actor,
        "tryout",
        feed.id,
        {
            "sha256": digest,
            "bytes": body.stat().st_size,
            "go": tried.go,
            "rows": tried.rows_in,
            "rejected": tried.rejected_rows,
        },
    )
    return _masked(tried.as_dict(), clear=who.raw)


def _refused(feed_id: str, name: str, error: ProviderError) -> Tried:
    """Nothing of it can be read: it would be refused whole."""
    reason = {"code": error.code, "field": error.field, "message": error.message, "value": None}
    plain = {"title": error.message, "title_zh": error.zh, "remedy": error.remedy, "remedy_zh": error.zh}
    whole = {"place": name, "record": "", "reasons": [{**plain, **explained(reason)}]}
    return Tried(feed_id, name, go=False, why=error.zh, rejected=[whole])


def _masked(document: dict[str, Any], *, clear: bool) -> dict[str, Any]:
    if clear:
        return document
    for one in (*document["issues"], *(reason for row in document["rejected"] for reason in row["reasons"])):
        for name in _VALUES:
            one.pop(name, None)
    masked: dict[str, Any] = depersonalised(document)  # in keys and names of files too
    return masked
