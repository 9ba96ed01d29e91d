"""The groups of commands. A new one: a module with ``register(app)`` that imports its room inside the commands, and a line here."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import (
    archive,
    backup,
    bench,
    guide,
    hold,
    identity,
    keys,
    lint,
    orders,
    pages,
    prepare,
    quarantine,
    reconcile,
    report,
    runs,
    serve,
    source,
    store,
    supervision,
    testing,
    up,
    world,
)

GROUPS: list[Callable[[typer.Typer], None]] = [
    up.register,
    source.register,
    runs.register,
    store.register,
    world.register,
    quarantine.register,
    hold.register,
    reconcile.register,
    identity.register,
    supervision.register,
    orders.register,
    keys.register,
    serve.register,
    pages.register,
    archive.register,
    backup.register,
    guide.register,
    report.register,
    prepare.register,
    testing.register,
    lint.register,
    bench.register,
]
