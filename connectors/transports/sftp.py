"""SFTP to a server whose host key is pinned: listings, small files, downloads that go on where they were cut.

The Connection: ``host``, ``port``, ``login``; ``password``, or ``extra.private_key`` (its text) or ``extra.key_file``
(with ``extra.passphrase`` where it is locked); ``extra.host_key``, required: what ``ssh-keyscan`` or the server's
``.pub`` file says (``ssh-ed25519 AAAA…``, with or without host and comment), or ``SHA256:`` fingerprints; several, one
a line or as a list, while a server changes its key. Nothing on the server is written, moved or deleted.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import io
import logging
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import paramiko
import tenacity
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR

from connectors.endpoint import Endpoint
from core.errors import AuthenticationError, ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import hide

logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)  # what it logs as errors is raised, typed

_KEEPALIVE = 15  # seconds
_ATTEMPTS = 4  # without a byte of progress
_REQUEST = 32_768
_SLICE = 128 * _REQUEST  # asked for at once
_KEYS = {
    Ed25519PrivateKey: paramiko.Ed25519Key,
    EllipticCurvePrivateKey: paramiko.ECDSAKey,
    RSAPrivateKey: paramiko.RSAKey,
}
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_TYPES = paramiko.Transport._preferred_keys  # of host keys, best first
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a folder. ``path`` is as the server spells it; ``mtime`` in epoch seconds."""

    name: str
    path: bytes
    size: int
    mtime: int
    folder: bool

    @property
    def mark(self) -> list[int]:
        """What tells that a file changed."""
        return [self.size, self.mtime]


class _Client(paramiko.SFTPClient):  # type: ignore[misc]  # paramiko states no types
    """Names as bytes: paramiko's own listing fails as a whole when one name of a folder is no UTF-8."""

    def names(self, folder: str | bytes) -> list[tuple[bytes, paramiko.SFTPAttributes]]:
        kind, answer = self._request(CMD_OPENDIR, folder if isinstance(folder, bytes) else folder.encode())
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("expected a handle")
        handle = answer.get_binary()
        found = []
        while True:
            try:
                kind, answer = self._request(CMD_READDIR, handle)
            except EOFError:
                break
            if kind != CMD_NAME:
                raise paramiko.SFTPError("expected names")
            for _ in range(answer.get_int()):
                name = answer.get_string()
                answer.get_string()  # the same as a line of ls
                found.append((name, paramiko.SFTPAttributes._from_msg(answer)))
        self._request(CMD_CLOSE, handle)
        return [(name, attributes) for name, attributes in found if name not in (b".", b"..")]


class Changed(TransientError):
    """The file is not what the listing said: it is being written, or sent again."""


class Vanished(ProviderError):
    """The file was listed and is there no more."""


