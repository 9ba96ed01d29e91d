"""An MQTT client's session with a broker: connect, subscribe, and take what arrives within bounded memory.

The Connection is that of :mod:`connectors.protocols.mqtt`.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import paho.mqtt.client as paho

from core.errors import AuthenticationError, ConfigurationError, TransientError

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint

_WAITING = 32 << 20  # bytes of messages that wait to be written
_REFUSED = {1: "protocol version", 2: "client id", 4: "login or password", 5: "not authorised"}  # MQTT 3.1.1 §3.2.2.3


class Arrived:
    """Messages between the client's thread and ours: where they are many bytes, that thread waits, and the broker with it."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._bytes = 0
        self._closed = False

    def put(self, message: paho.MQTTMessage) -> None:
        """Called by the client's thread."""
        with self._room:
            self._room.wait_for(lambda: self._bytes < _WAITING or self._closed)
            self._bytes += len(message.payload)
        self._messages.put(message)

    def get(self, timeout: float) -> paho.MQTTMessage:
        """:raises queue.Empty: none within so many seconds."""
        message = self._messages.get(timeout=timeout)
        with self._room:
            self._bytes -= len(message.payload)
            self._room.notify()
        return message

    def close(self) -> None:
        """Whoever waits for room goes on."""
        with self._room:
            self._closed = True
            self._room.notify()


@dataclass(slots=True)
class Session:
    """A client with its thread; what arrives stands in ``arrived``."""

    client: paho.Client
    arrived: Arrived = field(default_factory=Arrived)
    answered: queue.SimpleQueue[tuple[int, bool | None]] = field(default_factory=queue.SimpleQueue)
    broken: Event = field(default_factory=Event)
    resumed: bool = False

    def __post_init__(self) -> None:
        self.client.on_connect = lambda client, data, flags, reason, _: self.answered.put(
            (reason.value, flags.session_present)
        )
        self.client.on_subscribe = lambda client, data, mid, reasons, _: self.answered.put((reasons[0].value, None))
        self.client.on_message = lambda client, data, message: self.arrived.put(message)
        self.client.on_disconnect = lambda client, data, flags, reason, _: self.broken.set()

    def connected(self, where: str, timeout: float) -> None:
        code, resumed = self._answer(where, timeout)
        self.resumed = bool(resumed)
        if code:
            what = _REFUSED.get(code if code < 128 else {132: 1, 133: 2, 134: 4, 135: 5}.get(code, 0), f"code {code}")
            if code in (3, 136):
                raise TransientError(
                    f"the broker {where} is not available", zh=f"消息服务 {where} 暂不可用，将自动重试。", code="busy"
                )
            raise AuthenticationError(
                f"the broker {where} refuses us: {what}",
                remedy="check login, password and client_id of the Connection with the source's owner",
                zh=f"消息服务 {where} 拒绝连接（{what}），请核对连接的账号、密码与 client_id。",
                code="refused",
            )

    def subscribe(self, topic: str, timeout: float) -> None:
        self.client.subscribe(topic, qos=1)
        code, _ = self._answer(topic, timeout)
        if code >= 128:
            raise AuthenticationError(
                f"the broker refuses the subscription to {topic}",
                remedy="have the source's owner grant the topic",
                zh=f"消息服务拒绝订阅 {topic}，请数源部门授权该主题。",
                code="refused",
            )

    def _answer(self, what: str, timeout: float) -> tuple[int, bool | None]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                return self.answered.get(timeout=0.25)
            except queue.Empty:
                if self.broken.is_set() and self.answered.empty():
                    break
        raise TransientError(
            f"the broker did not answer in time ({what})",
            remedy="tried again by itself",
            zh="消息服务未及时应答，将自动重试。",
            code="timeout",
        )

    def close(self) -> None:
        self.client.on_disconnect = None
        self.arrived.close()
        self.client.disconnect()
        self.client.loop_stop()


def connect(client: paho.Client, endpoint: Endpoint, timeout: float) -> Session:
    """A client's session with the broker, its thread begun; ``timeout`` in seconds.

    :raises OneMapError: the broker cannot be reached, or refuses.
    """
    if endpoint.login:
        client.username_pw_set(endpoint.login, endpoint.password or None)
    context = _tls(endpoint)
    if context is not None:
        client.tls_set_context(context)
    session = Session(client)
    client.connect_timeout = min(10.0, timeout)
    where = f"{endpoint.host}:{port(endpoint)}"
    try:
        client.connect(endpoint.host, port(endpoint), keepalive=30)
    except ssl.SSLCertVerificationError as error:
        raise AuthenticationError(
            f"the certificate of {where} does not verify: {error.verify_message}",
            remedy="set extra.tls of the Connection to the CA's file",
            zh=f"{where} 的证书未通过校验：{error.verify_message}。请在连接的 tls 中填写 CA 证书文件。",
            code="certificate",
        ) from error
    except (OSError, ValueError) as error:
        raise TransientError(
            f"no connection to the broker {where}: {error}",
            remedy="tried again by itself; if it lasts, check network, host and port with the broker's owner",
            zh=f"无法连接消息服务 {where}，将自动重试；如持续，请与其管理方核对网络、地址与端口。",
            code="network",
        ) from error
    client.loop_start()
    try:
        session.connected(where, timeout)
    except Exception:
        session.close()
        raise
    return session


def port(endpoint: Endpoint) -> int:
    return endpoint.port or (8883 if _wants_tls(endpoint) else 1883)


def _wants_tls(endpoint: Endpoint) -> bool:
    given = endpoint.extra.get("tls")
    return bool(given) and str(given).lower() not in ("false", "0", "no")


def _tls(endpoint: Endpoint) -> ssl.SSLContext | None:
    if not _wants_tls(endpoint):
        return None
    given = endpoint.extra["tls"]
    if given is True or str(given).lower() in ("true", "1", "yes"):
        given = endpoint.extra.get("verify", True)
    if given is True:
        return ssl.create_default_context()
    if not Path(str(given)).is_file():
        raise ConfigurationError(
            f"extra.tls of the Connection {endpoint.conn_id} is neither true nor an existing CA file",
            remedy="give the file (PEM) of the CA that signed the broker's certificate",
            zh=f"连接 {endpoint.conn_id} 的 tls 应为 true 或存在的 CA 证书文件（PEM）。",
            field="tls",
            code="bad_verify",
        )
    return ssl.create_default_context(cafile=str(given))
