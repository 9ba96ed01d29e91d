"""The groups of commands. A new one: a module with ``register(app)`` that imports its room inside the commands, and a line here."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import (
    hold,
    identity,
    orders,
    prepare,
    quarantine,
    reconcile,
    runs,
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
    prepare.register,
    testing.register,
]
