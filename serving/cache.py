"""What costs much to count and is asked often, kept in memory for each grant until the store or the ledger moves."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

from core import settings
from serving.access import Grant, reading
from store.engine import transaction

PATIENCE = 5.0  # while the store moves all the time: reading takes at most a fifth of the time
_STAMP = """
select store.last_change() as change, coalesce((select max(id) from supervision.run), 0) as run,
       coalesce((select max(seq) from supervision.finding_event), 0) as event"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    stamp: tuple[Any, ...]
    read_at: float
    cost: float  # seconds that reading took


class Cache(Generic[T]):
    """Values that ``read`` makes of a connection and a name; who sees what is decided by the views, so each grant has its own."""

    def __init__(self, read: Callable[[Connection, str], T], most: int) -> None:
        self._read, self._most = read, most
        self._entries: OrderedDict[tuple[Any, ...], _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, grant: Grant, name: str = "") -> T:
        """The value as of now, or not older than :data:`PATIENCE` times what reading it takes."""
        key = (settings.database_url(), grant.setting(), name)
        with reading(grant) as connection:
            stamp = _stamp()
            with self._lock:
                entry = self._entries.get(key)
                if entry and (entry.stamp == stamp or time.monotonic() - entry.read_at < PATIENCE * entry.cost):
                    self._entries.move_to_end(key)
                    return entry.value
            begun = time.monotonic()
            value = self._read(connection, name)
        with self._lock:
            self._entries[key] = _Entry(value, stamp, time.monotonic(), time.monotonic() - begun)
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        return value


def _stamp() -> tuple[Any, ...]:
    with transaction() as connection:
        return tuple(connection.exec_driver_sql(_STAMP).one())
