"""Faults on order: every row of source-systems.md's "What goes wrong on these wires", by system and count.

A test arms a fault; the stand-in commits it on the next ``times`` requests that it fits, then is well again::

    faults.arm("p1", "reset", times=2)           # the next two answers break off in the middle
    faults.arm("m1", "token_expired", skip=1)    # not the next request but the one after it
    faults.arm("d1", "broken_gbk", times=None)   # until faults.clear()
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

WIRE = {  # any HTTP system, committed by standins.http before or around the answer
    "down": "the connection is closed without an answer",
    "reset": "the connection is reset in the middle of the body",
    "lost_answer": "the request is carried out, its answer never sent",
    "http_500": "HTTP 500 with a JSON body",
    "html_502": "HTTP 502 with an HTML page",
    "http_503": "HTTP 503 without a body; retry_after=seconds",
    "redirect_away": "a redirect to another host",
    "redirect_same": "a redirect on the same host (302, for POST 307)",
    "slow": "the answer waits; seconds=",
    "clock_off": "the server's clock is off, for Date and every time check; seconds=300",
}
PAGED = {
    "empty_list": "an empty list with code 0 and a total above 0",
    "quota_429": "HTTP 429; retry_after=seconds or absent",
    "quota_inner": "HTTP 200 with inner E-429",
    "outer_error": "HTTP 200 with outer errcode -1",
    "not_authorised": "inner E-106",
    "bad_request": "inner E-400",
    "shift": "a row of the window that has been read is updated, and leaves it",
    "late_row": "a row joins the window while it is being read; row= or a copy of one",
    "total_changes": "the total differs from page to page",
    "repeat_page": "the page before is answered again",
}
FILE = {
    "truncated": "the file is cut",
    "zip_bomb": "the zip holds an entry that unpacks to size= bytes (200 MB)",
    "zip_slip": "the zip holds an entry that climbs out of its folder",
    "gbk_broken": "bytes that are not GB18030",
}
XML = {
    "xxe": "a document with an external entity",
    "billion_laughs": "a document with nested entities",
}
KINDS: dict[str, dict[str, str]] = {
    "p1": WIRE | PAGED,
    "p2": WIRE | PAGED | FILE | {"no_range": "the whole file for a Range request"},
    "p3": {"down": "connections are refused and cut"},
    "m1": WIRE
    | {
        "token_expired": "401 invalid_token for a good token",
        "cursor_expired": "410 for a good cursor",
        "quota_429": PAGED["quota_429"],
    },
    "m2": {"down": "connections are refused and cut"},
    "m3": WIRE | {"token_expired": "401 invalid_token for a good token", "cursor_expired": "410 for a good cursor"},
    "d1": WIRE
    | XML
    | {
        "busy": "fault Server.Busy",
        "timeout": "fault Server.Timeout",
        "timeout_above": "fault Server.Timeout for pages above size= (50); lasts its count",
        "moved_wsdl": "the WSDL is gone from its place: 404",
        "gbk_envelope": "the envelope in GBK by its content type",
        "broken_gbk": "a GBK envelope in which the case ywlsh= (or the first of the page) does not decode",
        "total_changes": PAGED["total_changes"],
    },
    "d2": WIRE
    | XML
    | {
        "busy": "fault Server.userException",
        "moved_wsdl": "the WSDL is gone from its place: 404",
        "short_page": "fewer than count though more follow",
    },
    "d3": {"down": "connections are refused and cut"},
    "d4": FILE
    | XML
    | {
        "down": "the connection is closed at once",
        "reset": "the connection breaks off while a file is read",
        "host_key": "the server shows another host key",
        "no_ok": "the zip's .ok is not there",
        "bad_manifest": "the manifest's md5 is not the file's",
    },
    "d5": FILE | XML | {"growing": "the workbook is still being written: its size changes between listings"},
    "s1": WIRE
    | XML
    | {
        "exception_200": "an ExceptionReport with HTTP 200",
        "exception_400": "an ExceptionReport with HTTP 400",
        "total_changes": PAGED["total_changes"],
        "late_row": PAGED["late_row"],
        "axis_swapped": "coordinates in the other order than srsName says",
    },
    "s2": WIRE | {"ignores_datetime": "datetime is ignored", "late_row": PAGED["late_row"]},
    "s3": WIRE | {"late_row": PAGED["late_row"]},
    "s4": WIRE | {"late_row": PAGED["late_row"]},
    "s4_mqtt": {"down": "clients are cut off"},
}


@dataclass(slots=True)
class Fault:
    """One armed fault; ``left`` None = until cleared."""

    system: str
    kind: str
    left: int | None = 1
    skip: int = 0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked, for tests that count."""

    system: str
    method: str
    path: str
    query: str
    status: int | None  # None: no answer was sent
    at: float


class Faults:
    """The armed faults of one set of stand-ins, and a log of the requests that came. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._listeners: list[Any] = []
        self.requests: list[Request] = []

    def arm(self, system: str, kind: str, *, times: int | None = 1, skip: int = 0, **options: Any) -> None:
        """:raises ValueError: no such system or fault."""
        if kind not in KINDS.get(system, {}):
            raise ValueError(f"{system} knows no fault {kind!r}; it knows {', '.join(sorted(KINDS.get(system, {})))}")
        with self._lock:
            self._armed.append(Fault(system, kind, times, skip, options))
        self._changed()

    def clear(self, system: str | None = None) -> None:
        """Disarm a system's faults, or all."""
        with self._lock:
            self._armed = [fault for fault in self._armed if system and fault.system != system]
        self._changed()

    def take(self, system: str, *kinds: str, path: str = "") -> Fault | None:
        """The first armed fault of these kinds that fits, counted down; a fault's ``path=`` must be part of ``path``."""
        with self._lock:
            for fault in self._armed:
                if fault.system != system or fault.kind not in kinds or fault.options.get("path", "") not in path:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                if fault.left is not None:
                    fault.left -= 1
                    if not fault.left:
                        self._armed.remove(fault)
                return fault
        return None

    def armed(self, system: str, *kinds: str) -> Fault | None:
        """Like :meth:`take`, not counted: for faults that last."""
        with self._lock:
            return next((f for f in self._armed if f.system == system and f.kind in kinds), None)

    def list(self) -> list[dict[str, Any]]:
        """What is armed, for the admin address."""
        with self._lock:
            return [
                {"system": f.system, "kind": f.kind, "times": f.left, "skip": f.skip, "options": f.options}
                for f in self._armed
            ]

    def watch(self, listener: Any) -> None:
        """Call ``listener()`` after every arm and clear."""
        self._listeners.append(listener)

    def wall(self, system: str) -> float:
        """The server's own clock: Unix seconds, off where the fault says so."""
        fault = self.armed(system, "clock_off")
        return time.time() + (fault.options.get("seconds", 300) if fault else 0)

    def log(self, system: str, method: str, path: str, query: str, status: int | None) -> None:
        """Remember a request; only the last 20,000."""
        self.requests.append(Request(system, method, path, query, status, time.time()))
        if len(self.requests) > 20_000:
            del self.requests[:10_000]

    def count(self, system: str, path: str = "", status: int | None = None) -> int:
        """Requests that came to a system."""
        return sum(1 for r in self.requests if r.system == system and path in r.path and status in (None, r.status))

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
