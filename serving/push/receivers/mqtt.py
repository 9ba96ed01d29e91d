"""A message topic: one message a change, QoS 1, UTF-8 JSON; taken once the broker has acknowledged it. ``_id`` (the batch's id and the
row's place) is the same at every attempt: a subscriber drops what it knows.
"""

from __future__ import annotations

import json

from connectors.base import CheckLine
from connectors.transports.mqtt_publisher import Publisher
from core.errors import OneMapError
from serving.push.choose import filled
from serving.push.ledger import Row
from serving.push.receivers import Call, Outcome, lines, read, rows_of


def form(call: Call, rows: list[Row]) -> bytes:
    """The messages, one a line."""
    messages = rows_of(call.output, rows, call.batch.id, call.batch.made_at)
    return lines(
        [
            {"_id": f"{call.batch.id}:{n}", "_operation": row.operation, **one}
            for n, (row, one) in enumerate(zip(rows, messages, strict=True), 1)
        ]
    )


def send(call: Call, body: bytes) -> Outcome:
    """Publish all of them. :raises OneMapError: the broker is away, refuses us, or did not acknowledge them in time."""
    rows = read(body)
    messages = [
        (
            filled(call.options.topic, {name: _level(value) for name, value in row.items()}),
            json.dumps(row, ensure_ascii=False).encode(),
        )
        for row in rows
    ]
    with Publisher(call.endpoint, f"onemap-{call.sink.sink}", call.sink.timeout.total_seconds()) as publisher:
        publisher.publish(messages)
    return Outcome(receipt=f"{len(rows)} messages acknowledged by {call.endpoint.host}".encode())


def _level(value: str | None) -> str:
    """A value as one level of a topic: no separators, no wildcards (MQTT 3.1.1 §4.7)."""
    return "".join("_" if sign in "/+#\x00" else sign for sign in value or "_") or "_"


def check(call: Call) -> list[CheckLine]:
    """Whether the broker lets us in."""
    try:
        with Publisher(call.endpoint, f"onemap-{call.sink.sink}-check", call.sink.timeout.total_seconds()):
            pass
        return [CheckLine(call.name, True, f"connected to {call.endpoint.host}")]
    except OneMapError as error:
        return [CheckLine.failed(call.name, error)]
