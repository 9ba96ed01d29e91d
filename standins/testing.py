"""The stand-ins inside a test's own process::

with running(world, database_url) as stand:
    base = stand.connection("p_gateway")["host"]
    stand.faults.arm("p1", "reset")
    stand.move_clock(days=1)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from core import clock
from core.errors import InternalError
from standins import connections, tls
from standins.context import Context
from standins.faults import Faults
from standins.running import StandIns
from standins.told import World

START_SECONDS = 60


@dataclass
class Running:
    """Stand-ins that are up."""

    ctx: Context
    connections: list[dict[str, Any]]
    certificate: Path
    _stand: StandIns
    _loop: asyncio.AbstractEventLoop

    @property
    def faults(self) -> Faults:
        return self.ctx.faults

    def connection(self, conn_id: str) -> dict[str, Any]:
        """One Airflow Connection's fields. :raises StopIteration: there is none of that id."""
        return next(c for c in self.connections if c["conn_id"] == conn_id)

    def by_tls(self, conn_id: str) -> dict[str, Any]:
        """An HTTP Connection by TLS, with a certificate that verifies only against :attr:`certificate`."""
        plain = self.connection(conn_id)
        path = plain["host"].split("/", 3)[3]
        return {**plain, "host": f"https://{connections.HOST}:{self._stand.tls_port}/{path}"}

    def heal(self) -> None:
        """As at the start: no faults, no rows that faults planted, an empty log of requests."""
        self.faults.clear()
        self.faults.requests.clear()
        for table in self.ctx.world.tables.values():
            table.forget()
        self.settle()

    def settle(self) -> None:
        """Wait until world, clock and faults as they are now are what clients see."""
        asyncio.run_coroutine_threadsafe(self._stand.settle(), self._loop).result(START_SECONDS)

    def move_clock(self, *, at: datetime | None = None, **by: float) -> None:
        """Set the simulated clock (``at``), or move it on (``days=1``, ``hours=…``), and wait for the stand-ins to follow."""
        ahead = clock.offset() + timedelta(**by)
        if at is not None:
            ahead = at - datetime.now(clock.SHANGHAI).replace(tzinfo=None)
        Path(os.environ["ONEMAP_CLOCK_FILE"]).write_text(str(ahead.total_seconds()))
        self.settle()


@contextlib.contextmanager
def running(
    world: Path,
    database_url: str,
    *,
    home: Path | None = None,
    at: datetime | None = None,
    quirks: bool = True,
    database_prefix: str = "standin",
) -> Iterator[Running]:
    """Serve a simulated world until the block ends; then the databases are dropped.

    ``at`` sets the simulated clock (``ONEMAP_CLOCK_FILE`` is set for the block, in the folder of the run, unless it is set
    already); ``quirks=False`` serves every value in its plain form; ``home`` keeps ports and work orders.
    """
    with tempfile.TemporaryDirectory(prefix="standins-") as scratch, _clock_file(Path(scratch) / "clock", at):
        ctx = Context(World(Path(world)), (home or Path(scratch)) / "standins", quirks=quirks)
        certificate = tls.self_signed(Path(scratch))
        stand = StandIns(ctx, database_url, database_prefix=database_prefix, certificate=certificate)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="standins", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(stand.start(), loop).result(START_SECONDS)
            yield Running(ctx, stand.connections, certificate[0], stand, loop)
        finally:
            asyncio.run_coroutine_threadsafe(stand.stop(), loop).result(START_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(START_SECONDS)
            loop.close()
            for one in (*stand.tables, stand.national):
                one.drop()


def wait_for(said: Any, seconds: float = 30.0) -> None:
    """Until ``said()`` is true. :raises InternalError: it never was."""
    end = time.monotonic() + seconds
    while not said():
        if time.monotonic() > end:
            raise InternalError(f"not within {seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def _clock_file(path: Path, at: datetime | None) -> Iterator[None]:
    previous = os.environ.get("ONEMAP_CLOCK_FILE")
    if previous is None:
        os.environ["ONEMAP_CLOCK_FILE"] = str(path)
    try:
        if at is not None:
            ahead = at - datetime.now(clock.SHANGHAI).replace(tzinfo=None)
            Path(os.environ["ONEMAP_CLOCK_FILE"]).write_text(str(ahead.total_seconds()))
        yield
    finally:
        if previous is None:
            del os.environ["ONEMAP_CLOCK_FILE"]
