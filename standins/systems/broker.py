"""An MQTT 3.1.1 broker for readers: one user, topic filters, QoS 0 and 1, persistent sessions.

The packets are amqtt's; the delivery is our own, because amqtt's broker gives up a QoS 1 message that is not acknowledged
within 5 seconds, and one that was under way when its client left. A reader that acknowledges after its commit would
lose both. Here a message stays until it is acknowledged [MQTT-4.3.2], and is sent again, in order and marked as a
duplicate, when its client comes back [MQTT-4.4.0-1].
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from amqtt.adapters import StreamReaderAdapter
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import MQTTFixedHeader, MQTTPacket
from amqtt.mqtt.pingreq import PingReqPacket
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket

IN_FLIGHT = 20  # unacknowledged at a time, as common brokers have it
CONNECT_SECONDS = 10
ACCEPTED, BAD_PROTOCOL, BAD_IDENTIFIER, BAD_LOGIN = 0, 1, 2, 4
REFUSED_FILTER = 0x80


@dataclass
class Session:
    """A client's subscriptions and what it has not acknowledged; outlives its connection unless clean."""

    client_id: str
    clean: bool
    filters: dict[str, int] = field(default_factory=dict)
    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    in_flight: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    writer: asyncio.StreamWriter | None = None
    last_id: int = 0
    patience: float | None = None  # seconds without a packet before the client counts as gone [MQTT-3.1.2-24]

    def publish(self, topic: str, payload: bytes) -> None:
        """Deliver by the best QoS of the filters that fit; nothing where none does."""
        qos = max((qos for name, qos in self.filters.items() if matches(name, topic)), default=None)
        if qos is None:
            return
        if qos == 0:
            self._send(PublishPacket.build(topic, payload, None, False, 0, False))
        elif self.writer or not self.clean:
            self.waiting.append((topic, payload))
            self.pump()

    def pump(self) -> None:
        """Send what waits, as far as the window of unacknowledged messages allows."""
        while self.writer and self.waiting and len(self.in_flight) < IN_FLIGHT:
            topic, payload = self.waiting.popleft()
            self.last_id = self.last_id % 65535 + 1
            self.in_flight[self.last_id] = (topic, payload)
            self._send(PublishPacket.build(topic, payload, self.last_id, False, 1, False))

    def resume(self) -> None:
        """A client came back: what it did not acknowledge again, then what waits."""
        for packet_id, (topic, payload) in self.in_flight.items():
            self._send(PublishPacket.build(topic, payload, packet_id, True, 1, False))
        self.pump()

    def acknowledged(self, packet_id: int) -> None:
        if self.in_flight.pop(packet_id, None) is not None:
            self.pump()

    def _send(self, packet: MQTTPacket) -> None:
        if self.writer and not self.writer.is_closing():
            self.writer.write(packet.to_bytes())


class Broker:
    """``authenticate(user, password)`` decides who comes in, ``subscribed(client_id)`` is told of subscriptions."""

    def __init__(self, authenticate: Callable[[str, str], bool], subscribed: Callable[[str], Awaitable[None]]) -> None:
        self._authenticate = authenticate
        self._subscribed = subscribed
        self.sessions: dict[str, Session] = {}
        self.refusing = False  # nobody comes in
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        self._server = await asyncio.start_server(self._client, sock=sock)

    async def stop(self) -> None:
        self.cut()
        if self._server:
            self._server.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 1)

    def cut(self) -> None:
        """Break every connection; the sessions stay."""
        for session in self.sessions.values():
            if session.writer:
                session.writer.transport.abort()

    def publish(self, topic: str, payload: bytes) -> None:
        """To every session with a filter that fits."""
        for session in self.sessions.values():
            session.publish(topic, payload)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = None
        try:
            if not self.refusing:
                session = await self._connect(reader, writer)
            if session:
                await self._serve(session, reader, writer)
        except (AMQTTError, MQTTError, NoDataError, OSError, TimeoutError, EOFError):
            pass  # a client that breaks off or the protocol is let go
        finally:
            writer.close()
            if session and session.writer is writer:
                session.writer = None
                if session.clean:
                    self.sessions.pop(session.client_id, None)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Session | None:
        packet = await asyncio.wait_for(_read(reader), CONNECT_SECONDS)
        if not isinstance(packet, ConnectPacket):
            return None
        code = ACCEPTED
        if packet.proto_level != 4:
            code = BAD_PROTOCOL
        elif not self._authenticate(packet.username or "", packet.password or ""):
            code = BAD_LOGIN
        elif packet.client_id_is_random and not packet.clean_session_flag:
            code = BAD_IDENTIFIER
        if code != ACCEPTED:
            writer.write(ConnackPacket.build(0, code).to_bytes())
            await writer.drain()
            return None
        known = self.sessions.get(packet.client_id)
        if known and known.writer:
            known.writer.transport.abort()  # the later client of an id wins [MQTT-3.1.4-2]
        if known is None or packet.clean_session_flag or known.clean:
            known = None
        session = known or Session(packet.client_id, packet.clean_session_flag)
        self.sessions[session.client_id] = session
        session.writer = writer
        session.patience = packet.keep_alive * 1.5 or None
        writer.write(ConnackPacket.build(1 if known else 0, ACCEPTED).to_bytes())
        session.resume()
        return session

    async def _serve(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            packet = await asyncio.wait_for(_read(reader), session.patience)
            match packet:
                case PubackPacket():
                    session.acknowledged(packet.packet_id)
                case SubscribePacket():
                    codes = [qos if _valid(name) else REFUSED_FILTER for name, qos in _capped(packet)]
                    session.filters |= {name: qos for name, qos in _capped(packet) if _valid(name)}
                    writer.write(SubackPacket.build(packet.variable_header.packet_id, codes).to_bytes())
                    await self._subscribed(session.client_id)
                case UnsubscribePacket():
                    for name in packet.payload.topics:
                        session.filters.pop(name, None)
                    writer.write(UnsubackPacket.build(packet.variable_header.packet_id).to_bytes())
                case PublishPacket():  # taken politely and dropped: the devices alone publish
                    if packet.qos:
                        writer.write(PubackPacket.build(packet.packet_id).to_bytes())
                case PingReqPacket():
                    writer.write(PingRespPacket().to_bytes())
                case DisconnectPacket() | None:
                    return
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> MQTTPacket | None:
    adapter = StreamReaderAdapter(reader)
    header = await MQTTFixedHeader.from_stream(adapter)
    if header is None:
        return None
    return await packet_class(header).from_stream(adapter, fixed_header=header)


def _capped(packet: SubscribePacket) -> list[tuple[str, int]]:
    return [(name, min(qos, 1)) for name, qos in packet.payload.topics]


def _valid(name: str) -> bool:
    levels = name.split("/")
    return (
        bool(name)
        and "#" not in levels[:-1]
        and all(len(level) == 1 or not set(level) & {"#", "+"} for level in levels)
    )


def matches(name: str, topic: str) -> bool:
    """Does a topic filter with ``+`` and ``#`` fit the topic? [MQTT-4.7.1]"""
    wanted, given = name.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)
