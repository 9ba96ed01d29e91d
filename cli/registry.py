"""The commands, by their first word: a command loads its own module alone, so that it answers at once.

A new group: a module with ``register(app)`` that imports its room inside the commands, and its words here.
"""

from __future__ import annotations

from importlib import import_module

import typer

#: module of ``cli/`` → the first words of the commands that it registers, in the order in which help shows them
WORDS: dict[str, tuple[str, ...]] = {
    "up": ("up", "down"),
    "source": ("source",),
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
    "keys": ("keys", "audit"),
    "serve": ("serve", "webhooks"),
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
        import_module(f"cli.{module}").register(app)
