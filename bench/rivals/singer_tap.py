"""A Singer tap of the bench's source: ``python singer_tap.py BASE PAGES | target-postgres --config …``."""

import json
import sys
import urllib.request

STREAM = "licence"


def main(base: str, pages: int) -> None:
    """SCHEMA, a RECORD a row, STATE a page."""
    write = sys.stdout.write
    for number in range(pages):
        with urllib.request.urlopen(f"{base}/{number}", timeout=60) as answer:
            rows = json.load(answer)
        if number == 0:
            properties = {name: {"type": ["string", "null"]} for name in rows[0]}
            schema = {"type": "object", "properties": properties}
            message = {"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": ["certificate_id"]}
            write(json.dumps(message) + "\n")
        for row in rows:
            write(json.dumps({"type": "RECORD", "stream": STREAM, "record": row}) + "\n")
        write(json.dumps({"type": "STATE", "value": {"page": number}}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
