"""The run folder: what is kept where, and the secrets that a run makes for itself.

Everything that a run leaves behind is in ``$ONEMAP_HOME``; stop the hub, remove the folder, and nothing is left.

======================  =========================================================================
``postgres/``           data of the embedded PostgreSQL
``airflow/``            Airflow's home: task logs
``logs/``               one log a process
``processes/``          pid and creation time of each process that this run started
``secrets/``            what the run generated (mode 0700, files 0600): Fernet key, JWT secret, passwords
``world/``              the simulated world of the stand-ins, and ``standins/`` their own files
``archive/``            received bytes
``database.url``        the hub's database, for the command line
``run.json``            addresses of the last start
======================  =========================================================================
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import settings


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one run folder."""

    home: Path

    @classmethod
    def here(cls) -> Layout:
        """Of the run folder that the environment names."""
        return cls(settings.home())

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def processes(self) -> Path:
        return self.home / "processes"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def world(self) -> Path:
        return self.home / "world"

    @property
    def world_done(self) -> Path:
        """The file that says that there is a simulated world, whole."""
        return self.world / "world.json"

    @property
    def standins(self) -> Path:
        return self.home / "standins"

    @property
    def clock(self) -> Path:
        """Offset of the simulated world's clock, in seconds."""
        return self.home / "clock"

    @property
    def passwords(self) -> Path:
        return self.secrets / "airflow-passwords.json"

    @property
    def metadata_url(self) -> Path:
        """Airflow's database, while it runs."""
        return self.airflow / "database.url"

    @property
    def addresses(self) -> Path:
        return self.home / "run.json"

    def make(self) -> None:
        """Create the folders; what is secret is for this user alone."""
        for folder in (self.home, self.airflow, self.logs, self.processes, self.standins):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.secrets.chmod(0o700)

    def secret(self, name: str, make: Any = None) -> str:
        """The secret of that name, generated on first use. ``make`` returns a fresh value (default: 43 characters)."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make() if make else secrets.token_urlsafe(32))
        return path.read_text().strip()

    def admin_password(self) -> tuple[str, bool]:
        """Password of the Airflow user ``admin``, and whether it was made just now."""
        if self.passwords.exists():
            return json.loads(self.passwords.read_text())["admin"], False
        password = secrets.token_urlsafe(12)
        write_private(self.passwords, json.dumps({"admin": password}))
        return password, True


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
