"""PHP's built-in web server over ``tests/connectors/servers``: SOAP by somebody else."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVERS = Path(__file__).parent / "servers"


@contextmanager
def serve(php: str, state: Path, log: Path) -> Iterator[int]:
    """The scripts on a free port of 127.0.0.1, with their state in a folder; yields the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [php, "-n", "-d", "extension=soap", "-S", f"127.0.0.1:{port}", "-t", str(SERVERS)],
            env={**os.environ, "SOAP_STATE": str(state)},
            stdout=out,
            stderr=out,
        )
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        raise RuntimeError(log.read_text()) from None
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)
