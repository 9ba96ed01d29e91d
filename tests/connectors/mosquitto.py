"""Mosquitto on a free port, with a login, its sessions on disk."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

USER, PASSWORD = "hub", "mqtt-password-not-real"


class Mosquitto:
    """A broker that can be stopped and started again with its sessions."""

    def __init__(self, program: str, folder: Path, *, tls: Path | None = None, acl: str = "readwrite #") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        passwords = folder / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(passwords), USER, PASSWORD], check=True, capture_output=True
        )
        subprocess.run(
            ["mosquitto_passwd", "-b", str(passwords), "device", "device-password"], check=True, capture_output=True
        )
        (folder / "acl").write_text(f"user {USER}\ntopic {acl}\nuser device\ntopic readwrite #\n")
        for file in (folder, passwords, folder / "acl"):
            file.chmod(0o700 if file.is_dir() else 0o600)
        me = pwd.getpwuid(os.getuid()).pw_name
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {folder / 'acl'}",
            "persistence true",
            f"persistence_location {folder}/",
            f"user {me}",
            "max_queued_messages 0",
            "log_type error",
        ]
        if tls:
            lines += [f"certfile {tls / 'cert.pem'}", f"keyfile {tls / 'key.pem'}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("mosquitto does not come up")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(5)

    def publish(self, messages: Iterable[tuple[str, bytes | str]]) -> None:
        """At QoS 1, each acknowledged by the broker."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("device", "device-password")
        client.max_inflight_messages_set(1000)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for sent in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
            sent.wait_for_publish(10)
        client.disconnect()
        client.loop_stop()
