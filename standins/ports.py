"""Ports of a run: those of the run before where they are still free, so that a restart keeps the addresses."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from standins.connections import HOST


def _free(port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        return None
    return sock


def sockets(home: Path, names: tuple[str, ...]) -> dict[str, socket.socket]:
    """A bound socket a name; the numbers are remembered in ``home/ports.json``."""
    memory = home / "ports.json"
    try:
        remembered = json.loads(memory.read_text())
    except (OSError, ValueError):
        remembered = {}
    bound: dict[str, socket.socket] = {}
    for name in names:
        port = remembered.get(name)
        sock = _free(port) if isinstance(port, int) and 1024 < port < 65536 else None
        bound[name] = sock or _free(0) or socket.create_server((HOST, 0))
    memory.write_text(json.dumps({name: sock.getsockname()[1] for name, sock in bound.items()}))
    return bound
