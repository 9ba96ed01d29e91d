"""``python -m standins.serve --world FOLDER --home RUNFOLDER --database-url URL``: the stand-ins as one process.

When all is up, one line of JSON on stdout: ``{"connections": [...], "admin": {"url", "token"}}``. The secrets in it
are made for this run and stand in no file. Serves until SIGTERM or SIGINT, or until the parent is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path

from core.errors import OneMapError
from standins.context import Context
from standins.running import StandIns
from standins.told import World

PARENT_SECONDS = 0.5


async def serve(ctx: Context, database_url: str, parent: int) -> None:
    """Up, the line, and down again at a signal."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    stand = StandIns(ctx, database_url)
    gc.disable()  # what is read at the start stays; looking through it again and again takes a second
    await stand.start()
    gc.freeze()
    gc.enable()
    admin = {"url": stand.connections[0]["host"].rsplit("/", 1)[0] + "/admin/faults", "token": ctx.secret("admin")}
    print(json.dumps({"connections": stand.connections, "admin": admin}), flush=True)
    while not over.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(over.wait(), PARENT_SECONDS)
        except TimeoutError:
            continue
    await stand.stop()


def main() -> int:
    """Exit code 0 after a signal, 1 when the world or the database cannot be used."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="python -m standins.serve", description=__doc__.partition("\n")[0])
    parser.add_argument("--world", type=Path, required=True, help="folder of a simulated world (docs/world.md)")
    parser.add_argument("--home", type=Path, required=True, help="run folder")
    parser.add_argument("--database-url", required=True, help="SQLAlchemy URL of a PostgreSQL superuser")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    for noisy in ("asyncssh", "amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        ctx = Context(World(options.world), options.home / "standins")
        asyncio.run(serve(ctx, options.database_url, parent))
    except OneMapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
