"""A TCP proxy between hub and sources that spoils connections, by chance and by seed: resets, halves, drips, other pages."""

from __future__ import annotations

import random
import socket
import socketserver
import struct
import threading
import time

FAULTS = ("reset", "half", "drip", "other", "mute")
_OTHER = b"<html><body>502 upstream</body></html>"
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


class Proxy(socketserver.ThreadingTCPServer):
    """Listens at :attr:`port` and passes on to ``target``; ``share`` of the connections suffer a fault."""

    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def __init__(self, target: tuple[str, int], seed: int, share: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target, self.share, self.chance = target, share, random.Random(seed)
        self.met: dict[str, int] = dict.fromkeys(FAULTS, 0)
        threading.Thread(target=self.serve_forever, daemon=True, name="proxy").start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def draw(self) -> tuple[str | None, int]:
        """The fault of a connection, and after how many bytes of the answer."""
        if self.chance.random() >= self.share:
            return None, 0
        fault = self.chance.choice(FAULTS)
        self.met[fault] += 1
        return fault, self.chance.randint(0, 20_000)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        fault, after = self.server.draw()
        if fault == "other":
            self.request.recv(1 << 16)
            self.request.sendall(_PAGE % (len(_OTHER), _OTHER))
            return
        if fault == "mute":
            self.request.recv(1 << 16)
            time.sleep(0.5)
            return
        with socket.create_connection(self.server.target) as upstream:
            threading.Thread(target=_pass, args=(self.request, upstream), daemon=True).start()
            left = after if fault in ("reset", "half") else None
            while piece := _read(upstream):
                if left is not None and len(piece) >= left:
                    self._send(piece[:left])
                    if fault == "reset":
                        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if left is not None:
                    left -= len(piece)
                if fault == "drip":
                    time.sleep(0.05)
                self._send(piece)

    def _send(self, piece: bytes) -> None:
        try:
            self.request.sendall(piece)
        except OSError:
            return


def _read(side: socket.socket) -> bytes:
    try:
        return side.recv(1 << 14)
    except OSError:
        return b""


def _pass(near: socket.socket, far: socket.socket) -> None:
    try:
        while piece := _read(near):
            far.sendall(piece)
        far.shutdown(socket.SHUT_WR)
    except OSError:
        return
