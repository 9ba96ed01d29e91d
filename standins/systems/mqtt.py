"""S4 ground, the stream: the devices of the world publish what is marked ``_mqtt`` when its time comes.

Topic ``dg/site/{project_code}/{device}``, QoS 1. Devices keep their last day: a client that subscribes for the first
time is sent it, as one sees after a power cut on a site.
"""

from __future__ import annotations

import hmac
import json
import socket
from datetime import datetime, timedelta
from typing import Any

from standins.connections import HOST, LOGINS, MQTT_CLIENT_ID, connection
from standins.context import Context
from standins.systems.broker import Broker
from standins.told import Row, Table

TOPIC = "dg/site"
BUFFER = timedelta(days=1)


class Devices:
    """The broker, and what is published on it."""

    def __init__(self, ctx: Context, table: Table) -> None:
        self.ctx = ctx
        self.table = table
        self.broker = Broker(self._known_user, self._subscribed)
        self._greeted: set[str] = set()
        self._told_to = datetime.max

    async def start(self, sock: socket.socket) -> None:
        self.port = sock.getsockname()[1]
        self._told_to = self.ctx.now()
        await self.broker.start(sock)

    async def stop(self) -> None:
        await self.broker.stop()

    def connection(self) -> dict[str, Any]:
        """The Connection s_mqtt."""
        return connection(
            "s_mqtt",
            "generic",
            host=HOST,
            port=self.port,
            login=LOGINS["s_mqtt"],
            password=self.ctx.secret("s_mqtt"),
            extra={"tls": False, "client_id": MQTT_CLIENT_ID},
        )

    def move(self, now: datetime) -> None:
        """Publish what became due since the last call; a clock that goes back takes nothing back."""
        if now > self._told_to:
            for row in self.table.due(self._told_to, now):
                if row.data.get("_mqtt"):
                    self.broker.publish(*_message(row))
        self._told_to = now

    def outage(self, down: bool) -> None:
        """The fault "down": every client is cut off and none comes in; sessions stay."""
        self.broker.refusing = down
        if down:
            self.broker.cut()

    def _known_user(self, user: str, password: str) -> bool:
        return user == LOGINS["s_mqtt"] and hmac.compare_digest(password.encode(), self.ctx.secret("s_mqtt").encode())

    async def _subscribed(self, client_id: str) -> None:
        if client_id in self._greeted:
            return
        self._greeted.add(client_id)
        now = self.ctx.now()
        session = self.broker.sessions[client_id]
        for row in self.table.window(now, now - BUFFER, None):
            if row.data.get("_mqtt"):
                session.publish(*_message(row))


def _message(row: Row) -> tuple[str, bytes]:
    reading = row.data
    payload = {name: reading.get(name) for name in ("t", "kind", "v")}
    return f"{TOPIC}/{reading['project_code']}/{reading['device']}", json.dumps(payload).encode()
