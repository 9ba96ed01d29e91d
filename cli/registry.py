"""The groups of commands. A new one: a module with ``register(app)`` that imports its room inside the commands, and a line here."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cli import identity, prepare, source, store, testing, up, world

GROUPS: list[Callable[[typer.Typer], None]] = [
    up.register,
    source.register,
    store.register,
    world.register,
    identity.register,
    prepare.register,
    testing.register,
]
