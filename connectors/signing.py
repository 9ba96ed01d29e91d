"""Signing for the 粤政 TIF gateway (里约), docs/source-systems.md "P1" and docs/domain.md §3.1.

Connection: login = PaasId, password = token, ``extra.header_prefix`` (``x-tif``; ``x-rio`` in newer gateways).
"""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import TYPE_CHECKING

from core.errors import ConfigurationError

if TYPE_CHECKING:
    import requests

    from connectors.endpoint import Endpoint


def signature(token: str, timestamp: str, nonce: str) -> str:
    """sha256hex(timestamp + token + nonce + timestamp), lower case."""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


class GatewaySigner:
    """Signs each request anew. ``offset``: seconds that the gateway's clock is ahead of ours."""

    def __init__(self, endpoint: Endpoint) -> None:
        if not endpoint.login or not endpoint.password:
            raise ConfigurationError(
                f"the Connection {endpoint.conn_id} lacks PaasId or token",
                remedy="login: the PaasId; password: the token, both from the platform",
                zh=f"连接 {endpoint.conn_id} 缺少 PaasId（账号）或 token（密码），请按省平台分配的填写。",
                code="no_credentials",
            )
        self.prefix = str(endpoint.extra.get("header_prefix") or "x-tif").rstrip("-")
        self.offset = 0.0
        self.corrected = False
        self._paasid = endpoint.login
        self._token = endpoint.password

    def __call__(self, request: requests.PreparedRequest) -> None:
        timestamp = str(int(time.time() + self.offset))
        nonce = uuid.uuid4().hex
        request.headers.update(
            {
                f"{self.prefix}-paasid": self._paasid,
                f"{self.prefix}-timestamp": timestamp,
                f"{self.prefix}-nonce": nonce,
                f"{self.prefix}-signature": signature(self._token, timestamp, nonce),
            }
        )

    def correct(self, offset: float) -> bool:
        """Take the gateway's clock, once, if ours is off enough to matter. True: worth another try."""
        if self.corrected or abs(offset - self.offset) < 30:
            return False
        self.offset, self.corrected = offset, True
        return True
