"""All stand-ins of one run: brought up, kept in step with the world and its clock, taken down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from standins import admin, connections, ports
from standins.context import Context
from standins.forms import SHANGHAI, stamp
from standins.http import BASES, Protocol, Wire
from standins.systems import d1, d2, drop, gateway, m1, m3, mqtt, national, p1, p2, s1, s2, s3, s4, tables

log = logging.getLogger(__name__)
TICK_SECONDS = 0.25


class StandIns:
    """``await start()``, then :attr:`connections`; ``await stop()``. Everything runs in one event loop; what takes
    time (COPY, zips, reading files) runs in threads beside it.
    """

    def __init__(
        self,
        ctx: Context,
        database_url: str,
        *,
        database_prefix: str = "standin",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """``certificate`` (its file and its key's): serve HTTP once more, by TLS, at :attr:`tls_port`."""
        self.ctx = ctx
        self._certificate = certificate
        self.tls_port: int | None = None
        ctx.home.mkdir(parents=True, exist_ok=True)
        gate = gateway.Gateway(ctx, connections.LOGINS["p_gateway"])
        tokens = m1.Tokens(ctx)
        self.files = p2.Files(ctx, gate)
        self.orders = m3.WorkOrders(ctx, tokens)
        self.drop = drop.Drop(ctx)
        self.readings = s4.Readings(ctx)
        self.stream = mqtt.Devices(ctx, self.readings.table)
        self.tables = [tables.Tables(ctx, layout, database_url, database_prefix) for layout in tables.LAYOUTS.values()]
        self.national = national.National(ctx, database_url, database_prefix)
        systems = {
            "p1": [*p1.Interface(ctx, gate).routes(), *self.files.routes()],
            "m1": [*m1.Catalogue(ctx, tokens).routes(), *self.orders.routes()],
            "d1": d1.Approvals(ctx).routes(),
            "d2": d2.Projects(ctx).routes(),
            "s2": s2.Changes(ctx).routes(),
            "s3": s3.Scenes(ctx).routes(),
            "s4": self.readings.routes(),
        }
        mounts = [Mount(BASES[system], routes=routes) for system, routes in systems.items()]
        self.app = Wire(Starlette(routes=[*mounts, *s1.Layers(ctx).routes(), *admin.routes(ctx)]), ctx.faults)
        self.connections: list[dict[str, Any]] = []
        self._served: tuple[int, float] | None = None
        self._seen: tuple[int, int] | None = None
        self._servers: list[uvicorn.Server] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._follower: asyncio.Task[None] | None = None
        ctx.faults.watch(self._faults_changed)

    # -- up and down ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring everything up; returns when all of it answers."""
        self._loop = asyncio.get_running_loop()
        self._faults_dirty = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._seen = self._mark()
        bound = ports.sockets(self.ctx.home, ("http", "sftp", "mqtt"))
        databases = asyncio.gather(
            *(asyncio.to_thread(opened) for opened in [*(table.open for table in self.tables), self.national.open])
        )
        await asyncio.to_thread(self.ctx.world.refresh)
        await asyncio.to_thread(self.drop.refresh)
        self.orders.open()
        await self.drop.start(bound["sftp"])
        await self.stream.start(bound["mqtt"])
        self._serve_http(bound["http"])
        if self._certificate:
            sock = socket.create_server((connections.HOST, 0))
            self.tls_port = sock.getsockname()[1]
            self._serve_http(sock, ssl_certfile=str(self._certificate[0]), ssl_keyfile=str(self._certificate[1]))
        await databases
        while not all(server.started for server in self._servers):
            await asyncio.sleep(0.01)
        self.connections = self._connections(bound["http"].getsockname()[1])
        self._write_served(self.ctx.now())
        self._follower = asyncio.create_task(self._follow())

    def _serve_http(self, sock: socket.socket, **tls: Any) -> None:
        server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                http=Protocol,
                lifespan="off",
                log_level="critical",
                access_log=False,
                date_header=False,
                server_header=False,
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
                **tls,
            )
        )
        # signals are the process's affair, not the server's
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._servers.append(server)
        self._tasks.append(asyncio.create_task(server.serve([sock])))

    async def stop(self) -> None:
        """Take everything down; the databases stay for the next run."""
        if self._follower:
            self._follower.cancel()
        for server in self._servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*self._tasks, *([self._follower] if self._follower else ()), return_exceptions=True)
        await self.stream.stop()
        await self.drop.stop()
        self.orders.close()

    def _connections(self, port: int) -> list[dict[str, Any]]:
        secret = self.ctx.secret
        http = connections.http
        return [
            http("p_gateway", port, BASES["p1"], password=secret("p_gateway"), header_prefix=gateway.PREFIX),
            *(
                connections.connection(
                    table.layout.conn_id,
                    "generic",
                    login=table.login,
                    password=table.password,
                    extra={"url": table.url},
                )
                for table in self.tables
            ),
            http("m_api", port, BASES["m1"], password=secret("m_api")),
            http("d_land", port, BASES["d1"], password=secret("d_land"), wsdl="/services/ApprovalQuery?wsdl"),
            http("d_reform", port, BASES["d2"], password=secret("d_reform"), wsdl="/services/ProjectQuery?wsdl"),
            self.drop.connection(),
            self.drop.receiving(),
            self.national.connection(),
            http("s_wfs", port, BASES["s1"], password=secret("s_wfs")),
            http("s_features", port, BASES["s2"]),
            http("s_stac", port, BASES["s3"]),
            http("s_readings", port, BASES["s4"], password=secret("s_readings")),
            self.stream.connection(),
        ]

    # -- in step with the world -----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._faults_dirty.wait(), TICK_SECONDS)
            try:
                await self.settle()
            except Exception:  # a world half written, a database that restarts: said, and tried again at the next tick
                log.exception("the stand-ins could not follow the world; trying again")
                await asyncio.sleep(TICK_SECONDS)

    async def settle(self) -> None:
        """Catch up now with faults, world and clock."""
        async with self._one_at_a_time:
            if self._faults_dirty.is_set():
                self._faults_dirty.clear()
                await self._apply_faults()
            await self._step()

    async def _step(self) -> None:
        mark = self._mark()
        if mark != self._seen:
            await asyncio.to_thread(self.ctx.world.refresh)
            await asyncio.gather(*(asyncio.to_thread(table.refresh) for table in self.tables))
            await asyncio.to_thread(self.drop.refresh)
            self._seen = mark
        now = self.ctx.now()
        for table in self.tables:
            if table.behind(now):
                await asyncio.to_thread(table.move, now)
        if self.drop.behind(now):
            await asyncio.to_thread(self.drop.refresh)
        self.orders.move(now)
        self.stream.move(now)
        self._write_served(now)

    def _mark(self) -> tuple[int, int]:
        stat = (self.ctx.world.folder / "world.json").stat()
        return stat.st_mtime_ns, stat.st_size

    def _write_served(self, now: datetime) -> None:
        """served.json: what a client sees from now on; written when revision or clock jumped."""
        ahead = (now - datetime.now(SHANGHAI).replace(tzinfo=None)).total_seconds()
        revision, was = self._served or (None, 0.0)
        if revision == self.ctx.world.revision and abs(ahead - was) < 2:
            return
        self._served = (self.ctx.world.revision, ahead)
        stated = {"revision": self.ctx.world.revision, "clock": stamp(now), "pid": os.getpid()}
        path = self.ctx.home / "served.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(stated))
        part.replace(path)

    # -- faults that are no answer --------------------------------------------------------------------------------

    def _faults_changed(self) -> None:
        with contextlib.suppress(RuntimeError, AttributeError):  # not started, or over
            self._loop.call_soon_threadsafe(self._faults_dirty.set)

    async def _apply_faults(self) -> None:
        for table in self.tables:
            down = self.ctx.faults.armed(table.layout.system, "down") is not None
            await asyncio.to_thread(table.outage, down)
        await asyncio.to_thread(self.drop.apply_faults)
        self.stream.outage(self.ctx.faults.armed("s4_mqtt", "down") is not None)