class Sftp:
    """One session, opened at the first need and again after a cut."""

    def __init__(self, endpoint: Endpoint, *, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._pins = pinned_keys(endpoint)
        self._transport: paramiko.Transport | None = None
        self._client: _Client | None = None

    def list(self, folder: str | bytes) -> list[Entry]:
        """What stands in a folder, by name.

        :raises ConfigurationError: there is no such folder. :raises AuthenticationError: it may not be read.
        """
        entries = []
        for name, about in self._again(lambda client: client.names(folder), f"list {_shown(folder)}"):
            path = (folder if isinstance(folder, bytes) else folder.encode()).rstrip(b"/") + b"/" + name
            entries.append(
                Entry(
                    _decoded(name), path, about.st_size or 0, int(about.st_mtime or 0), stat.S_ISDIR(about.st_mode or 0)
                )
            )
        return sorted(entries, key=lambda entry: entry.name)

    def small(self, entry: Entry, limit: int = 4096) -> bytes:
        """The first ``limit`` bytes of a small file. :raises Vanished: it is gone."""

        def read(client: _Client) -> bytes:
            with client.open(entry.path, "rb") as file:
                return file.read(limit)

        return self._again(read, f"read {entry.name}")

    def put(self, path: str, body: bytes) -> None:
        """Lay a file down, whole or not at all: under a temporary name, its size looked at, then renamed over what stands there.

        :raises OneMapError: there is no such folder, or it may not be written to.
        """
        folder, _, name = path.rpartition("/")
        part = f"{folder}/.{name}.part"

        def write(client: _Client) -> None:
            with client.open(part, "wb") as file:
                file.set_pipelined(True)
                file.write(body)
            if client.stat(part).st_size != len(body):
                raise Changed(f"{name} is shorter than what was sent", remedy="it is sent again by itself")
            try:
                client.posix_rename(part, path)
            except OSError:  # a server without that extension
                with suppress(FileNotFoundError):
                    client.remove(path)
                client.rename(part, path)

        self._again(write, f"write {path}")

    def download(self, entry: Entry, target: Path) -> None:
        """The whole file, as listed; a cut transfer goes on where it was cut.

        :raises Changed: its size or time is not, or no more, what the listing said. :raises Vanished: it is gone.
        :raises TransientError: cut again and again without progress.
        """
        target.unlink(missing_ok=True)
        stalled, had = 0, 0
        while True:
            try:
                self._transfer(entry, target)
                return
            except (Changed, Vanished):
                raise
            except TransientError:
                self.close()
                have = target.stat().st_size if target.exists() else 0
                stalled, had = (0 if have > had else stalled + 1), have
                if stalled >= _ATTEMPTS:
                    raise

    def close(self) -> None:
        """End the session."""
        for thing in (self._client, self._transport):
            if thing is not None:
                with suppress(EOFError, OSError, paramiko.SSHException):  # it may be dead already
                    thing.close()
        self._client = self._transport = None

    def _transfer(self, entry: Entry, target: Path) -> None:
        with (
            self._session(f"download {entry.name}") as client,
            target.open("ab") as target_file,
            client.open(entry.path, "rb") as file,
        ):
            have = target_file.tell()
            self._unchanged(entry, file)
            while have < entry.size:
                end = min(have + _SLICE, entry.size)
                asked = [(place, min(_REQUEST, end - place)) for place in range(have, end, _REQUEST)]
                for piece, (_, length) in zip(file.readv(asked), asked, strict=True):
                    target_file.write(piece)
                    have += len(piece)
                    if len(piece) < length:
                        raise Changed(
                            f"{entry.name} ends at {have} bytes, its listing says {entry.size}",
                            remedy="it is being written or was cut at the source; the next run looks again",
                            zh=f"文件 {entry.name} 只有 {have} 字节，目录所列为 {entry.size} 字节：可能仍在写入，下次运行再取。",
                        )
            self._unchanged(entry, file)

    def _unchanged(self, entry: Entry, file: paramiko.SFTPFile) -> None:
        now = file.stat()
        if [now.st_size, int(now.st_mtime or 0)] != entry.mark:
            raise Changed(
                f"{entry.name} changed while it was read",
                remedy="it is being written or sent again; the next run looks again",
                zh=f"文件 {entry.name} 在读取期间发生变化：可能仍在写入或重新发送，下次运行再取。",
            )

    def _again(self, ask: Callable[[_Client], _Result], what: str) -> _Result:
        def once() -> _Result:
            try:
                with self._session(what) as client:
                    return ask(client)
            except TransientError:
                self.close()
                raise

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
            reraise=True,
        )(once)

    @contextmanager
    def _session(self, what: str) -> Iterator[_Client]:
        """The open session; what goes wrong inside leaves by whose fault it is."""
        with _typed(what):
            yield self._client or self._open()

    def _open(self) -> _Client:
        host, port = self._endpoint.host.removeprefix("sftp://").rstrip("/"), self._endpoint.port or 22
        offers = [self._pins.types] if self._pins.types else _each_type()
        for number, types in enumerate(offers, 1):
            transport = paramiko.Transport(socket.create_connection((host, port), timeout=self._timeout))
            try:
                transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._timeout
                transport.get_security_options().key_types = types
                try:
                    transport.start_client(timeout=self._timeout)
                    key = transport.get_remote_server_key()
                except paramiko.ssh_exception.IncompatiblePeer as error:
                    if "host key" not in str(error):
                        raise
                    if number < len(offers):
                        transport.close()
                        continue
                    raise self._unpinned(f"a key of other types than {', '.join(types)}") from error
                if key.fingerprint not in self._pins.fingerprints:
                    if number < len(offers):  # fingerprints name no type: the server may have others
                        transport.close()
                        continue
                    raise self._unpinned(f"{key.get_name()} {key.fingerprint}")
                self._log_in(transport)
                transport.set_keepalive(_KEEPALIVE)
                client = _Client.from_transport(transport)
                client.get_channel().settimeout(self._timeout)
            except BaseException:
                transport.close()
                raise
            self._transport, self._client = transport, client
            return client
        raise self._unpinned("no key")

    def _log_in(self, transport: paramiko.Transport) -> None:
        login = self._endpoint.login
        key = private_key(self._endpoint)
        if key is not None:
            transport.auth_publickey(login, key)
        else:
            transport.auth_password(login, self._endpoint.password)
        if not transport.is_authenticated():
            raise paramiko.AuthenticationException("the server wants a further proof")

    def _unpinned(self, shows: str) -> AuthenticationError:
        return AuthenticationError(
            f"the host key of {self._endpoint.host} is not the pinned one: it shows {shows}",
            remedy=f"ask the source whether it changed its key; only then write the new one into extra.host_key of {self._endpoint.conn_id}",
            zh=f"主机 {self._endpoint.host} 的主机密钥与登记的不一致（现为 {shows}）。请先向数源方核实是否更换密钥，再更新连接 {self._endpoint.conn_id} 的 extra.host_key。",
            code="host_key_changed",
        )


@dataclass(frozen=True, slots=True)
class Pins:
    """SHA256 fingerprints that are trusted; ``types``: their algorithms, () when only fingerprints were given."""

    fingerprints: frozenset[str]
    types: tuple[str, ...]


