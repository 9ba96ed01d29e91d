"""Zips of P2 and D4: the same bytes for the same content, and the bad ones that a fault asks for."""

from __future__ import annotations

import io
import zipfile

from standins.faults import Fault

_DATE = (2020, 1, 1, 0, 0, 0)  # not the time of making: the same content is the same file


class _GbkName(zipfile.ZipInfo):
    """An entry whose name is written in GBK without the UTF-8 flag, as old packers do."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gb18030"), self.flag_bits & ~0x800


def pack(entries: dict[str, bytes], *, gbk_names: bool = False) -> bytes:
    """A zip of the entries, in their order."""
    kind = _GbkName if gbk_names else zipfile.ZipInfo
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries.items():
            entry = kind(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return buffer.getvalue()


def bomb(entry: str, size: int) -> bytes:
    """A zip whose entry unpacks to ``size`` bytes of zeros, made in flat memory."""
    buffer = io.BytesIO()
    block = bytes(1 << 20)
    info = zipfile.ZipInfo(entry, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(info, "w", force_zip64=size >= 1 << 31) as file,
    ):
        for _ in range(size >> 20):
            file.write(block)
        file.write(block[: size & ((1 << 20) - 1)])
    return buffer.getvalue()


def spoil(body: bytes, fault: Fault, entry: str) -> bytes:
    """The zip as the fault wants it: ``truncated``, ``zip_bomb`` (in ``entry``), ``zip_slip``."""
    match fault.kind:
        case "truncated":
            return body[: max(1, len(body) * 2 // 3)]
        case "zip_bomb":
            return bomb(entry, fault.options.get("size", 200_000_000))
        case "zip_slip":
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                entries = {info.filename: archive.read(info) for info in archive.infolist()}
            return pack({**entries, "../../slipped.txt": b"out of its folder"})
        case _:
            return body
