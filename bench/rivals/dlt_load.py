"""dlt's side of the hot path, run in an environment of its own: ``python dlt_load.py BASE PAGES DATABASE SOCKET FOLDER TIMES``.

The same pages over HTTP, ``write_disposition="merge"`` on the certificate's id, into the same PostgreSQL. Prints a line
of JSON for each time: the seconds of ``pipeline.run``, without the interpreter's start and the imports.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import dlt
import requests
from dlt.destinations import postgres


def main(base: str, pages: int, database: str, socket: str, folder: str, times: int) -> None:
    """Load ``times`` times."""

    @dlt.resource(name="licence", primary_key="certificate_id", write_disposition="merge")  # type: ignore[untyped-decorator]
    def licence() -> Iterator[Any]:
        with requests.Session() as session:
            for number in range(pages):
                yield session.get(f"{base}/{number}", timeout=60).json()

    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=folder,
        dataset_name="bench_dlt",
        destination=postgres(credentials=f"postgresql://postgres:none@{quote(socket, safe='')}:5432/{database}"),
    )
    for _ in range(times):
        begun = time.perf_counter()
        pipeline.run(licence())
        print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)


if __name__ == "__main__":
    _, base, pages, database, socket, folder, times = sys.argv
    main(base, int(pages), database, socket, folder, int(times))
