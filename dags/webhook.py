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
        from datetime import timedelta

        from connectors.endpoint import resolve
        from connectors.http import Http
        from sources.declaration import Owner, Source

        endpoint = resolve(self.conn_id)
        source = Source(
            source=self.conn_id,
            name="通知",
            system="市一体化政务服务平台",
            owner=Owner(department="通知接收方"),
            connection=self.conn_id,
            protocol="rest",
            schedule="",
            promise=timedelta(0),
            feeds={},
            options={"http": {"attempts": 3, "total": 60}},
        )
        http = Http(source, endpoint)
        try:
            key = {endpoint.extra.get("parameter", "key"): endpoint.password} if endpoint.password else None
            http.post(
                endpoint.extra.get("path", ""), params=key, json={"msgtype": "text", "text": {"content": self.text}}
            )
        finally:
            http.close()
