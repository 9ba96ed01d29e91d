"""A source system in memory behind the connector contract: tests say what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.base import Batch, CheckLine, Connector, Issue, Payload, Proof, Reject, Window
from core import clock

Row = dict[str, Any]


@dataclass
class Answers:
    """What the source holds. ``pages``: lists of rows, one a payload. A row with ``_broken`` does not decode."""

    pages: list[list[Row]] = field(default_factory=list)
    complete: bool = True
    state: dict | None = None
    scopes: list[str] | None = None
    issues: list[Issue] = field(default_factory=list)
    fail_after: int | None = None
    error: Exception | None = None
    acknowledged: list[pa.Table] = field(default_factory=list)
    asked: list[tuple[Window, Any]] = field(default_factory=list)
    server_date: Callable[[], str] | None = None
    on_page: Callable[[int], None] | None = None


class FakeConnector(Connector):
    """Hands out the answers of each feed as JSON payloads."""

    def __init__(self, source, answers: dict[str, Answers]) -> None:
        super().__init__(source, endpoint=None)
        self.answers = answers
        self.closed = False

    def check(self) -> list[CheckLine]:
        return [CheckLine("reach", True, "in memory")]

    def fetch(self, feed, window, state) -> Iterator[Payload | Proof]:
        told = self.answers[feed.id]
        told.asked.append((window, state))
        now = datetime(2026, 3, 6, 8, 0) if told.server_date is None else clock.now()
        for number, page in enumerate(told.pages):
            if told.on_page:
                told.on_page(number)
            if told.fail_after == number:
                raise told.error
            facts: dict[str, Any] = {"page": number}
            if told.server_date is not None:
                facts["server_date"] = told.server_date()
            if told.scopes is not None:
                facts["scopes"] = told.scopes
            yield Payload(
                json.dumps(page, ensure_ascii=False).encode(), "application/json", {"page": number}, now, now, facts
            )
        if told.fail_after == len(told.pages):
            raise told.error
        keys = {tuple(row.get(k) for k in feed.key) for page in told.pages for row in page}
        yield Proof(
            told.complete, "all of it" if told.complete else "cut", len(keys), len(keys), told.state, list(told.issues)
        )

    def decode(self, feed, payload) -> Iterator[Batch]:
        body = payload.body.read_bytes() if isinstance(payload.body, Path) else payload.body
        rows = json.loads(body)
        good = [row for row in rows if "_broken" not in row]
        names = list(dict.fromkeys(name for row in good for name in row))
        columns = {
            name: pa.array(
                [
                    value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                    for value in (row.get(name) for row in good)
                ],
                pa.large_string(),
            )
            for name in names
        }
        columns["_place"] = pa.array([f"row {n}" for n in range(len(good))], pa.large_string())
        rejects = [
            Reject(f"row {n}", "undecodable", "bytes are no text", raw=row["_broken"], record=row.get("_key"))
            for n, row in enumerate(rows)
            if "_broken" in row
        ]
        scopes = payload.facts.get("scopes")
        yield Batch(pa.table(columns), rejects, scope=scopes[0] if scopes else None)

    def acknowledge(self, feed, keys):
        self.answers[feed.id].acknowledged.append(keys)
        return []

    def close(self) -> None:
        self.closed = True
