"""What was received is kept as it came: once, whole, and never believed without its digest."""

import errno
import hashlib
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from core.errors import ConfigurationError, InternalError, TransientError
from store import archive


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEMAP_ARCHIVE_URL", str(tmp_path / "archive"))
    return tmp_path / "archive"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("body", [b"", b"x", "一张图".encode() * 100_000, os.urandom(3 << 20)])
def test_bytes_come_back_as_they_were(body):
    kept = archive.put(body)
    assert kept.sha256 == hashlib.sha256(body).hexdigest() and kept.size == len(body)
    assert archive.get(kept.sha256) == body


def test_equal_bytes_are_kept_once_from_memory_and_from_a_file(tmp_path, folder):
    path = tmp_path / "payload"
    path.write_bytes(b"a" * 5_000_000)
    assert archive.put(path) == archive.put(b"a" * 5_000_000)
    assert len(files(folder)) == 1
    assert files(folder)[0].stat().st_size < 100_000  # compressed
    assert list(archive.listing()) == [archive.digest(path).sha256]


def test_damaged_bytes_are_refused(folder):
    kept = archive.put(os.urandom(10_000))
    (stored,) = files(folder)
    data = bytearray(stored.read_bytes())
    data[5000] ^= 1
    stored.write_bytes(data)
    with pytest.raises(InternalError, match="damaged"):
        archive.get(kept.sha256)


def test_other_bytes_under_the_name_are_refused(folder):
    kept, other = archive.put(b"one"), archive.put(b"two")
    stored = {path.stem: path for path in files(folder)}
    stored[kept.sha256].write_bytes(stored[other.sha256].read_bytes())
    with pytest.raises(InternalError, match="damaged"):
        archive.get(kept.sha256)


def test_missing_bytes_are_an_error_that_names_them():
    with pytest.raises(InternalError, match="f" * 64):
        archive.get("f" * 64)


def test_a_write_that_breaks_leaves_nothing_under_the_name(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TransientError, match="the disk is full"):
        archive.put(b"payload")
    monkeypatch.undo()
    assert files(folder) == []


def test_another_file_system_keeps_them_as_well(monkeypatch):
    monkeypatch.setenv("ONEMAP_ARCHIVE_URL", "memory://archive")
    kept = archive.put(b"payload")
    assert archive.get(kept.sha256) == b"payload"
    archive.drop(kept.sha256)
    assert not archive.exists(kept.sha256)


def test_a_large_payload_is_opened_as_a_file_and_goes_with_the_context():
    kept = archive.put(b"0123456789" * 2_000_000)
    with archive.opened(kept.sha256, kept.size) as body:
        assert isinstance(body, Path) and archive.digest(body) == kept
    assert not body.exists()


def test_memory_stays_flat_for_a_large_file(tmp_path):
    program = """
import resource, sys
from pathlib import Path
from store import archive
kept = archive.put(Path(sys.argv[1]))
for _ in archive.read(kept.sha256): pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for size in (1, 150):
        path = tmp_path / f"{size}"
        piece = os.urandom(1 << 20)
        with path.open("wb") as file:
            for _ in range(size):
                file.write(piece)
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 60_000, f"kilobytes: {peaks}"


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as keeping, asking, listing and dropping an object takes."""

    held: dict[str, bytes] = {}
    full = False

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.full:
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        else:
            self.held[self.path.partition("?")[0]] = body
            self.answer(200)

    def do_HEAD(self) -> None:
        found = self.held.get(self.path)
        self.answer(404) if found is None else self.answer(200, Content_Length=str(len(found)))

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if "list-type" in query:
            asked = parse_qs(query)
            prefix, below = asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]
            keys = [key.removeprefix("/bucket/") for key in sorted(self.held)]
            keys = [key for key in keys if key.startswith(prefix)]
            folders = sorted(
                {prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
            )
            keys = keys if not below else [key for key in keys if "/" not in key[len(prefix) :]]
            files = "".join(
                f'<Contents><Key>{key}</Key><Size>{len(self.held["/bucket/" + key])}</Size><ETag>"1"</ETag>'
                "<LastModified>2026-11-23T00:00:00.000Z</LastModified></Contents>"
                for key in keys
            )
            folders = [f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in folders if below]
            return self.answer(200, f"<ListBucketResult>{files}{''.join(folders)}</ListBucketResult>".encode())
        found = self.held.get(path)
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if (span := self.headers.get("Range")) is None:
            return self.answer(200, found)
        first, _, last = span.removeprefix("bytes=").partition("-")
        end = min(int(last or len(found)), len(found) - 1)
        part = found[int(first) : end + 1]
        return self.answer(206, part, Content_Range=f"bytes {first}-{end}/{len(found)}")

    def do_POST(self) -> None:
        keys = re.findall(r"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())
        for key in keys:
            self.held.pop(f"/bucket/{key}", None)
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_the_archive_lies_in_an_object_store_as_in_a_folder(monkeypatch, tmp_path):
    """Whole or not at all there too: what fails while it is made leaves no object behind."""
    Bucket.held.clear()
    monkeypatch.setattr(Bucket, "full", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "ONEMAP_ARCHIVE_URL": "s3://bucket/archive",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "two",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        body = os.urandom(1 << 20)
        kept = archive.put(body)
        assert archive.put(body) == kept and len(Bucket.held) == 1 and archive.get(kept.sha256) == body
        with archive.opened(kept.sha256, kept.size, in_memory=0) as path:
            assert path.read_bytes() == body
        archive.write_document("journal/store/1", {"一": 1})
        assert (
            archive.read_document("journal/store/1") == {"一": 1} and archive.read_document("journal/store/2") is None
        )
        assert archive.documents("journal") == ["journal/store/1"] and archive.documents("none") == []
        assert list(archive.listing()) == [kept.sha256]
        changing = tmp_path / "payload"
        changing.write_bytes(b"a" * 100)
        monkeypatch.setattr(archive, "digest", lambda _: archive.Archived("0" * 64, 100))
        with pytest.raises(InternalError, match="changed while"):
            archive.put(changing)
        assert len(Bucket.held) == 2
        archive.drop(kept.sha256)
        assert list(archive.listing()) == []
        with pytest.raises(InternalError, match="the archive has no"):
            archive.get(kept.sha256)
        monkeypatch.setattr(Bucket, "full", True)
        with pytest.raises(ConfigurationError, match="not to be written to"):
            archive.write_document("journal/store/3", {})
    finally:
        server.shutdown()
