"""OpenSSH's sshd with internal-sftp as our own process: own configuration, own host key, login by key."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.endpoint import Endpoint
from tests.connectors.mariadb import free_port


@dataclass
class Sshd:
    """A running server; ``drop`` is the folder that stands for /out."""

    port: int
    drop: Path
    host_keys: dict[str, str]  # type → line of its .pub file
    private_key: str
    fingerprint: str
    extra: dict[str, Any] = field(default_factory=dict)

    def endpoint(self, *, port: int | None = None, **extra: Any) -> Endpoint:
        """A Connection to it; ``extra`` replaces parts of the usual one."""
        usual = {"private_key": self.private_key, "host_key": self.host_keys["ed25519"], "root": str(self.drop)}
        given = {name: value for name, value in {**usual, **extra}.items() if value is not None}
        return Endpoint(
            "d_drop", "sftp", "127.0.0.1", port or self.port, pwd.getpwuid(os.getuid()).pw_name, "", "", given
        )


@contextmanager
def sshd(need: Callable[[str, str], str], folder: Path) -> Iterator[Sshd]:
    """Start one, stop it in the end."""
    daemon, keygen = need("sshd", "openssh-server"), need("ssh-keygen", "openssh-client")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it separates its privileges
    keys: dict[str, str] = {}
    for kind in ("ed25519", "rsa", "ecdsa"):
        subprocess.run([keygen, "-q", "-t", kind, "-N", "", "-f", str(folder / kind)], check=True)
        keys[kind] = (folder / f"{kind}.pub").read_text().strip()
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "user")], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    drop, port = folder / "out", free_port()
    drop.mkdir()
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"""
ListenAddress 127.0.0.1
Port {port}
HostKey {folder / "ed25519"}
HostKey {folder / "rsa"}
AuthorizedKeysFile {folder / "authorized"}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([daemon, "-D", "-e", "-f", str(configuration)], stdout=log, stderr=log)
    printed = subprocess.run(
        [keygen, "-lf", str(folder / "ed25519.pub")], check=True, capture_output=True, text=True
    ).stdout
    try:
        import socket

        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text(errors="replace")) from None
                time.sleep(0.05)
        yield Sshd(port, drop, keys, (folder / "user").read_text(), printed)
    finally:
        process.terminate()
        process.wait(20)
