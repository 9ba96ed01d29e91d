"""A tap of the Singer specification, as its config tells it to behave; two streams, one with bookmarks."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

PERMITS = [
    {"id": n, "permit": f"B-{n:03d}", "updated": f"2026-11-{n:02d}", "cost": 1.10, "site": {"town": "厚街"}}
    for n in range(1, 8)
]
STREAMS = {"permits": (PERMITS, ["id"], "updated"), "towns": ([{"code": "441900101"}], ["code"], None)}


def say(**message: object) -> None:
    print(json.dumps(message, ensure_ascii=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--discover", action="store_true")
    given = parser.parse_args()
    config = json.loads(Path(given.config).read_text(encoding="utf-8"))
    if config.get("api_key") != "s3cret-key":
        print(f"401: the key {config.get('api_key')} is wrong", file=sys.stderr)
        sys.exit(1)
    how = config.get("how", "")
    schemas = {
        name: {"type": "object", "properties": {column: {"description": f"of {column}"} for column in rows[0]}}
        for name, (rows, _, _) in STREAMS.items()
    }
    if given.discover:
        listed = [
            {
                "tap_stream_id": name,
                "stream": name,
                "schema": schemas[name],
                "key_properties": key,
                "metadata": [{"breadcrumb": ["properties", column], "metadata": {}} for column in rows[0]],
            }
            for name, (rows, key, _) in STREAMS.items()
        ]
        print(json.dumps({"streams": listed}))
        return
    chosen = ["towns", "permits"]
    if given.catalog:
        chosen = []
        for entry in json.loads(Path(given.catalog).read_text(encoding="utf-8"))["streams"]:
            about = [one["metadata"] for one in entry["metadata"] if not one["breadcrumb"]]
            if about and about[0].get("selected"):
                chosen.append(entry["tap_stream_id"])
    state = json.loads(Path(given.state).read_text(encoding="utf-8")) if given.state else {}
    for name in chosen:
        rows, key, mark = STREAMS[name]
        if how == "says nothing":
            continue
        say(type="SCHEMA", stream=name, schema=schemas[name], key_properties=key)
        for row in rows:
            if mark and row[mark] <= state.get(name, ""):
                continue
            if how == "fails" and row.get("id") == 4:
                print("the server said 503", file=sys.stderr)
                sys.exit(3)
            if how == "breaks off" and row.get("id") == 4:
                sys.stdout.write('{"type": "RECORD", "stream": "permits", "rec')
                return
            if how == "hangs" and row.get("id") == 4:
                if os.fork() == 0:  # a child of its own, that has to go as well
                    Path(config["mark"]).write_text(str(os.getpid()), encoding="utf-8")
                    time.sleep(600)
                time.sleep(600)
            if how == "dirty" and row.get("id") == 4:
                print("Downloading page 2 ...")
                say(type="RECORD", stream="permits", record={**row, "cost": float("nan")})
                continue
            if how == "greedy":
                bytearray(2 << 30)
            if how == "noisy":
                print("x" * 200_000, file=sys.stderr)
            say(type="RECORD", stream=name, record={**row, "home": sorted(os.environ)} if how == "tells" else row)
            if mark:
                state[name] = row[mark]
        say(type="STATE", value=state)


if __name__ == "__main__":
    main()
