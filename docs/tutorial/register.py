"""A foreign town's permit register, for the tutorial: ``python docs/tutorial/register.py [PORT]`` (standard library only).

``GET /api/permits?page=1&per_page=50`` gives a page, newest last; a permit has its holder in an object of its own.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PERMITS = [
    {
        "permit_number": f"BP-2026-{n:05d}",
        "permit_type": ["Building", "Demolition", "Excavation"][n % 3],
        "holder": {"name": f"Harbour Works {n % 17} Ltd", "country": "GB"},
        "issue_date": f"2026-{n % 9 + 1:02d}-{n % 27 + 1:02d}",
        "expiry_date": f"2028-{n % 9 + 1:02d}-{n % 27 + 1:02d}" if n % 5 else None,
        "fee_pence": n * 250,
    }
    for n in range(1, 181)
]


class Register(BaseHTTPRequestHandler):
    """One listing, by page."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        page, size = int(query.get("page", 1)), int(query.get("per_page", 50))
        found = asked.path == "/api/permits"
        answer = (
            {"permits": PERMITS[(page - 1) * size : page * size], "total": len(PERMITS)} if found else {"error": "?"}
        )
        body = json.dumps(answer).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8099), Register)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
