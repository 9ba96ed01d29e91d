"""How each protocol is spoken: a module each, with ``form`` (rows → the bytes of a batch), ``send`` and ``check``.

``send(sink, output, batch, body)`` gives an :class:`Outcome`, or None where the receipt is to come; then ``collect`` is asked at each run.
Each may be called again with the same batch, and does at the receiver once what it does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from types import ModuleType
from typing import Any

from connectors.endpoint import Endpoint
from serving.push.choose import row_id
from serving.push.ledger import Batch, Row
from sinks.declaration import Output, Sink

LookUp = Callable[[str], Endpoint]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receiver did: ``rejected`` by place in the batch, from 1, with its word; its ``receipt`` as it came."""

    rejected: dict[int, str] = field(default_factory=dict)
    receipt: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """What a receiver is asked with: declaration, Connection, batch."""

    sink: Sink
    output: Output
    endpoint: Endpoint
    batch: Batch

    @property
    def options(self) -> Any:
        """The output's options, of its protocol's model."""
        return self.sink.options_of(self.output)

    @property
    def name(self) -> str:
        """For messages."""
        return self.output.id


def of(protocol: str) -> ModuleType:
    """The module that speaks it."""
    return import_module(f"serving.push.receivers.{protocol}")


def rows_of(output: Output, rows: list[Row], batch: str, at: datetime) -> list[dict[str, str | None]]:
    """Rows as the receiver gets them, the hub's own columns filled in; a deletion has these alone."""
    own = {name: cell.hub for name, cell in output.cells.items() if cell.hub}
    items = []
    for row in rows:
        columns = {
            "row_id": row_id(output, row.key),
            "operation": row.operation,
            "at": f"{at:%Y-%m-%d %H:%M:%S}",
            "batch": batch,
        }
        items.append({name: columns[own[name]] if name in own else row.cells.get(name) for name in output.cells})
    return items


def lines(rows: list[dict[str, str | None]]) -> bytes:
    """JSON Lines, for the protocols whose bytes are none of a document's."""
    return b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows)


def read(body: bytes) -> list[dict[str, str | None]]:
    """What :func:`lines` wrote."""
    return [json.loads(line) for line in body.splitlines()]
