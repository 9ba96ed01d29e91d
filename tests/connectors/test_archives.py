"""Zips from outside: names in any writing, limits, and those that must not be opened."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from connectors.decoders.archives import DamagedArchive, Limits, UnsafeArchive, open_zip
from core.errors import Fault


def pack(entries: dict[str, bytes], *, names: str | None = None) -> bytes:
    """A zip; with ``names``, entry names in that encoding and without the UTF-8 flag."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries.items():
            archive.writestr(RawName(name, names) if names else name, body)
    return out.getvalue()


class RawName(zipfile.ZipInfo):
    """An entry whose name is written in an encoding of its own, as old packers do."""

    def __init__(self, name: str, encoding: str) -> None:
        super().__init__(name)
        self.encoding, self.compress_type = encoding, zipfile.ZIP_DEFLATED

    def _encodeFilenameFlags(self):  # noqa: N802 - zipfile's own hook
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


@pytest.mark.parametrize("names", [None, "gb18030", "utf-8"])
def test_names_are_read_with_flag_in_gbk_and_in_utf8_without_it(names):
    entries = {"批文.csv": b"1", "红线/粤府土审(2026)1_2号.txt": b"2", "联通/移动.txt": b"3", "plain.txt": b"4"}
    with open_zip(io.BytesIO(pack(entries, names=names))) as archive:
        assert archive.names == list(entries)
        assert archive.read("红线/粤府土审(2026)1_2号.txt") == b"2"
        archive.verify()


def test_backslashes_are_folders():
    with open_zip(io.BytesIO(pack({"红线\\a.txt": b"1"}, names="gb18030"))) as archive:
        assert archive.names == ["红线/a.txt"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:/x", "..\\..\\b"])
def test_a_name_that_climbs_out_is_refused(name):
    with pytest.raises(UnsafeArchive), open_zip(io.BytesIO(pack({"good.txt": b"1", name: b"2"}))):
        pass


def test_a_link_is_refused():
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchive, match="link"), open_zip(out):
        pass


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = pack({"zeros": b"\0" * 5_000_000})
    assert len(bomb) < 10_000
    for limits in (Limits(entry=1_000_000), Limits(total=1_000_000)):
        with pytest.raises(UnsafeArchive, match="unpacks to") as refused, open_zip(io.BytesIO(bomb), limits):
            pass
        assert refused.value.fault is Fault.PROVIDER
    with (
        pytest.raises(UnsafeArchive, match="entries"),
        open_zip(io.BytesIO(pack(dict.fromkeys("abc", b""))), Limits(entries=2)),
    ):
        pass


def test_a_bomb_that_lies_about_its_size_is_not_read_past_it():
    bomb = bytearray(pack({"zeros": b"\0" * 5_000_000}))
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = bomb.index(signature) + at
        bomb[place : place + 4] = struct.pack("<I", 10)
    with open_zip(io.BytesIO(bytes(bomb)), Limits(entry=1_000_000)) as archive, pytest.raises(DamagedArchive):
        archive.verify()


@pytest.mark.parametrize("cut", [0, 10, 60, -1, -30])
def test_a_cut_zip_is_damaged(cut):
    whole = pack({"a.txt": bytes(range(256)) * 20, "b.txt": b"2"})
    with pytest.raises(DamagedArchive), open_zip(io.BytesIO(whole[:cut])) as archive:
        archive.verify()


def test_altered_bytes_are_damaged():
    whole = bytearray(pack({"a.txt": bytes(range(256)) * 20}))
    whole[60] ^= 0xFF
    with open_zip(io.BytesIO(bytes(whole))) as archive, pytest.raises(DamagedArchive):
        archive.verify()
