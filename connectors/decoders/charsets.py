"""Which charset bytes are in, by evidence; every decoder asks here.

GB 18030 and Latin-1 decode almost anything, so that a decoding which succeeds proves nothing, and neither does what a
header or a declaration says. What speaks: a byte order mark; the pattern of zero bytes in UTF-16 and UTF-32; that the
bytes are strict UTF-8; else each candidate (what is declared, what the feed's declaration expects, UTF-8 with damage,
GB 18030) is judged by the share of characters that Chinese official text does not have: private use, unassigned,
controls, foreign scripts, rare hanzi, bytes that do not decode. One bad byte changes nothing for its neighbours: it is
marked where it stands, as ``�\\xNN``.

:func:`is_mangled` finds text that was read in a wrong charset before it reached us (mojibake 乱码).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import ftfy.badness
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.columns import laid_out

DAMAGE = "\ufffd"  # stands before each byte or character that could not be read: �\x81
MARKED = re.compile("\ufffd\\\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})")
GB = {"gbk", "gb2312", "cp936", "ms936", "x-gbk", "windows-936", "euc-cn", "hz-gb-2312", "gb18030", "gb_2312-80"}
DOUBTFUL = 0.3  # share of implausible characters from which a reading is no evidence
_SAMPLE = 1 << 18
_BETTER = 0.1  # by which a later candidate has to be more plausible than an earlier one
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# zero bytes by place within four: (first, second, third, fourth)
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
_FIXED = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_SINGLE = {"iso8859-1", "cp1252", "ascii"}  # what servers say when they were told nothing


@dataclass(frozen=True, slots=True)
class Charset:
    """``name``: of the Python codec, after the mark. ``mark``: bytes of the byte order mark. ``doubt``: share of
    implausible characters among those beyond ASCII. ``proven``: by a mark, zero bytes or strict UTF-8.
    """

    name: str
    mark: int = 0
    doubt: float = 0.0
    proven: bool = True

    @property
    def doubtful(self) -> bool:
        """Whether what is read in it cannot be believed."""
        return self.doubt > DOUBTFUL


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and how it was read. ``damaged``: it has marks of bytes that did not decode."""

    text: str
    charset: Charset
    damaged: bool


def codec_of(name: str | None) -> str | None:
    """The Python codec of a charset's name, GB 18030 for all of its subsets; None where nobody knows it."""
    plain = (name or "").strip().strip("\"'").lower()
    if plain in GB:
        return "gb18030"
    try:
        codec = codecs.lookup(plain) if plain else None
    except (LookupError, ValueError):
        return None
    return codec.name if codec is not None and codec._is_text_encoding else None


def judge(body: bytes, declared: Iterable[str | None] = (), usual: str | None = None, *, whole: bool = True) -> Charset:
    """The charset of bytes. ``declared``: what speaks of them, the likeliest first; ``usual``: what the feed sends.

    ``whole`` False: ``body`` is a beginning, and may end within a character.
    """
    for bom, name in _BOMS:
        if body.startswith(bom):
            return Charset(name, len(bom))
    sample = body[:_SAMPLE]
    if b"\0" in sample and (wide := _by_zeros(sample)):
        return Charset(wide)
    stated = [name for name in map(codec_of, declared) if name and not name.startswith(("utf-16", "utf-32"))]
    expected = codec_of(usual)
    if body.isascii():
        fallback = [*stated, *([expected] if expected else []), "utf-8"]
        return Charset("utf-8" if whole else fallback[0])
    strict = _reads(body, "utf-8", whole)
    sample = _informative(body)
    if strict:
        utf8 = _doubt(sample, "utf-8")
        if utf8 <= DOUBTFUL:
            return Charset("utf-8", doubt=utf8)
    candidates = dict.fromkeys(
        [*(["utf-8"] if strict else []), *(name for name in stated if name not in _SINGLE), "utf-8"]
        + ([expected] if expected else [])
        + ["gb18030", *stated]
    )
    best, least = "utf-8", float("inf")
    for name in candidates:
        if strict and name != "utf-8" and not _reads(body, name, whole):
            continue  # a page that is UTF-8 to its last byte is no damaged page of another charset
        doubt = _doubt(sample, name)
        if doubt < least - (_BETTER if least < float("inf") else 0):
            best, least = name, doubt
    return Charset(best, doubt=least, proven=strict and best == "utf-8")


