"""MapServer's CGI behind a small HTTP server: a WFS by somebody else, over layers given as GeoJSON."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_MAP = """
MAP
  NAME "nr"
  EXTENT 113.5 22.6 114.3 23.2
  PROJECTION "init=epsg:4490" END
  WEB METADATA
    "wfs_title" "nr"  "wfs_onlineresource" "http://10.255.255.1/cgi/mapserv?"  "wfs_srs" "EPSG:4490 EPSG:4547 EPSG:4526 EPSG:4326"
    "wfs_enable_request" "*"  "wfs_maxfeatures" "{cap}"  "wfs_namespace_prefix" "nr"  "wfs_namespace_uri" "http://other/nr"
  END END
{layers}
END
"""
_LAYER = """
  LAYER
    NAME "{name}"  TYPE POLYGON  STATUS ON
    CONNECTIONTYPE OGR  CONNECTION "{file}"  DATA "{name}"
    PROJECTION "init=epsg:4490" END
    METADATA "wfs_title" "{name}"  "gml_include_items" "all"  "gml_featureid" "{key}"  "wfs_srs" "{srs}"
      "wfs_use_default_extent_for_getfeature" "false"  "wfs_geomtype" "multipolygon" "gml_geometries" "SHAPE" "gml_SHAPE_type" "multipolygon" END
    TEMPLATE "void"
  END
"""


@contextmanager
def serve(
    mapserv: str, folder: Path, layers: dict[str, tuple[str, str, list[dict[str, Any]]]], *, cap: int
) -> Iterator[str]:
    """``layers``: name → (key, CRS names, GeoJSON features in EPSG:4490). Yields the service's URL."""
    parts = []
    for name, (key, srs, features) in layers.items():
        file = folder / f"{name}.geojson"
        file.write_text(json.dumps({"type": "FeatureCollection", "name": name, "features": features}))
        parts.append(_LAYER.format(name=name, file=file, key=key, srs=srs))
    mapfile = folder / "nr.map"
    mapfile.write_text(_MAP.format(cap=cap, layers="".join(parts)))

    config = folder / "mapserver.conf"
    config.write_text(f'CONFIG\n  ENV\n    MS_MAP_PATTERN "^{folder}"\n  END\n  MAPS\n    NR "{mapfile}"\n  END\nEND\n')

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = self.path.partition("?")[2]
            done = subprocess.run(
                [mapserv],
                env={
                    **os.environ,
                    "REQUEST_METHOD": "GET",
                    "QUERY_STRING": f"map=NR&{query}",
                    "MAPSERVER_CONFIG_FILE": str(config),
                },
                capture_output=True,
                check=False,
                timeout=60,
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            self.send_response(200)
            for line in head.decode().splitlines():
                name, _, value = line.partition(": ")
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/cgi/mapserv"
    finally:
        server.shutdown()
        server.server_close()
