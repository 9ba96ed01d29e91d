"""Clients of an HTTP server, light enough to be no load themselves: ``python -m bench.asking PORT PATH SECONDS CLIENTS`` with the
key on standard input. Prints one object: seconds of each answer, and the states of what was no 200."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time


def ask(port: int, path: str, key: str, seconds: float, clients: int) -> dict[str, list[float] | list[int]]:
    """So many threads, each on a connection that stays open, for so many seconds."""
    took: list[float] = []
    failed: list[int] = []

    def one() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            connection.request("GET", path, headers={"X-API-Key": key})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                took.append(time.perf_counter() - began)
            else:
                failed.append(answer.status)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"took": took, "failed": failed}


if __name__ == "__main__":
    _, port, path, seconds, clients = sys.argv
    print(json.dumps(ask(int(port), path, sys.stdin.readline().strip(), float(seconds), int(clients))))
