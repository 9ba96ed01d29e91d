"""Messages to a broker: QoS 1, each acknowledged before :meth:`Publisher.publish` returns. The Connection is that of :mod:`connectors.protocols.mqtt`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from connectors.transports.broker import connect
from core.errors import ProviderError, TransientError
from core.redaction import hide

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint

_IN_FLIGHT = 200  # messages that wait for their acknowledgement at a time


class Publisher:
    """A session of its own for as long as the block lasts. Time-outs in seconds."""

    def __init__(self, endpoint: Endpoint, client_id: str, timeout: float) -> None:
        hide(endpoint.secrets)
        self._endpoint, self._timeout = endpoint, timeout
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True, reconnect_on_failure=False
        )
        self._client.max_inflight_messages_set(_IN_FLIGHT)

    def __enter__(self) -> Self:
        """:raises OneMapError: the broker cannot be reached, or refuses."""
        self._session = connect(self._client, self._endpoint, self._timeout)
        return self

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Topic and payload of each.

        :raises ProviderError: a topic or a payload that MQTT does not take. :raises TransientError: not acknowledged in time.
        """
        deadline = time.monotonic() + self._timeout
        waiting = []
        for topic, payload in messages:
            try:
                waiting.append(self._client.publish(topic, payload, qos=1))
            except ValueError as error:
                raise ProviderError(
                    f"the topic {topic!r} cannot be published to: {error}",
                    remedy="correct options.topic",
                    zh=f"主题 {topic} 无法发布，请更正 options.topic。",
                ) from error
        for number, message in enumerate(waiting, 1):
            while not _is_acknowledged(message):
                if self._session.broken.is_set() or time.monotonic() > deadline:
                    raise TransientError(
                        f"the broker acknowledged {number - 1} of {len(waiting)} messages",
                        remedy="the same messages are sent again by themselves",
                        zh=f"消息服务只确认了 {len(waiting)} 条中的 {number - 1} 条，将原样重发。",
                        code="not_acknowledged",
                    )
                time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._session.close()


def _is_acknowledged(message: paho.MQTTMessageInfo) -> bool:
    try:
        return message.is_published()
    except RuntimeError:  # handed over when the connection was gone
        return False
