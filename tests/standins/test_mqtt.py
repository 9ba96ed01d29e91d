"""S4 by MQTT, read by paho: a password, persistent sessions, QoS 1."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from jsonschema import Draft202012Validator

from standins.systems.broker import matches
from standins.testing import Running, wait_for
from tests.standins import sample
from tests.standins.test_soap import CONTRACTS

SCHEMA = json.loads((Path(CONTRACTS) / "s4.schema.json").read_text("utf-8"))


@contextmanager
def client(
    stand: Running, name: str, *, password: str | None = None, subscribe: bool = True, acks: bool = True
) -> Iterator[dict[str, Any]]:
    told = stand.connection("s_mqtt")
    state: dict[str, Any] = {"messages": [], "code": None, "present": None, "ready": threading.Event()}
    paho = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=name,
        clean_session=False,
        reconnect_on_failure=False,
        manual_ack=not acks,
    )
    paho.username_pw_set(told["login"], password or told["password"])

    def connected(c: mqtt.Client, _: Any, flags: Any, code: Any, __: Any) -> None:
        state["code"], state["present"] = code, flags.session_present
        if subscribe and not code.is_failure:
            c.subscribe("dg/site/#", qos=1)
        else:
            state["ready"].set()

    paho.on_connect = connected
    paho.on_subscribe = lambda *_: state["ready"].set()
    paho.on_message = lambda _, __, message: state["messages"].append(
        (message.topic, json.loads(message.payload), message.qos)
    )
    paho.connect(told["host"], told["port"])
    paho.loop_start()
    try:
        assert state["ready"].wait(30)
        yield {**state, "client": paho}
    finally:
        paho.disconnect()
        paho.loop_stop()


def test_a_wrong_password_is_refused(stand: Running) -> None:
    with client(stand, "wrong", password="wrong", subscribe=False) as state:
        assert state["code"].is_failure


def test_a_first_subscription_is_sent_the_last_day_and_then_what_comes(stand: Running) -> None:
    with client(stand, "first") as state:
        wait_for(lambda: len(state["messages"]) == 28)
        topic, message, qos = state["messages"][0]
        assert topic.split("/")[:2] == ["dg", "site"] and topic.split("/")[2] in sample.CODES and qos == 1
        Draft202012Validator({"$ref": "#/$defs/message", "$defs": SCHEMA["$defs"]}).validate(message)
        stand.move_clock(hours=1, minutes=1)
        wait_for(lambda: len(state["messages"]) == 48)
        assert state["messages"][-1][0].endswith("/M19")
    stand.move_clock(at=sample.CLOCK)


def test_a_session_keeps_what_came_while_its_client_was_away(stand: Running) -> None:
    with client(stand, "away") as state:
        wait_for(lambda: len(state["messages"]) == 28)
    stand.move_clock(hours=1, minutes=1)
    try:
        with client(stand, "away", subscribe=False) as state:
            assert state["present"]
            wait_for(lambda: len(state["messages"]) == 20)
    finally:
        stand.move_clock(at=sample.CLOCK)


def test_what_is_not_acknowledged_comes_again_and_in_order(stand: Running) -> None:
    with client(stand, "hesitant", acks=False) as state:
        wait_for(lambda: len(state["messages"]) == 20)  # no more than the window
    with client(stand, "hesitant", subscribe=False) as again:
        wait_for(lambda: len(again["messages"]) == 28)
        assert again["messages"][:20] == state["messages"]


def test_filters(stand: Running) -> None:
    assert matches("dg/site/#", "dg/site/a/b") and matches("dg/site/+/b", "dg/site/a/b") and matches("#", "x")
    assert not matches("dg/site/+", "dg/site/a/b") and not matches("dg/site/a/b/c", "dg/site/a/b")


def test_clients_cannot_publish_and_may_be_cut_off(stand: Running) -> None:
    with client(stand, "other") as state:
        wait_for(lambda: len(state["messages"]) == 28)
        state["client"].publish("dg/site/x/y", b"{}", qos=1).wait_for_publish(2)
        stand.faults.arm("s4_mqtt", "down")
        stand.settle()
        wait_for(lambda: not state["client"].is_connected())
        assert len(state["messages"]) == 28
