"""What was received is kept as it came: once, whole, and never believed without its digest."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InternalError, TransientError
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
