"""``mqtt``: messages that a broker keeps for us in a persistent session (S4), docs/source-systems.md "S4".

Connection: host, port (1883, with TLS 8883), login, password, ``extra.tls`` (true, or the file of the CA),
``extra.client_id`` (the session's; ``onemap-<source>``). Feed options::

    topic: dg/site/{project_code}/{device}      names in braces become columns
    quiet: 2                    seconds without a message after which the session counts as drained
    longest: 60                 seconds of one reading at most
    most: 100000                messages of one reading at most

MQTT 3.1.1, QoS 1, session kept. A message is acknowledged once it is on our disk (:mod:`connectors.transports.spool`): brokers
hand out some twenty unacknowledged ones at a time, so waiting for the commit would stop the stream. State:
``{"spooled": number of the last file, "session": true}``.
"""

from __future__ import annotations

import base64
import queue
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import msgspec
import paho.mqtt.client as paho
import pyarrow as pa
from paho.mqtt.enums import CallbackAPIVersion

from connectors.base import Batch, CheckLine, Connector, Issue, Payload, Proof, Reject, Window
from connectors.decoders import jsonrows
from connectors.limits import Limits
from connectors.transports.broker import Session, connect, port
from connectors.transports.http import Policy
from connectors.transports.spool import Spool
from core import clock
from core.errors import OneMapError, TransientError
from core.redaction import hide
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_AT_ONCE = 8 << 20  # bytes that are written at once


class Mqtt(Connector):
    """S4, the stream."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.policy = Policy(attempts=3, total=60)
        hide(endpoint.secrets)

    def check(self) -> list[CheckLine]:
        """Connect with a session of its own (the stream's stays as it is) and subscribe to each feed's topic."""
        lines = []
        where = f"{self.endpoint.host}:{port(self.endpoint)}"
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
