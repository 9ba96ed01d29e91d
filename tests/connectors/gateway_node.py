"""Starts and steers ``servers/gateway.js``: the provincial gateway, by somebody else, in JavaScript."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

TOKEN, PAASID = "demo-token-not-real", "dg_onemap"


class GatewayServer:
    """``url`` is the base; ``set`` replaces the world and its faults, ``keep`` the calls counted so far."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/gw"

    def set(self, **state: Any) -> None:
        requests.post(f"{self.url}/_set", json=state, timeout=5).raise_for_status()

    def log(self) -> list[dict[str, Any]]:
        return requests.get(f"{self.url}/_log", timeout=5).json()


def file(name: str, body: bytes, created: str, **more: Any) -> dict[str, Any]:
    """A file as the gateway holds it."""
    return {
        "name": name,
        "base64": base64.b64encode(body).decode(),
        "size": str(len(body)),
        "md5": hashlib.md5(body).hexdigest(),
        "createTime": created,
        "url": f"/gw/files/{name}",
    } | more


@contextmanager
def serve(node: str, prefix: str = "x-tif") -> Iterator[GatewayServer]:
    """The gateway on a free port."""
    script = Path(__file__).parent / "servers" / "gateway.js"
    process = subprocess.Popen(
        [node, str(script)],
        stdout=subprocess.PIPE,
        env=os.environ | {"TOKEN": TOKEN, "PAASID": PAASID, "PREFIX": prefix},
    )
    try:
        yield GatewayServer(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()