def decode(body: bytes, declared: Iterable[str | None] = (), usual: str | None = None) -> Decoded:
    """All of ``body`` as text, ``�\\xNN`` for each byte that does not decode. Never raises."""
    try:
        text = body.decode("utf-8")  # what next to all bodies are; judged below where they may be something else
        if body.isascii() or (b"\0" not in body and _doubt(_informative(body), "utf-8") <= DOUBTFUL):
            return Decoded(text.removeprefix("\ufeff"), Charset("utf-8"), False)
    except UnicodeDecodeError:
        pass
    charset = judge(body, declared, usual)
    body = body[charset.mark :]
    try:
        return Decoded(body.decode(charset.name), charset, False)
    except UnicodeDecodeError:
        return Decoded(body.decode(charset.name, "onemap_mark"), charset, True)


def may_be_mangled(column: pa.ChunkedArray) -> bool:
    """Whether a column of text has what :func:`is_mangled` looks for, by its bytes alone: most columns have not."""
    for chunk in column.chunks:
        _, held = laid_out(chunk)
        if len(held) and held.max() > 0x7F:
            found = chunk.unique()
            text = laid_out(found)[1].tobytes().decode("utf-8", "replace")
            letters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
            # nearly no column has any of these letters, and the expression of all of them is made anew for each
            if (
                _suspects()[np.minimum(letters, 0xFFFF)].any()
                and pc.any(pc.match_substring_regex(found, _SUSPECT)).as_py()
            ):
                return True
        whole = held.tobytes()
        if b"?" in whole and b"???" in whole:  # one byte is found ten times as fast as three
            return True
    return False


def is_mangled(text: str) -> bool:
    """UTF-8 that was read as GBK or Latin-1, GBK that was read as Latin-1, or the traces of such a reading, or of a
    writing into a charset that lacks the letters (``???有限公司``)."""
    if "???" in text and not _ASKS.search(text):
        return True
    if text.isascii():
        return False
    if _TRACES.search(text):
        return True
    if any("\u0080" <= letter <= "\u017f" for letter in text):
        return ftfy.badness.is_bad(text) or _was_gbk(text)
    return _was_utf8(text)


_ASKS = re.compile(r"[A-Za-z吗呢么]\s*\?{3,}|://")  # a question, or an address
_TRACES = re.compile("\ufffd|锟斤拷|烫烫烫|屯屯屯|ï»¿|锘\\S")
# first characters of UTF-8's hanzi (E4 to E9) read as GBK
_LEAD = "[" + "".join(bytes((a, b)).decode("gbk") for a in range(0xE4, 0xEA) for b in range(0x80, 0xC0)) + "]"
_LEADS = re.compile(_LEAD)
_SUSPECT = f"[À-ÖØ-öø-ÿ\ufffd]|锟斤拷|烫烫烫|屯屯屯|锘|{_LEAD}[^ -~]{{0,3}}{_LEAD}"


@cache
def _suspects() -> NDArray[np.bool_]:
    """Letters of the first plane of which what :data:`_SUSPECT` finds has one at least."""
    first = re.compile(f"[À-ÖØ-öø-ÿ\ufffd锟烫屯锘]|{_LEAD}")
    return np.array([first.match(chr(number)) is not None for number in range(0x10000)])


def _was_utf8(text: str) -> bool:
    """Whether hanzi are UTF-8 read as GBK: as bytes they are UTF-8 again, of hanzi. Four at least must agree."""
    if len(text) < 4 or len(_LEADS.findall(text)) < 2:
        return False
    try:
        raw = text.encode("gb18030")
    except UnicodeEncodeError:
        return False
    try:
        again = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < 6 or error.start < len(raw) - 4:  # cut inside its last character at most
            return False
        again = raw[: error.start].decode("utf-8")
    return sum("\u4e00" <= letter <= "\u9fff" for letter in again) >= 2


