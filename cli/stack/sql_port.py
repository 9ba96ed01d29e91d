"""A port of this machine for BI tools (psql, Superset, Power BI) in front of the embedded PostgreSQL, which has a Unix socket alone.

Bytes are passed on as they are, once the first message has said who comes: roles that ``onemap keys role`` made, and nobody else. The
server asks them for their password (SCRAM). There is no TLS here: the port is for this machine, or the end of an SSH tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

_SSL, _GSS, _CANCEL, _VERSION = 80877103, 80877104, 80877102, 3
_LONGEST = 10_000  # bytes of a first message, as PostgreSQL has it
_SECONDS = 30  # to say who comes


class Port:
    """``allowed(role)`` says who may come; ``socket`` is the server's."""

    def __init__(self, socket: Path, allowed: Callable[[str], bool]) -> None:
        self._socket, self._allowed = socket, allowed

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """:raises OSError: the port is taken."""
        return await asyncio.start_server(self._come, host, port)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                first = await self._first(reader, writer)
            if first is not None:
                await self._pass_on(first, reader, writer)
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # a client that hangs up, or speaks something else
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _first(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The message to begin with; None: who comes may not."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if not 8 <= length <= _LONGEST:
                raise ValueError("no first message of PostgreSQL's protocol")
            rest = await reader.readexactly(length - 8)
            if code in (_SSL, _GSS):
                writer.write(b"N")
                await writer.drain()
                continue
            if code == _CANCEL:
                return head + rest
            if code >> 16 != _VERSION:
                raise ValueError("another protocol")
            words = rest.rstrip(b"\0").split(b"\0")
            parameters = dict(zip(words[::2], words[1::2], strict=False))
            role = parameters.get(b"user", b"").decode("utf-8", "replace")
            if await asyncio.to_thread(self._allowed, role):
                return head + rest
            writer.write(_refusal(role))
            await writer.drain()
            return None

    async def _pass_on(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(str(self._socket))
        outer.write(first)
        ways = [asyncio.create_task(_pour(reader, outer)), asyncio.create_task(_pour(inner, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            outer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


def _refusal(role: str) -> bytes:
    """PostgreSQL's ErrorResponse: 28000, invalid authorisation."""
    text = f'role "{role}" may not come by this port; see onemap keys role'
    fields = b"SFATAL\0VFATAL\0C28000\0M" + text.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields
