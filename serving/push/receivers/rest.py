"""A REST service: POST of ``{"batch", "output", "rows"}`` with ``Idempotency-Key``, the batch's id at every attempt. The answer says
what was taken; one that does not account for every row is no receipt.
"""

from __future__ import annotations

import json
from typing import Any

import jmespath

from connectors.base import CheckLine
from connectors.transports import signing
from connectors.transports.http import Http
from core.errors import OneMapError, ProviderError
from serving.push.ledger import Row
from serving.push.receivers import Call, Outcome, rows_of
from sinks.declaration import RestOutput
from sources.options.base import HttpSettings


def form(call: Call, rows: list[Row]) -> bytes:
    """The body, the same at every attempt."""
    items = rows_of(call.output, rows, call.batch.id, call.batch.made_at)
    body = {"batch": call.batch.id, "output": call.output.id, "rows": items}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def send(call: Call, body: bytes) -> Outcome:
    """:raises ProviderError: the answer does not say of every row whether it was taken. :raises OneMapError: no answer."""
    http = _http(call)
    try:
        answer = http.post(
            call.options.path,
            data=body,
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Accept": "application/json",
                "Idempotency-Key": call.batch.id,
            },
            classify=http.classify,
        )
    finally:
        http.close()
    return receipt(json.loads(body)["rows"], answer.content, call.options, call.name)


def receipt(rows: list[dict[str, Any]], content: bytes, options: RestOutput, name: str) -> Outcome:
    """What an answer or a receipt says: every row is taken or refused, by the receiver's own key."""
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise _no_receipt(name, "is no JSON") from error
    refused = jmespath.search(options.rejected, answer) or []
    accepted = jmespath.search(options.accepted, answer)
    places: dict[str, list[int]] = {}
    for ord_, row in enumerate(rows, 1):
        places.setdefault(str(row[options.key]), []).append(ord_)
    rejected: dict[int, str] = {}
    for one in refused if isinstance(refused, list) else [None]:
        key = str(one.get(options.rejected_key)) if isinstance(one, dict) else None
        if not isinstance(one, dict) or key not in places:
            raise _no_receipt(name, "refuses a row that was not sent")
        rejected |= {ord_: str(one.get(options.reason) or "refused") for ord_ in places[key]}
    count = len(accepted) if isinstance(accepted, list) else accepted
    if isinstance(count, bool) or not isinstance(count, int) or count != len(rows) - len(rejected):
        raise _no_receipt(name, f"accounts for {count} taken and {len(rejected)} refused of {len(rows)}")
    return Outcome(rejected, content)


def check(call: Call) -> list[CheckLine]:
    """Whether the service answers, with our credentials: an empty batch is nothing to take."""
    try:
        http = _http(call)
        try:
            http.get("", accept=range(400, 500), retry=False)
        finally:
            http.close()
        return [CheckLine(call.name, True, f"{call.endpoint.base} answers")]
    except OneMapError as error:
        return [CheckLine.failed(call.name, error)]


def _http(call: Call) -> Http:
    settings = HttpSettings(attempts=3, total=60, read=call.sink.timeout.total_seconds())
    http = Http(call.endpoint, call.name, settings)
    http.sign, http.classify = signing.of(call.sink.options.auth, http)
    return http


def _no_receipt(name: str, what: str) -> ProviderError:
    return ProviderError(
        f"{name}: the receiver's answer {what}: no receipt",
        remedy="nothing counts as taken; the same batch is sent again. Ask the receiver for an answer that accounts for every row",
        zh=f"推送项 {name}：接收方的回执未能逐条对上（{what}），不作已收处理，将原样重发；请接收方更正回执。",
        code="bad_receipt",
    )