def _was_gbk(text: str) -> bool:
    """Whether accented Latin letters are GBK read as Latin-1: pairs that are common hanzi, and nothing else."""
    try:
        again = text.encode("cp1252", "strict").decode("gbk")
    except UnicodeError:
        return False
    hanzi = [letter for letter in again if not letter.isascii()]
    return len(hanzi) >= 2 and sum("\u4e00" <= letter <= "\u9fff" for letter in hanzi) == len(hanzi)


def shown(text: str) -> str:
    """Text with marks, for people: ``\\xNN`` without what stands before it."""
    return text.replace(f"{DAMAGE}\\", "\\")


def mark(error: UnicodeError) -> tuple[str, int]:
    """Error handler ``onemap_mark``: ``�\\xNN`` for each byte that does not decode."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"{DAMAGE}\\x{byte:02x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("onemap_mark", mark)


def _by_zeros(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, by where the zero bytes stand; None: they stand anywhere."""
    length = len(sample) // 4 * 4
    if length < 4:
        return None
    zeros = (np.frombuffer(sample, np.uint8, length).reshape(-1, 4) == 0).mean(axis=0)
    most = zeros.max()
    if most < 0.1:
        return None
    return _ZEROS.get(tuple(bool(share > most / 4) for share in zeros))


def _reads(body: bytes, name: str, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(body, whole)
    except UnicodeDecodeError:
        return False
    return True


def _informative(body: bytes) -> bytes:
    """A sample that begins where the bytes leave ASCII."""
    found = _BEYOND.search(body)
    start = max(0, found.start() - 64) if found else 0
    return body[start : start + _SAMPLE]


_BEYOND = re.compile(rb"[\x80-\xff]")


def _doubt(sample: bytes, name: str) -> float:
    """Share of implausible characters among those beyond ASCII when read so; marks of bytes count double."""
    text = sample.decode(name, "replace")
    text = text[:-1] if len(sample) == _SAMPLE and text.endswith("\ufffd") else text  # cut inside a character
    letters = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    letters = letters[letters > 0x7E]
    if not len(letters):
        return 0.0
    weights = _weights()
    return float(weights[np.minimum(letters, len(weights) - 1)].mean())


@cache
def _weights() -> np.ndarray:
    """How implausible each character of the first plane is in Chinese official text, 0 to 2; the last stands for all
    beyond it.
    """
    weights = np.ones(0x10001, np.float32)
    weights[0x3400:0x4DC0] = weights[0x4E00:0xA000] = 0.5  # hanzi that GB 2312 lacks: rare
    for lead in range(0xB0, 0xF8):  # GB 2312: level 1 common, level 2 less so
        for trail in range(0xA1, 0xFF):
            if letter := bytes((lead, trail)).decode("gb2312", "ignore"):
                weights[ord(letter)] = 0.0 if lead < 0xD8 else 0.25
    for low, high in ((0x2010, 0x2060), (0x2100, 0x2300), (0x2460, 0x2500), (0x25A0, 0x2620), (0x3000, 0x3040)):
        weights[low:high] = 0.0  # punctuation, letterlike, arrows, mathematics, circled numbers, CJK punctuation
    weights[0x3200:0x3400] = weights[0xFF01:0xFF5F] = weights[0xFFE0:0xFFE7] = 0.0  # units, full-width forms
    weights[[0xA0, 0xA7, 0xB0, 0xB1, 0xB2, 0xB3, 0xB7, 0xD7, 0xF7, 0xFEFF]] = 0.0  # § ° ± ² ³ · × ÷
    weights[ord("莞")] = 0.0
    weights[0xFFFD] = 2.0
    weights[0x10000] = 0.5
    return weights
