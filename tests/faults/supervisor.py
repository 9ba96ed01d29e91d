"""What ``onemap up`` does for its PostgreSQL, in a process that may be killed: start it or join it, and start it again when it ends.

``ONEMAP_HOME`` names the run folder; says the server's URL in a line, then lives until its input ends.
"""

from __future__ import annotations

import select
import sys

from cli.stack.hub import Hub
from cli.stack.layout import Layout

EVERY = 0.2  # seconds


def main() -> None:
    hub = Hub(Layout.here())
    hub.begin()
    hub.open_database()
    print(hub.superuser_url, flush=True)
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        hub.keep()
    hub.close()


if __name__ == "__main__":
    main()
