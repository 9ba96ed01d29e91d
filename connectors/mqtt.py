"""``mqtt``: messages that a broker keeps for us in a persistent session (S4), docs/source-systems.md "S4".

Connection: host, port (1883, with TLS 8883), login, password, ``extra.tls`` (true, or the file of the CA),
``extra.client_id`` (the session's; ``onemap-<source>``). Feed options::

    topic: dg/site/{project_code}/{device}      names in braces become columns
    quiet: 2                    seconds without a message after which the session counts as drained
    longest: 60                 seconds of one reading at most
    most: 100000                messages of one reading at most

MQTT 3.1.1, QoS 1, session kept. A message is acknowledged once it is on our disk (:mod:`connectors.spool`): brokers
hand out some twenty unacknowledged ones at a time, so waiting for the commit would stop the stream. State:
``{"spooled": number of the last file, "session": true}``.
"""

from __future__ import annotations

import base64
import queue
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import filelock
import msgspec
import paho.mqtt.client as paho
import pyarrow as pa
from paho.mqtt.enums import CallbackAPIVersion

from connectors import jsonrows
from connectors.base import Batch, CheckLine, Connector, Issue, Payload, Proof, Reject, Window
from connectors.http import Policy
from connectors.limits import Limits
from connectors.spool import Spool
from core import clock
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from core.redaction import hide
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_WAITING = 32 << 20  # bytes of messages that wait to be written
_AT_ONCE = 8 << 20  # bytes that are written at once
_REFUSED = {1: "protocol version", 2: "client id", 4: "login or password", 5: "not authorised"}  # MQTT 3.1.1 §3.2.2.3


