"""The bench's one source: a directory of licences as JSON pages over HTTP, and the connector that reads it."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
import requests

from connectors.base import Batch, Connector, Payload, Proof, Window
from core import codes
from sources.declaration import Feed

PAGE = 5_000
FEED = "p1.licence"


def row(number: int) -> dict[str, str]:
    """One licence as the provincial platform's directory has it; every check digit is right."""
    certificate = f"1.2.156.3005.2.11100000000013338W009.11441900007330000P.{number:012d}.001"
    project = f"2312-441900-04-01-{number % 10**5:05d}"
    return {
        "certificate_id": f"{certificate}.{codes.certificate_check(certificate)}",
        "certificate_type_code": "11100000000013338W009",
        "certificate_type_name": "建筑工程施工许可证",
        "certificate_number": f"4419{number:014d}",
        "holder_name": f"东莞市第{number % 5000}精密科技有限公司",
        "holder_code": "91441900MA0000015D",
        "issue_org_name": "东莞市住房和城乡建设局",
        "issue_org_code": "11441900007330000P",
        "issue_date": f"2025-{1 + number % 12:02d}-{1 + number % 28:02d} 09:{number % 60:02d}:00",
        "valid_from": f"2025-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "valid_to": "长期",
        "project_code": project + codes.project_code_check(project),
        "state": "有效",
        "updateTime": f"2025-{1 + number % 12:02d}-{1 + number % 28:02d} 10:{number % 60:02d}:00",
    }


def page_count(rows: int) -> int:
    """How many pages a listing of ``rows`` has."""
    return (rows + PAGE - 1) // PAGE


def serve(rows: int) -> None:
    """Tell the port, then answer for ever. Pages are made beforehand, so that making them costs no side."""
    bodies = [
        json.dumps([row(n) for n in range(start, min(start + PAGE, rows))], ensure_ascii=False).encode()
        for start in range(0, rows, PAGE)
    ]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = bodies[int(self.path.rpartition("/")[2])]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def served(rows: int) -> Iterator[str]:
    """The base URL of a listing of ``rows`` licences, served by a process of its own."""
    command = [sys.executable, "-m", "bench.licences", str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise ChildProcessError("the bench's source does not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def pages(base: str, rows: int) -> Iterator[bytes]:
    """Every page's bytes, read in pieces as connectors/transports/http.py reads them."""
    with requests.Session() as session:
        for number in range(page_count(rows)):
            with session.get(f"{base}/{number}", timeout=60, stream=True) as answer:
                yield b"".join(iter(lambda: answer.raw.read1(1 << 16), b""))  # noqa: B023 - read before the next


class Pages(Connector):
    """Reads the listing: ``base`` and ``rows`` are set by the bench."""

    base: str
    rows: int

    def check(self) -> list[Any]:
        return []

    def fetch(self, feed: Feed, window: Window, state: Any) -> Iterator[Payload | Proof]:
        for number, body in enumerate(pages(self.base, self.rows)):
            now = datetime.now()
            yield Payload(body, "application/json", {"page": number}, now, now)
        yield Proof(True, "every page", self.rows, self.rows)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        table = pl.read_json(payload.body).to_arrow()
        rows = pl.int_range(table.num_rows, eager=True).cast(pl.String)
        place = pl.select(pl.format("{}:{}", pl.lit(payload.request["page"]), rows)).to_series().to_arrow()
        yield Batch(table.append_column("_place", place.cast(pa.large_string())))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
