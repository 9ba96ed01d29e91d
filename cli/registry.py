"""The commands, by their first word: a command loads its own module alone, so that it answers at once.

A new group: a module whose ``app`` holds its commands (which import their package inside), and its first words here. Two modules
may add to one group: the first of them says its help.
"""

from __future__ import annotations

from copy import copy
from importlib import import_module

import typer

#: module of ``cli/`` → the first words of the commands that it registers, in the order in which help shows them
WORDS: dict[str, tuple[str, ...]] = {
    "up": ("up", "down"),
    "source": ("source",),
    "onboard": ("source",),
    "contracts": ("source",),
    "runs": ("health", "runs"),
    "feed": ("feed",),
    "store": ("store",),
    "mapping": ("mapping",),
    "world": ("world",),
    "quarantine": ("quarantine",),
    "hold": ("hold",),
    "reconcile": ("reconcile",),
    "identity": ("identity",),
    "supervision": ("supervise", "findings", "clocks", "position", "finding"),
    "why": ("why",),
    "rules": ("rules",),
    "orders": ("orders",),
    "keys": ("keys",),
    "audit": ("audit",),
    "serve": ("serve",),
    "webhooks": ("webhooks",),
    "pages": ("serve",),
    "archive": ("archive",),
    "snapshot": ("snapshot",),
    "push": ("push",),
    "share": ("share",),
    "backup": ("backup", "restore", "rebuild"),
    "guide": ("guide",),
    "report": ("report",),
    "insight": ("insight",),
    "forecast": ("forecast",),
    "care": ("care",),
    "alerts": ("alerts",),
    "user": ("user",),
    "prepare": ("prepare",),
    "testing": ("test",),
    "lint": ("lint",),
    "docs": ("docs",),
    "bench": ("bench",),
}


def register(app: typer.Typer, word: str | None = None) -> None:
    """Add the commands that begin with ``word``; all of them, where it is None or no command's."""
    wanted = [module for module, words in WORDS.items() if word in words] or list(WORDS)
    for module in wanted:
        _add(app, import_module(f"cli.{module}").app)


def _add(app: typer.Typer, part: typer.Typer) -> None:
    """Add a module's commands; those of a group that another module has begun, to that group."""
    app.registered_commands += part.registered_commands
    groups = {
        known.typer_instance.info.name: known.typer_instance for known in app.registered_groups if known.typer_instance
    }
    for added in part.registered_groups:
        if (group := added.typer_instance) is None:
            continue
        if group.info.name in groups:
            groups[group.info.name].registered_commands += group.registered_commands
        else:  # a copy, so that the module's own group stays as it is
            begun = copy(group)
            begun.registered_commands = list(group.registered_commands)
            app.add_typer(begun)
