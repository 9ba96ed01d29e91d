"""The SFTP drop of D4 and D5: a folder that is laid out from the world and served read-only (asyncssh).

The folder is made anew at every start and removed at the end; a file is written only when its rows changed. The host
key is made for the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from standins.connections import HOST, LOGINS, connection
from standins.context import Context
from standins.faults import FILE, XML, Fault
from standins.forms import SHANGHAI
from standins.systems.d4 import Zips
from standins.systems.d5 import Workbooks

ROOT = "/out"
_CONTENT = {*FILE, *XML, "no_ok", "bad_manifest"}
_WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC | asyncssh.FXF_EXCL


class Drop:
    """The folder and its server."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.folder = ctx.home / "drop"
        self.received = ctx.home / "received"  # what the hub laid down: kept from run to run
        self.zips = Zips(ctx)
        self.workbooks = Workbooks(ctx)
        self._built: dict[str, tuple[str, str]] = {}  # path -> (system, digest of rows and fault)
        self._next = datetime.min
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._other_key = asyncssh.generate_private_key("ssh-ed25519")
        self._acceptor: asyncssh.SSHAcceptor | None = None
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was killed

    # -- server ---------------------------------------------------------------------------------------------------

    async def start(self, sock: socket.socket) -> None:
        self.port = sock.getsockname()[1]
        self._acceptor = await asyncssh.listen(
            sock=sock,
            server_factory=partial(_Server, self.ctx),
            server_host_keys=[self._key],
            sftp_factory=partial(_files, self),
            allow_scp=False,
            gss_host=None,
            process_factory=None,
        )

    async def stop(self) -> None:
        if self._acceptor:
            self._acceptor.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._acceptor.wait_closed(), 1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connection(self) -> dict[str, Any]:
        """The Connection d_drop."""
        public = self._key.export_public_key("openssh").decode().strip()
        return connection(
            "d_drop",
            "sftp",
            host=HOST,
            port=self.port,
            login=LOGINS["d_drop"],
            password=self.ctx.secret("d_drop"),
            extra={"host_key": public, "root": ROOT},
        )

    def receiving(self) -> dict[str, Any]:
        """The Connection d_drop_in: the same server, where the hub lays files down."""
        return {
            **self.connection(),
            "conn_id": "d_drop_in",
            "login": LOGINS["d_drop_in"],
            "password": self.ctx.secret("d_drop_in"),
            "extra": {**self.connection()["extra"], "root": "/in"},
        }

    # -- folder ---------------------------------------------------------------------------------------------------

    def behind(self, now: datetime) -> bool:
        """Is something due that does not stand in the folder yet?"""
        return now >= self._next

    def refresh(self) -> None:
        """Lay out what stands in the drop now."""
        now = self.ctx.now()
        coming = [self.zips.table.next_change(now), *(t.next_change(now) for t in self.workbooks.tables.values())]
        (self.folder / "out").mkdir(parents=True, exist_ok=True)
        planned = {path: ("d4", *plan) for path, plan in self.zips.plan(now).items()}
        planned |= {path: ("d5", *plan) for path, plan in self.workbooks.plan(now).items()}
        coming += [at for _, at, _ in planned.values() if at > now]
        planned = {path: plan for path, plan in planned.items() if plan[1] <= now}
        faulty = self._faulty(planned)
        for path, (system, at, rows) in planned.items():
            fault = faulty.get(path)
            digest = hashlib.sha256(repr((rows, fault and (fault.kind, fault.options))).encode()).hexdigest()
            if self._built.get(path) != (system, digest):
                self._write(system, path, at, rows, fault)
                self._built[path] = (system, digest)
        for path in self._built.keys() - planned.keys():
            del self._built[path]
            for name in (path, f"{path}.ok"):
                (self.folder / "out" / name).unlink(missing_ok=True)
        self._next = min(coming)

    def _faulty(self, planned: dict[str, tuple[str, datetime, Any]]) -> dict[str, Fault]:
        """Which file a fault is about: ``file=`` (part of its path), else the newest of its system."""
        faulty = {}
        for system in ("d4", "d5"):
            fault = self.ctx.faults.armed(system, *_CONTENT)
            if fault:
                fits = [p for p, plan in planned.items() if plan[0] == system and fault.options.get("file", "") in p]
                if fits:
                    faulty[max(fits, key=lambda p: (planned[p][1], p))] = fault
        return faulty

    def _write(self, system: str, path: str, at: datetime, rows: list[dict[str, Any]], fault: Fault | None) -> None:
        target = self.folder / "out" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        mark = target.with_name(f"{target.name}.ok")
        if system == "d4":
            body, ok = self.zips.build(path, rows, fault)
            mark.unlink(missing_ok=True)
            _put(target, body, at)
            if ok is not None:
                _put(mark, ok, at)
        else:
            _put(target, self.workbooks.build(path, rows, fault), at)

    # -- faults ---------------------------------------------------------------------------------------------------

    def apply_faults(self) -> None:
        """Faults of content are laid into the folder, the host key into the server."""
        if self._acceptor:
            other = self.ctx.faults.armed("d4", "host_key") is not None
            self._acceptor.update(server_host_keys=[self._other_key if other else self._key])
        self.refresh()

    def listed(self, path: Path) -> None:
        """A client listed a folder: a workbook that is still being written grows."""
        fault = self.ctx.faults.armed("d5", "growing")
        books = sorted(path.glob("*.xlsx")) if path.is_dir() else []
        if not fault or not books:
            return
        self.ctx.faults.take("d5", "growing")
        with books[-1].open("ab") as file:
            file.write(bytes(1024))
        if not self.ctx.faults.armed("d5", "growing"):
            self._built.pop(
                str(books[-1].relative_to(self.folder / "out")), None
            )  # whole again from the next listing on
            self._next = datetime.min

    def opened(self, path: Path) -> str:
        """A client opened a file: count down its fault. Returns the system."""
        name = str(path.relative_to(self.folder / "out")) if path.is_relative_to(self.folder / "out") else ""
        system = self._built.get(name, ("", ""))[0]
        fault = self.ctx.faults.armed(system, *_CONTENT) if system else None
        if fault and fault.left is not None and fault.options.get("file", "") in name:
            self.ctx.faults.take(system, fault.kind)
            self.ctx.faults._changed()
        return system


