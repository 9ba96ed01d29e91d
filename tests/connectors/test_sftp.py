"""SFTP against OpenSSH, and against another server with a password: host keys, logins, cuts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from connectors.endpoint import Endpoint
from connectors.transports.sftp import Changed, Sftp, Vanished
from core.errors import AuthenticationError, ConfigurationError, TransientError
from tests.connectors.cut import relay
from tests.connectors.mariadb import free_port
from tests.connectors.sshd import Sshd, sshd

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(need: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(need, tmp_path_factory.mktemp("sshd")) as running:
        (running.drop / "20261101").mkdir()
        (running.drop / "20261101" / "气象局_202610.xlsx").write_bytes(b"x" * 10)
        yield running


def names(endpoint: Endpoint) -> list[str]:
    sftp = Sftp(endpoint, timeout=10)
    try:
        return [entry.name for entry in sftp.list(str(endpoint.extra["root"]))]
    finally:
        sftp.close()


def test_a_pinned_key_is_taken_in_every_form(server: Sshd) -> None:
    ed25519, rsa = server.host_keys["ed25519"], server.host_keys["rsa"]
    forms = [
        ed25519,
        " ".join(ed25519.split()[:2]),
        f"[127.0.0.1]:{server.port} {ed25519}",
        rsa,
        f"{server.host_keys['ecdsa']}\n{ed25519}",
        [server.host_keys["ecdsa"], rsa],
        server.fingerprint,
        server.fingerprint.split()[1],
    ]
    for form in forms:
        assert names(server.endpoint(host_key=form)) == ["20261101"], form


def test_a_missing_or_unreadable_host_key_is_refused_before_any_connection(server: Sshd) -> None:
    for host_key in (None, "", "trust me", "MD5:00:11"):
        with pytest.raises(AuthenticationError) as error:
            Sftp(server.endpoint(host_key=host_key, port=1), timeout=5)
        assert error.value.code == "host_key_missing" and "host_key" in error.value.remedy


def test_a_changed_host_key_is_refused(server: Sshd) -> None:
    for host_key in (server.host_keys["ecdsa"], "SHA256:" + "A" * 43):
        with pytest.raises(AuthenticationError) as error:
            names(server.endpoint(host_key=host_key))
        assert error.value.code == "host_key_changed" and "host_key" in error.value.remedy
    other = server.host_keys["ed25519"].split()[1]
    other = other[:-8] + ("B" if other[-8] != "B" else "C") + other[-7:]
    with pytest.raises(AuthenticationError):
        names(server.endpoint(host_key=f"ssh-ed25519 {other}"))


def test_a_key_file_and_an_escaped_key_log_in_and_a_wrong_one_is_refused(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(server.private_key)
    assert names(server.endpoint(private_key=None, key_file=str(tmp_path / "key"))) == ["20261101"]
    assert names(server.endpoint(private_key=server.private_key.replace("\n", "\\n"))) == ["20261101"]
    stranger = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key("pkcs8-pem").decode()
    with pytest.raises(AuthenticationError, match="refused"):
        names(server.endpoint(private_key=stranger))
    with pytest.raises(ConfigurationError, match="private key"):
        names(server.endpoint(private_key="-----BEGIN NONSENSE-----"))
    with pytest.raises(ConfigurationError, match="private key"):
        names(server.endpoint(private_key=None, key_file=str(tmp_path / "none")))


def test_a_locked_key_opens_with_its_passphrase(server: Sshd) -> None:
    locked = (
        asyncssh.import_private_key(server.private_key).export_private_key("openssh", passphrase="sesam-sesam").decode()
    )
    assert names(server.endpoint(private_key=locked, passphrase="sesam-sesam")) == ["20261101"]
    with pytest.raises(ConfigurationError):
        names(server.endpoint(private_key=locked))


def test_a_download_goes_on_where_it_was_cut(server: Sshd, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 24  # 24 MiB
    (server.drop / "20261101" / "large.bin").write_bytes(content)
    with relay(server.port) as between:
        between.cuts, between.after = 3, 9 << 20
        sftp = Sftp(server.endpoint(port=between.port), timeout=10)
        (entry,) = [e for e in sftp.list(str(server.drop / "20261101")) if e.name == "large.bin"]
        sftp.download(entry, tmp_path / "large")
        sftp.close()
        assert between.connections >= 3
        assert between.bytes < 2.2 * len(content)  # what had come was not asked for again
    assert (tmp_path / "large").read_bytes() == content
    (server.drop / "20261101" / "large.bin").unlink()


def test_a_file_that_changes_or_goes_is_told(server: Sshd, tmp_path: Path) -> None:
    path = server.drop / "20261101" / "moving"
    path.write_bytes(b"a" * 1000)
    sftp = Sftp(server.endpoint(), timeout=10)
    (entry,) = [e for e in sftp.list(str(server.drop / "20261101")) if e.name == "moving"]
    path.write_bytes(b"a" * 900)
    with pytest.raises(Changed):
        sftp.download(entry, tmp_path / "x")
    path.unlink()
    with pytest.raises(Vanished):
        sftp.download(entry, tmp_path / "x")
    with pytest.raises(Vanished):
        sftp.list(str(server.drop / "nowhere"))
    sftp.close()


def test_an_unreachable_server_is_transient(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.transports.sftp._ATTEMPTS", 1)
    with pytest.raises(TransientError):
        names(server.endpoint(port=free_port()))


class PasswordOnly(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("dg", "Mm9!passwort")


def test_another_server_with_a_password_and_names_in_gbk(tmp_path: Path) -> None:
    (tmp_path / "out" / "20261101").mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-rsa")
    (tmp_path / "out" / "20261101").joinpath("x").write_bytes(b"1")
    (tmp_path / "out" / "20261101" / "x").rename(
        tmp_path / "out" / "20261101" / os.fsdecode("消防_202610.xlsx".encode("gbk"))
    )
    port, started, loop = free_port(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        def sftp(channel):
            return asyncssh.SFTPServer(channel, chroot=str(tmp_path).encode())

        await asyncssh.create_server(PasswordOnly, "127.0.0.1", port, server_host_keys=[key], sftp_factory=sftp)
        started.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.run_forever()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        extra = {"host_key": key.export_public_key().decode(), "root": "/out"}
        endpoint = Endpoint("d_drop", "sftp", "127.0.0.1", port, "dg", "Mm9!passwort", "", extra)
        assert names(endpoint) == ["20261101"]
        sftp = Sftp(endpoint, timeout=10)
        (entry,) = sftp.list("/out/20261101")
        assert entry.name == "消防_202610.xlsx"
        sftp.download(entry, tmp_path / "got")
        sftp.close()
        assert (tmp_path / "got").read_bytes() == b"1"
        with pytest.raises(AuthenticationError) as error:
            names(replace(endpoint, password="Nn0!falsches"))
        assert "falsches" not in str(error.value)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