class Mqtt(Connector):
    """S4, the stream."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.policy = Policy(attempts=3, total=60)
        hide(endpoint.secrets)

    def check(self) -> list[CheckLine]:
        """Connect with a session of its own (the stream's stays as it is) and subscribe to each feed's topic."""
        lines = []
        where = f"{self.endpoint.host}:{_port(self.endpoint)}"
        for feed in self.source.feeds.values():
            try:
                session = self._connect(feed, check=True)
                session.close()
                lines.append(CheckLine(feed.id, True, f"subscribed to {_filter(feed)} at {where}"))
            except OneMapError as error:
                lines.append(CheckLine.failed(feed.id, error))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        state = state or {}
        lock = filelock.FileLock(_lock_file(feed))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise TransientError(
                f"another reading of {feed.id} is under way",
                remedy="wait for it to end",
                zh=f"数据项 {feed.id} 正由另一任务读取，请稍后再试。",
                source=self.source.source,
                feed=feed.id,
                code="busy",
            ) from None
        try:
            spool = Spool(feed.id, int(state.get("spooled") or 0), longest=Limits.of(feed).field)
            for file in spool.files():
                yield _payload(feed, file, clock.now())
            left, started = spool.last, clock.now()
            session = self.policy.retrying(self.policy.attempts)(self._connect, feed)
            issues = []
            if state.get("session") and not session.resumed:
                issues.append(
                    Issue(
                        "session_lost", f"{feed.id}: the broker has lost our session; what came between is read by day"
                    )
                )
            try:
                taken, drained = _drain(feed, session, spool)
            finally:
                session.close()
                spool.close()
            for file in spool.files():
                if int(file.stem) > left:
                    yield _payload(feed, file, started)
            if session.broken.is_set():
                issues.append(
                    Issue(
                        "disconnected",
                        f"{feed.id}: the broker broke off after {taken} messages; the rest comes next time",
                    )
                )
            why = f"{taken} messages; " + ("quiet" if drained else "more are waiting")
            yield Proof(drained, why, None, taken, {"spooled": spool.last, "session": True}, issues)
        finally:
            lock.release()

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.content
        messages, places, rejects = jsonrows.rows(jsonrows.lines(body), "message")
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(options.of_feed("mqtt", feed).topic)))
        pending: list[tuple[str, str, dict[str, str]]] = []
        for message, place in zip(messages, places, strict=True):
            topic, text = jsonrows.one(message.get("topic")) or "", jsonrows.one(message.get("payload"))
            named = pattern.fullmatch(topic)
            if (size := jsonrows.one(message.get("bytes"))) is not None:
                rejects.append(
                    Reject(place, "over_limit", f"the payload has {size} bytes, only its head is kept", text, topic)
                )
            elif text is None:
                raw = jsonrows.one(message.get("base64")) or ""
                with suppress(ValueError):
                    raw = base64.b64decode(raw).decode("utf-8", "backslashreplace")
                rejects.append(Reject(place, "undecodable", "the payload is no UTF-8", raw, topic))
            elif named is None:
                rejects.append(
                    Reject(
                        place,
                        "bad_topic",
                        f"the topic is not of the form {options.of_feed('mqtt', feed).topic}",
                        text,
                        topic,
                    )
                )
            else:
                pending.append((place, text, named.groupdict()))
        rows, good = _bodies(pending, rejects)
        columns = jsonrows.table(rows, [place for place, _, _ in good])
        for name in pattern.groupindex:
            values = pa.array([named[name] for _, _, named in good], pa.large_string())
            columns = columns.drop_columns([name]) if name in columns.column_names else columns
            columns = columns.add_column(0, name, values)
        yield Batch(columns, rejects)

    def _connect(self, feed: Feed, *, check: bool = False) -> Session:
        """Connected and subscribed. :raises OneMapError: the broker cannot be reached, or refuses."""
        name = str(self.endpoint.extra.get("client_id") or f"onemap-{self.source.source}")
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{name}-check" if check else name,
            clean_session=check,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.max_queued_messages_set(0)
        timeout = self.source.timeout.total_seconds()
        try:
            session = connect(client, self.endpoint, timeout)
            try:
                session.subscribe(_filter(feed), timeout)
            except OneMapError:
                session.close()
                raise
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__
        return session


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
    where = f"{endpoint.host}:{_port(endpoint)}"
    try:
        client.connect(endpoint.host, _port(endpoint), keepalive=30)
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


def _drain(feed: Feed, session: Session, spool: Spool) -> tuple[int, bool]:
    """Take messages until it is quiet; (how many, was it quiet)."""
    given = options.of_feed("mqtt", feed)
    quiet, longest, most = given.quiet, given.longest, given.most
    taken, last, end = 0, time.monotonic(), time.monotonic() + longest
    while taken < most and (now := time.monotonic()) < end:
        messages = _burst(session, min(1000, most - taken), min(last + quiet, end) - now)
        if not messages:
            if session.broken.is_set():
                return taken, False
            if time.monotonic() >= last + quiet:
                return taken, True
            continue
        spool.write((_topic(message), bytes(message.payload)) for message in messages)
        for message in messages:
            session.client.ack(message.mid, message.qos)
        taken, last = taken + len(messages), time.monotonic()
    return taken, False


def _topic(message: paho.MQTTMessage) -> str:
    """Nothing where it is no UTF-8: such a message is of no topic that we know."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""


def _burst(session: Session, most: int, wait: float) -> list[paho.MQTTMessage]:
    """What has arrived by now, at most ``most``; waits for the first, the least bit for those on its heels."""
    messages: list[paho.MQTTMessage] = []
    try:
        messages.append(session.arrived.get(timeout=max(0.0, min(wait, 0.25))))
        size = len(messages[0].payload)
        while len(messages) < most and size < _AT_ONCE:
            messages.append(session.arrived.get(timeout=0.005))
            size += len(messages[-1].payload)
    except queue.Empty:
        pass
    return messages


def _bodies(
    pending: list[tuple[str, str, dict[str, str]]], rejects: list[Reject]
) -> tuple[list[jsonrows.Row], list[tuple[str, str, dict[str, str]]]]:
    """The messages' JSON objects and what they belong to; what is none goes to ``rejects``."""
    try:
        rows, _, bad = jsonrows.rows(("[" + ",".join(text for _, text, _ in pending) + "]").encode())
        if len(rows) == len(pending) and not bad:
            return rows, pending
    except (msgspec.DecodeError, RecursionError):
        pass
    rows, good = [], []
    for item in pending:
        try:
            found, _, _ = jsonrows.rows(f"[{item[1]}]".encode())
        except (msgspec.DecodeError, RecursionError):
            found = []
        if len(found) == 1:
            rows.append(found[0])
            good.append(item)
        else:
            rejects.append(Reject(item[0], "not_an_object", "the payload is no JSON object", item[1]))
    return rows, good


def _payload(feed: Feed, file: Path, started: datetime) -> Payload:
    count = file.read_bytes().count(b"\n")
    return Payload(
        body=file,
        media_type="application/x-ndjson",
        request={"topic": _filter(feed)},
        started_at=started,
        finished_at=clock.now(),
        facts={"file": file.name, "messages": count},
    )


def _filter(feed: Feed) -> str:
    return re.sub(r"\{\w+\}", "+", options.of_feed("mqtt", feed).topic)


def _lock_file(feed: Feed) -> Path:
    from core import settings

    folder = settings.home() / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{feed.id}.lock"


def _port(endpoint: Endpoint) -> int:
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
