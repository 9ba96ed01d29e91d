"""A broker that says what no broker should: it takes whoever comes, then sends given bytes."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x03%b\x01"


def publish(topic: bytes, payload: bytes, mid: int, flags: int = 0x02) -> bytes:
    """A PUBLISH packet of QoS 1."""
    body = len(topic).to_bytes(2) + topic + mid.to_bytes(2) + payload
    return bytes([0x30 | flags]) + length(len(body)) + body


def length(number: int) -> bytes:
    """MQTT 3.1.1 §2.2.3."""
    said = b""
    while True:
        number, digit = divmod(number, 128)
        said += bytes([digit | (0x80 if number else 0)])
        if not number:
            return said


@contextmanager
def broker(script: Callable[[], Iterable[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """(port, packets of the client after it has subscribed): ``script`` gives what is sent then; afterwards it is mute."""
    heard: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self._packet()
            self.request.sendall(CONNACK)
            subscribe = self._packet()
            self.request.sendall(SUBACK % subscribe[:2])
            try:
                for piece in script():
                    self.request.sendall(piece)
                while packet := self._packet():
                    heard.append(packet)
            except OSError:
                return

        def _packet(self) -> bytes:
            head = self._exactly(1)
            size = shift = 0
            while head:
                digit = self._exactly(1)[0]
                size |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            return self._exactly(size)

        def _exactly(self, size: int) -> bytes:
            got = b""
            while len(got) < size and (piece := self.request.recv(size - len(got))):
                got += piece
            return got

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], heard
        server.shutdown()