def pinned_keys(endpoint: Endpoint) -> Pins:
    """What ``extra.host_key`` trusts. :raises AuthenticationError: nothing, or nothing that can be read."""
    given = endpoint.extra.get("host_key") or ""
    lines = [given] if isinstance(given, str) else [str(line) for line in given]
    fingerprints: set[str] = set()
    types: list[str] = []
    tokens = " ".join(lines).replace(",", " ").split()
    for token in tokens:
        if token.startswith("SHA256:"):
            fingerprints.add(token.rstrip("="))
        elif token.startswith("AAAA"):
            try:
                blob = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
                kind = paramiko.Message(blob).get_text()
            except (binascii.Error, UnicodeDecodeError):
                continue
            digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
            fingerprints.add(f"SHA256:{digest}")
            types.extend(_RSA if kind == "ssh-rsa" else (kind,))
    if not fingerprints:
        raise AuthenticationError(
            f"Connection {endpoint.conn_id} pins no host key: extra.host_key is {'not readable' if given else 'missing'}",
            remedy="get the server's key from the source (its .pub file or fingerprint, not over this network) and write it into extra.host_key",
            zh=f"连接 {endpoint.conn_id} 未登记可用的主机密钥（extra.host_key）。请向数源方索取其公钥或 SHA256 指纹后填写，缺少时拒绝连接。",
            code="host_key_missing",
        )
    by_type = not any(token.startswith("SHA256:") for token in tokens)
    return Pins(
        frozenset(fingerprints), tuple(kind for kind in dict.fromkeys(types) if kind in _TYPES) if by_type else ()
    )


def private_key(endpoint: Endpoint) -> paramiko.PKey | None:
    """The key to log in with, None where the Connection has a password only.

    :raises ConfigurationError: it is there and cannot be read.
    """
    text, path = endpoint.extra.get("private_key"), endpoint.extra.get("key_file")
    phrase = endpoint.extra.get("passphrase") or endpoint.extra.get("private_key_passphrase") or None
    if phrase:
        hide([str(phrase)])
    if not text and not path:
        return None
    try:
        written = (
            str(text).replace("\\n", "\n").strip().encode() + b"\n"
            if text
            else Path(str(path)).expanduser().read_bytes()
        )
        secret = str(phrase).encode() if phrase else None
        load = serialization.load_ssh_private_key if b"BEGIN OPENSSH" in written else serialization.load_pem_private_key
        loaded = load(written, secret)
        plain = loaded.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        for kind, of in _KEYS.items():
            if isinstance(loaded, kind):
                return of.from_private_key(io.StringIO(plain.decode()))
        raise ValueError(type(loaded).__name__)
    except (paramiko.SSHException, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"the private key of Connection {endpoint.conn_id} cannot be read: {type(error).__name__}",
            remedy="give an ed25519, ecdsa or rsa key in OpenSSH or PEM form in extra.private_key or extra.key_file, and extra.passphrase where it is locked",
            zh=f"无法读取连接 {endpoint.conn_id} 的私钥，请在 extra.private_key 或 extra.key_file 中提供 OpenSSH 或 PEM 格式的密钥（加密的另填 extra.passphrase）。",
        ) from error


@contextmanager
def _typed(what: str) -> Iterator[None]:
    try:
        yield
    except OneMapError:
        raise
    except (paramiko.AuthenticationException, PermissionError) as error:
        raise AuthenticationError(
            f"{what}: the server refused us: {error}",
            remedy="check login, password or key of the Connection, and what the source lets this account read",
            zh=f"SFTP 服务器拒绝访问（{what}）：请核对连接的账号、口令或密钥，以及数源方授予的目录权限。",
        ) from error
    except FileNotFoundError as error:
        raise Vanished(
            f"{what}: it is not there",
            remedy="check root of the Connection, or ask the source where the file went",
            zh=f"SFTP 上找不到目标（{what}）：请核对连接的 root，或向数源方确认文件去向。",
        ) from error
    except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise ConfigurationError(
                f"{what}: {error}",
                remedy="free space in the hub's folder for temporary files (TMPDIR)",
                zh=f"本机临时目录空间不足（{what}），请清理磁盘或调整 TMPDIR。",
            ) from error
        raise TransientError(
            f"{what}: {type(error).__name__} {error}".strip(),
            remedy="the hub tries again by itself; if it lasts, ask the source whether its SFTP server is up and reachable",
            zh=f"SFTP 暂不可用（{what}），系统将自动重试；若持续，请向数源方确认服务器是否可达。",
        ) from error


def _each_type() -> list[tuple[str, ...]]:
    return [*((kind,) for kind in _TYPES if kind not in _RSA), _RSA]


def _decoded(raw: bytes) -> str:
    """A file name: UTF-8, else GBK as old Windows servers send it."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _shown(path: str | bytes) -> str:
    return path if isinstance(path, str) else _decoded(path)
