"""``onemap up`` and ``onemap down``."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from filelock import FileLock, Timeout

from cli import output, progress, summary
from cli.stack import hub as stack
from cli.stack.first_sync import FOLLOWING, FirstSync
from cli.stack.layout import Layout
from core.errors import ConfigurationError, OneMapError
from dags.provider.onemap_provider.info import FORM_OF


class Stop(BaseException):
    """A signal asked us to end."""


app = typer.Typer()


@app.command()
def up(
    once: bool = typer.Option(
        False,
        "--once",
        help="全部同步一次后停止，有失败则返回非零 · sync all once, stop, non-zero when a feed failed",
    ),
    projects: int = typer.Option(
        590, "--projects", min=1, help="模拟世界的项目数 · projects in the simulated world, when it is made"
    ),
    seed: int = typer.Option(1, "--seed", help="模拟世界的种子 · its seed"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--source", help="只运行这些数源，可多次，默认全部 · only these sources; the others' DAGs stay paused"
        ),
    ] = None,
    no_standins: bool = typer.Option(
        False,
        "--no-standins",
        help="不启动模拟数源，只用已配置的连接（环境变量 AIRFLOW_CONN_<ID> 或 Airflow 界面）· real sources only, by Connections given as AIRFLOW_CONN_<ID> or in Airflow",
    ),
    no_first_sync: bool = typer.Option(
        False, "--no-first-sync", help="启动后不立即同步 · leave the syncs to their schedules"
    ),
) -> None:
    """启动 · Start everything on this machine and take in every source."""
    layout = Layout.here()
    layout.make()
    lock = FileLock(layout.home / "up.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(
            f"the hub already runs in {layout.home}",
            remedy="./onemap down ends it; ONEMAP_HOME names another run folder",
            zh=f"{layout.home} 中的枢纽已在运行。可用 ./onemap down 停止，或用 ONEMAP_HOME 指定其他运行目录。",
        ) from None
    with lock:
        raise typer.Exit(_up(layout, once, projects, seed, only, not no_standins, not no_first_sync))


@app.command()
def down() -> None:
    """停止 · End everything of this run folder, also what a killed launcher left; data stays."""
    layout = Layout.here()
    if not layout.home.exists():
        output.out.print(f"没有运行目录 {layout.home} / no run folder")
        return
    layout.make()
    asked = stack.stop_other(layout)
    count = stack.close(layout)
    output.out.print(f"✓ 已停止 stopped{'' if asked or count else '（未在运行 nothing was running）'}  {layout.home}")


def _up(
    layout: Layout, once: bool, projects: int, seed: int, only: list[str] | None, standins: bool, sync: bool
) -> int:
    hub = stack.Hub(layout)
    code = 0
    with _signals():
        try:
            names = _start(hub, projects, seed, only, standins)
            if sync and names:
                code = _sync(hub, names)
            if once and not names:
                raise ConfigurationError(
                    "no source is connected, so nothing was read",
                    remedy="give the Connections of docs/source-systems.md as AIRFLOW_CONN_<ID> or in the Airflow UI",
                    zh="没有接入任何数源，未读取数据。请按 docs/source-systems.md 的 Connections 一节以 AIRFLOW_CONN_<ID> 或在 Airflow 界面（管理 > 连接）中给出连接。",
                )
            if once:
                return code
            if names and sync:  # the summary has pushed them out of sight
                _addresses(hub.write_addresses())
            output.out.print("\n运行中，按 Ctrl-C 停止 · running, Ctrl-C stops")
            while True:
                hub.keep(output.out.print)
                time.sleep(1)
        except Stop:
            return 0 if not once else 130
        except OneMapError as problem:
            return output.error(problem)
        finally:
            _deaf()
            with _step("停止全部进程 stop"):
                hub.close()


def _start(hub: stack.Hub, projects: int, seed: int, only: list[str] | None, standins: bool) -> dict[str, str]:
    """Every step to a healthy Airflow; independent ones side by side. Returns the sources that can be read, with names."""
    from sinks import loader as sinks
    from sources.loader import load, load_all

    sources = list(load_all().values())
    first = {load(name).source for name in only} if only else {source.source for source in sources}
    with _step("运行目录 run folder") as note:
        left = hub.begin()
        note(f"{hub.layout.home}" + (f"，清除遗留进程 {left} 个 / {left} left processes ended" if left else ""))
    with _step("内嵌数据库 PostgreSQL"):
        hub.open_database()
    with ThreadPoolExecutor(3) as pool:
        steps = [
            pool.submit(_timed, "统一库结构 schema", hub.migrate),
            pool.submit(_timed, "Airflow 元数据库 metadata", hub.migrate_airflow),
        ]
        if standins:
            steps.append(pool.submit(_timed, "模拟世界 simulated world", lambda: hub.make_world(projects, seed)))
        for step in steps:
            step.result()
    connections: list[dict[str, Any]] = []
    receivers = list(sinks.load_all().values())
    missing = hub.missing_connections({one.connection for one in sources} | {one.connection for one in receivers})
    if standins and missing:
        with _step("模拟数源 stand-in sources") as note:
            forms = {source.connection: FORM_OF.get(source.protocol) for source in sources}
            connections = [
                {**c, "conn_type": forms.get(c["conn_id"]) or c["conn_type"]}
                for c in hub.start_standins()
                if c["conn_id"] in missing
            ]
            missing -= {c["conn_id"] for c in connections}
            note(f"{len(connections)} 个连接 connections")
    with _step("连接与资源池 connections, pools") as note:
        left = hub.connect(connections)
        note(f"上次中断的运行 {left} 个已结清 / {left} unfinished runs settled" if left else "")
    password, fresh = hub.layout.admin_password()
    with _step("Airflow") as note:
        hub.start_airflow(paused=bool(only))
        note(hub.address)
    addresses = hub.write_addresses()
    _addresses(addresses)
    # shown once, on the first start; later starts name the file
    output.out.print(
        f"  用户 user: admin   密码 password: {password}\n"
        if fresh
        else f"  用户 user: admin   密码见 password in {hub.layout.passwords}\n",
        markup=False,
    )
    for sink in (one for one in receivers if one.connection in missing):
        output.out.print(
            f"[yellow]![/] 未接通推送 not connected: {sink.name} {sink.sink}，缺少连接 {sink.connection}（AIRFLOW_CONN_{sink.connection.upper()}，或界面“管理 > 连接”）"
        )
    left_out = [source for source in sources if source.connection in missing]
    for source in left_out:
        output.out.print(
            f"[yellow]![/] 未接入 not connected: {source.name} {source.source}，缺少连接 {source.connection}（AIRFLOW_CONN_{source.connection.upper()}，或界面“管理 > 连接”）"
        )
    return {s.source: s.name for s in sources if s.source in first and s not in left_out}


def _addresses(addresses: dict[str, Any]) -> None:
    """What to open."""
    output.out.print(f"\n  Airflow 界面 UI    [bold]{addresses['airflow']}[/]")
    output.out.print(f"  一张图 One Map     [bold]{addresses['one_map']}[/]")
    output.out.print(f"  运行健康 health    [bold]{addresses['health']}[/]")


def _sync(hub: stack.Hub, names: dict[str, str]) -> int:
    """The first sync, through Airflow, and its summary; exit code 1 when a feed failed or does not balance."""
    sync = FirstSync(hub.api(), names, hub.keep)
    with _step("DAG") as note:
        sync.wait_for_dags()
        note(f"{len(names)} 个数源 sources")
    begun = time.monotonic()
    try:
        sync.trigger()
        with progress.shown() as show:
            for state in sync.sources():
                show(state)
    finally:
        sync.release()
    output.out.print(f"[green]✓[/] 同步 sync  [dim]{time.monotonic() - begun:.1f} s[/]")
    states = {}
    for dag, zh in zip(FOLLOWING, ("归并", "督办"), strict=True):
        with _step(f"{zh} {dag}"):
            *_, states[dag] = sync.follow(dag)
    return summary.show(sync, states)


@contextmanager
def _step(what: str) -> Iterator[Callable[[str], None]]:
    """A step with its time; the yielded function adds a note."""
    notes: list[str] = []
    begun = time.monotonic()
    if output.out.is_terminal:
        with output.out.status(what):
            yield notes.append
    else:
        yield notes.append
    note = "  ".join(n for n in notes if n)
    output.out.print(f"[green]✓[/] {what}  [dim]{time.monotonic() - begun:.1f} s[/]  {note}")


def _timed(what: str, do: Callable[[], Any]) -> None:
    begun = time.monotonic()
    do()
    output.out.print(f"[green]✓[/] {what}  [dim]{time.monotonic() - begun:.1f} s[/]")


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the hub in order; under nohup a SIGHUP stays ignored."""

    def stop(number: int, frame: Any) -> None:
        raise Stop

    heard = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heard.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf() -> None:
    """While ending: further signals change nothing, the end is under way."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: output.err.print("正在停止 stopping …"))
