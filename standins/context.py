"""What every stand-in is given: the world, its clock, the faults, the secrets of this run, the run folder."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core import clock
from standins.faults import Faults
from standins.told import World


@dataclass
class Context:
    """Shared by the stand-ins of one run. Secrets live in memory and in the Connections only."""

    world: World
    home: Path  # RUNFOLDER/standins
    faults: Faults = field(default_factory=Faults)
    now: Callable[[], datetime] = clock.now
    quirks: bool = True
    _secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def secret(self, name: str) -> str:
        """A random secret of this run, made when first asked for."""
        if name not in self._secrets:
            self._secrets[name] = secrets.token_urlsafe(24)
        return self._secrets[name]
