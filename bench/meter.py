"""What a stretch of work costs this process and the database server beside it: seconds, CPU, peaks of memory, the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import sqlalchemy as sa

from store.engine import engine

_EVERY = 0.5  # seconds between two looks at memory and transactions


@contextmanager
def metered() -> Iterator[dict[str, Any]]:
    """Yields what is filled when the block ends: ``s``, ``cpu_s`` and ``server_cpu_s``; ``peak_mib`` and ``server_peak_mib``
    (proportional memory of the process and of the server with all its backends, shared buffers counted once);
    ``longest_transaction_s``; ``wal_mib`` and ``temporary_mib``, what was written of the log and of sorts on disk.

    The server is the one that the environment names, on this machine.
    """
    found: dict[str, Any] = {}
    watching = sa.create_engine(engine().url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with watching.connect() as connection:
        postmaster = _postmaster(connection)
        before, cpu, server, begun = _written(connection), time.process_time(), _cpu(postmaster), time.perf_counter()
        peaks: dict[str, Any] = {"own": 0, "server": 0, "transaction": 0.0}
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(connection, postmaster, peaks, ended), daemon=True)
        watcher.start()
        try:
            yield found
        finally:
            found["s"] = round(time.perf_counter() - begun, 3)
            ended.set()
            watcher.join()
            found["cpu_s"] = round(time.process_time() - cpu, 3)
            found["server_cpu_s"] = round(_cpu(postmaster) - server, 3)
            after = _written(connection)
            found["peak_mib"], found["server_peak_mib"] = peaks["own"] >> 20, peaks["server"] >> 20
            found["longest_transaction_s"] = round(peaks["transaction"], 1)
            found["wal_mib"], found["temporary_mib"] = (
                round((b - a) / (1 << 20), 1) for a, b in zip(before, after, strict=True)
            )
    watching.dispose()


def _postmaster(connection: sa.Connection) -> psutil.Process:
    own = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
    return psutil.Process(psutil.Process(own).ppid())


def _written(connection: sa.Connection) -> tuple[float, float]:
    row = connection.exec_driver_sql(
        """select pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
                  (select temp_bytes from pg_stat_database where datname = current_database())"""
    ).one()
    return float(row[0]), float(row[1])


def _cpu(postmaster: psutil.Process) -> float:
    """CPU seconds of the server: of what has ended as the kernel added it up, and of what is at work."""
    of = postmaster.cpu_times()
    spent = of.user + of.system + of.children_user + of.children_system
    for backend in postmaster.children():
        with suppress(psutil.Error):
            times = backend.cpu_times()
            spent += times.user + times.system
    return spent


def _watch(
    connection: sa.Connection, postmaster: psutil.Process, peaks: dict[str, Any], ended: threading.Event
) -> None:
    own = psutil.Process()
    while True:
        with suppress(psutil.Error):
            peaks["own"] = max(peaks["own"], own.memory_full_info().pss)
        held = 0
        for process in (postmaster, *postmaster.children()):
            with suppress(psutil.Error):
                held += process.memory_full_info().pss
        peaks["server"] = max(peaks["server"], held)
        lasting = connection.exec_driver_sql(
            """select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0) from pg_stat_activity
               where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
                 and backend_xid is not null"""
        ).scalar_one()
        peaks["transaction"] = max(peaks["transaction"], float(lasting))
        if ended.wait(_EVERY):
            return