def _put(path: Path, body: bytes, at: datetime) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(body)
    moment = at.replace(tzinfo=SHANGHAI).timestamp()
    os.utime(part, (moment, moment))
    part.replace(path)


class _Server(asyncssh.SSHServer):
    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        down = self.ctx.faults.take("d4", "down")
        self.ctx.faults.log("d4", "CONNECT", "", "", None if down else 200)
        if down:
            conn.abort()

    def begin_auth(self, username: str) -> bool:
        self.ctx.faults.take("d4", "host_key")
        self.ctx.faults._changed()
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        known = {LOGINS[conn_id]: self.ctx.secret(conn_id) for conn_id in ("d_drop", "d_drop_in")}
        return known.get(username) == password


def _files(drop: Drop, chan: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
    """What a login finds: the drop, to read; or the folder that others lay files into."""
    if chan.get_extra_info("username") == LOGINS["d_drop"]:
        return _ReadOnly(drop, chan)
    (drop.received / "in").mkdir(parents=True, exist_ok=True)
    return asyncssh.SFTPServer(chan, chroot=str(drop.received).encode())


class _ReadOnly(asyncssh.SFTPServer):
    """Read and list; everything else is denied."""

    def __init__(self, drop: Drop, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan, chroot=str(drop.folder).encode())
        self.drop = drop
        self._reset_at: dict[Any, int] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if pflags & _WRITING:
            raise asyncssh.SFTPPermissionDenied("read-only")
        file = super().open(path, pflags, attrs)
        system = self.drop.opened(Path(os.fsdecode(self.map_path(path))))
        self.drop.ctx.faults.log(system or "d4", "READ", os.fsdecode(path), "", 200)
        if system and self.drop.ctx.faults.take("d4", "reset", path=os.fsdecode(path)):
            self._reset_at[id(file)] = 1
        return file

    def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        if self._reset_at.pop(id(file_obj), None):
            self.connection.abort()
            raise asyncssh.SFTPConnectionLost("reset")
        read: bytes = super().read(file_obj, offset, size)  # type: ignore[assignment]  # a local file is read at once
        return read

    async def scandir(self, path: bytes) -> Any:
        self.drop.listed(Path(os.fsdecode(self.map_path(path))))
        async for name in super().scandir(path):
            if not os.fsencode(name.filename).endswith(b".part"):
                yield name

    def _denied(self, *_: Any) -> Any:
        raise asyncssh.SFTPPermissionDenied("read-only")

    setstat = lsetstat = fsetstat = mkdir = rmdir = remove = _denied  # type: ignore[assignment]  # whatever it is given
    rename = posix_rename = symlink = link = open56 = write = _denied  # type: ignore[assignment]
