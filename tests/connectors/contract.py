"""What every connector has to hold, whatever its protocol: subclass :class:`Contract` and give it a ``case``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import Connector, Payload, Proof, Window
from core.errors import OneMapError
from core.redaction import redact
from sources.declaration import Feed


@dataclass
class Case:
    """A connector against a running server that holds ``keys``.

    ``make`` gives a new connector, as each task has its own; ``failing`` breaks the source midway for the length of a
    block; ``secrets`` must stand nowhere in what the pipeline keeps.
    """

    make: Callable[[], Connector]
    feed: Feed
    keys: set[tuple[str | None, ...]]
    window: Window = field(default_factory=lambda: Window(full=True))
    failing: Callable[[], AbstractContextManager[Any]] | None = None
    secrets: tuple[str, ...] = ()


@dataclass
class Reading:
    """What one fetch gave."""

    payloads: list[Payload]
    proof: Proof | None
    rows: pa.Table
    rejects: list[Any]
    issues: list[Any]
    error: OneMapError | None = None

    def keys(self, names: list[str]) -> set[tuple[str | None, ...]]:
        return {tuple(row.get(name) for name in names) for row in self.rows.to_pylist()}


def read(connector: Connector, feed: Feed, window: Window, state: dict[str, Any] | None = None) -> Reading:
    """Fetch and decode as the pipeline does; an error ends the reading and stands in it."""
    payloads, proof, tables, rejects, issues, error = [], None, [], [], [], None
    try:
        for part in connector.fetch(feed, window, state):
            if isinstance(part, Proof):
                assert proof is None, "nothing comes after the proof"
                proof = part
                continue
            assert proof is None, "nothing comes after the proof"
            payloads.append(part)
            for batch in connector.decode(feed, part):
                tables.append(batch.rows)
                rejects.extend(batch.rejects)
                issues.extend(batch.issues)
    except OneMapError as raised:
        error = raised
    rows = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    return Reading(payloads, proof, rows, rejects, issues + (proof.issues if proof else []), error)


class Contract:
    """The suite. The subclass brings a fixture ``case``."""

    def test_check_holds_on_a_healthy_source(self, case: Case) -> None:
        connector = case.make()
        lines = connector.check()
        connector.close()
        assert lines
        assert [line for line in lines if not line.ok] == []

    def test_all_rows_come_and_the_proof_is_last(self, case: Case) -> None:
        connector = case.make()
        reading = read(connector, case.feed, case.window)
        connector.close()
        assert reading.error is None
        assert reading.proof is not None and reading.proof.complete, reading.proof
        assert reading.keys(case.feed.key) == case.keys
        assert reading.rejects == []

    def test_every_raw_column_is_text_and_rows_know_their_place(self, case: Case) -> None:
        connector = case.make()
        reading = read(connector, case.feed, case.window)
        connector.close()
        assert {str(field.type) for field in reading.rows.schema} == {"large_string"}
        assert reading.rows.column("_place").null_count == 0

    def test_decoding_the_archive_again_gives_the_same_rows(self, case: Case) -> None:
        connector = case.make()
        reading = read(connector, case.feed, case.window)
        kept = [
            Payload(
                p.body.read_bytes() if isinstance(p.body, Path) else p.body,
                p.media_type,
                json.loads(json.dumps(p.request)),
                p.started_at,
                p.finished_at,
                json.loads(json.dumps(p.facts)),
            )
            for p in reading.payloads
        ]
        connector.close()
        again = case.make()
        tables = [batch.rows for payload in kept for batch in again.decode(case.feed, payload)]
        again.close()
        assert pa.concat_tables(tables, promote_options="default").equals(reading.rows)

    def test_reading_again_with_the_state_loses_nothing(self, case: Case) -> None:
        first = case.make()
        one = read(first, case.feed, case.window)
        first.close()
        state = json.loads(json.dumps(one.proof.state))  # it travels through a database
        second = case.make()
        two = read(second, case.feed, case.window, state)
        second.close()
        assert two.error is None and two.proof.complete
        assert one.keys(case.feed.key) | two.keys(case.feed.key) == case.keys

    def test_after_a_failure_the_next_reading_has_all(self, case: Case) -> None:
        if case.failing is None:
            pytest.skip("this source cannot be broken by the test")
        with case.failing():
            connector = case.make()
            broken = read(connector, case.feed, case.window)
            connector.close()
            assert broken.error is not None or not broken.proof.complete
        connector = case.make()
        reading = read(connector, case.feed, case.window)
        connector.close()
        assert reading.error is None and reading.proof.complete
        assert broken.keys(case.feed.key) | reading.keys(case.feed.key) == case.keys

    def test_no_secret_is_kept(self, case: Case) -> None:
        connector = case.make()
        reading = read(connector, case.feed, case.window)
        connector.close()
        kept = json.dumps([[p.request, p.facts] for p in reading.payloads] + [reading.proof.state], ensure_ascii=False)
        assert case.secrets
        for secret in case.secrets:
            assert secret not in kept
            assert secret not in redact(f"log line with {secret}")
            assert secret not in repr(connector.endpoint)
