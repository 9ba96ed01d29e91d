"""S4 ground, the stream: an MQTT 3.1.1 broker (amqtt) to which the devices of the world publish.

A reading marked ``_mqtt`` is published on ``dg/site/{project_code}/{device}`` when the world's clock reaches it. Devices
keep their last day: who subscribes for the first time is sent it again, as one sees after a power cut on a site.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from amqtt.broker import Broker as MqttBroker
from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from standins.connections import HOST, LOGINS, MQTT_CLIENT_ID, connection
from standins.context import Context
from standins.told import Row, Table

TOPIC = "dg/site"
BUFFER = timedelta(days=1)
_brokers: dict[str, Broker] = {}  # amqtt makes its plugins by name; they find their broker by the bind address


class Password(BaseAuthPlugin):
    """One user with a password; nobody else."""

    @dataclass
    class Config:
        """``bind``: the broker's address."""

        bind: str

    async def authenticate(self, *, session: Session) -> bool:
        secret = _of(self).ctx.secret("s_mqtt")
        password = session.password or ""
        if isinstance(password, bytes | bytearray):
            password = bytes(password).decode()
        return session.username == LOGINS["s_mqtt"] and hmac.compare_digest(password, secret)


class ReadersOnly(BaseTopicPlugin):
    """Clients subscribe; the devices alone publish. A first subscription is told of the devices' buffer."""

    Config = Password.Config

    async def topic_filtering(self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None) -> bool:
        return action != Action.PUBLISH

    async def on_broker_client_subscribed(self, *, client_id: str, topic: str, qos: int | None) -> None:
        await _of(self).subscribed(client_id)


def _of(plugin: Any) -> Broker:
    return _brokers[plugin.config.bind]


class Broker:
    """The broker and the devices behind it."""

    def __init__(self, ctx: Context, table: Table) -> None:
        self.ctx = ctx
        self.table = table
        self._broker: MqttBroker | None = None
        self._known: set[str] = set()
        self._told_to: datetime | None = None

    async def start(self, sock: socket.socket) -> None:
        self.port = sock.getsockname()[1]
        self._bind = f"{HOST}:{self.port}"
        sock.close()  # amqtt binds by number only
        _brokers[self._bind] = self
        self._told_to = self.ctx.now()
        await self._up()

    async def _up(self) -> None:
        plugins = {f"{__name__}.{plugin.__name__}": {"bind": self._bind} for plugin in (Password, ReadersOnly)}
        self._broker = MqttBroker({"listeners": {"default": {"type": "tcp", "bind": self._bind}}, "plugins": plugins})
        await self._broker.start()

    async def stop(self) -> None:
        if self._broker:
            await self._broker.shutdown()
        _brokers.pop(self._bind, None)

    def connection(self) -> dict[str, Any]:
        """The Connection s_mqtt."""
        return connection(
            "s_mqtt", "generic", host=HOST, port=self.port, login=LOGINS["s_mqtt"], password=self.ctx.secret("s_mqtt"),
            extra={"tls": False, "client_id": MQTT_CLIENT_ID},
        )  # fmt: skip

    async def move(self, now: datetime) -> None:
        """Publish what became due since the last call."""
        if self._told_to is None or now <= self._told_to:
            return
        for row in self.table.due(self._told_to, now):
            if row.data.get("_mqtt"):
                await self._publish(row)
        self._told_to = now

    async def subscribed(self, client_id: str) -> None:
        """A client's first subscription: the devices send their last day again."""
        if client_id in self._known:
            return
        self._known.add(client_id)
        now = self.ctx.now()
        for row in self.table.window(now, now - BUFFER, None):
            if row.data.get("_mqtt"):
                await self._publish(row)

    async def outage(self, down: bool) -> None:
        """The fault "down": every client is cut off, sessions stay."""
        if down and self._broker:
            for _, handler in list(self._broker._sessions.values()):
                with contextlib.suppress(Exception):
                    await handler.writer.close()
            await asyncio.sleep(0)

    async def _publish(self, row: Row) -> None:
        reading = row.data
        message = {name: reading.get(name) for name in ("t", "kind", "v")}
        topic = f"{TOPIC}/{reading['project_code']}/{reading['device']}"
        await self._broker.internal_message_broadcast(topic, json.dumps(message).encode(), None)
