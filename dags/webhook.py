"""A notifier for a group robot's webhook (企业微信, 钉钉 and others that take their text message)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class WebhookNotifier(BaseNotifier):
    """Posts ``{"msgtype": "text", "text": {"content": …}}``.

    Connection: host = base URL, extra ``path``; password = the robot's key, sent as the parameter that extra ``parameter``
    names (default ``key``).
    """

    template_fields: Sequence[str] = ("text",)

    def __init__(self, *, text: str, conn_id: str) -> None:
        super().__init__()
        self.text = text
        self.conn_id = conn_id

    def notify(self, context: Context) -> None:
        """:raises OneMapError: the Connection is missing, or the robot refuses; typed by whose fault."""
        from connectors.endpoint import resolve
        from connectors.transports.http import Http
        from sources.options.base import HttpSettings

        endpoint = resolve(self.conn_id)
        http = Http(endpoint, self.conn_id, HttpSettings(attempts=3, total=60))
        try:
            key = {endpoint.extra.get("parameter", "key"): endpoint.password} if endpoint.password else None
            http.post(
                endpoint.extra.get("path", ""), params=key, json={"msgtype": "text", "text": {"content": self.text}}
            )
        finally:
            http.close()
