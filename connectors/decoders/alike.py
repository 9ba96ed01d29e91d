"""Records of an XML page that are written alike, in columns: what each element is called is looked at once, and not once a record.

Most pages hold records of a few shapes: the same tags in the same order, with other texts and other identities (``gml:id``). Where
the tags of a page stand is found in all of its bytes at once; the texts between them, of records whose tags are the same
to the letter, are gathered a column at a time. What a text may hold that XML reads otherwise than it stands (a reference by
number, a line's end of CR), or what is no plain tag (quoted by apostrophes, with an angle in a value), leaves its record out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from lxml import etree
from numpy.typing import NDArray

from connectors.decoders import xml

_FEWEST = 8  # records of one shape that are worth it
_SHAPES = 16  # of one page and length; records of further ones are left out
_ODD = (b"\r", b"&#", xml.DAMAGE.encode())
_LESS, _GREATER, _QUOTE, _APOSTROPHE, _EQUALS, _COLON, _AMPERSAND = b"<>\"'=:&"

_Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alike:
    """Records of one shape: ``places`` of them among all, from 0; ``first`` as it is written."""

    places: _Places
    first: str
    _data: NDArray[np.uint8]
    _begins: _Places  # of the texts: a row a record, a column a tag
    _ends: _Places

    def text(self, token: int) -> pl.Series:
        """What stands in the element that begins at a place of :func:`tokens`, up to the next tag."""
        held, offsets = self._gathered(token)
        texts = pl.Series(_strings(held, offsets))
        return xml.unescaped_all(texts) if (held == _AMPERSAND).any() else texts

    def numbers(self, token: int) -> tuple[NDArray[np.float64], _Places]:
        """The numbers in that text, those of all records one after the other, NaN for what is none; how many each record has."""
        held, offsets = self._gathered(token)
        blank = held <= ord(" ")
        edges = np.zeros(len(held) + 1, bool)
        edges[offsets] = True
        begins = np.flatnonzero(~blank & (edges[:-1] | np.concatenate([[True], blank[:-1]])))
        ends = np.flatnonzero(~blank & (edges[1:] | np.concatenate([blank[1:], [True]]))) + 1
        found = _strings(held[~blank], np.concatenate([[0], np.cumsum(ends - begins)]))
        try:
            values = found.cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            values = pl.Series(found).cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return values, np.diff(np.searchsorted(begins, offsets))

    def longest(self, tokens: Sequence[int]) -> _Places:
        """The bytes of the longest of these texts of each record, as it is written."""
        columns = [token - 1 for token in tokens if token]
        return (self._ends[:, columns] - self._begins[:, columns]).max(axis=1, initial=0)

    def _gathered(self, token: int) -> tuple[NDArray[np.uint8], _Places]:
        """The bytes of all texts, one after the other, and where each begins and ends."""
        if not token:
            return self._data[:0], np.zeros(len(self.places) + 1, np.int64)
        begins, ends = self._begins[:, token - 1], self._ends[:, token - 1]
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        return self._data[np.repeat(begins - offsets[:-1], ends - begins) + np.arange(offsets[-1])], offsets


def _strings(held: NDArray[np.uint8], offsets: _Places) -> pa.LargeStringArray:
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(held))


def groups(body: bytes, records: list[etree._Element]) -> Iterator[Alike]:
    """The records of a well-formed document in UTF-8, those of one shape together; records of a shape that few have are in none."""
    if not records or b"<!" in body or any(other.tag != records[0].tag for other in records):
        return
    one = records[0]
    spans = _spans(body, f"{one.prefix}:{xml.local(one)}" if one.prefix else xml.local(one))
    if len(spans) != len(records):
        return
    data = np.frombuffer(body, np.uint8)
    opened = np.flatnonzero(data == _LESS)
    closed = np.flatnonzero(data == _GREATER)
    if closed[-1] < opened[-1]:
        return
    closed = closed[np.searchsorted(closed, opened)]  # a text may hold more of them
    tags = np.searchsorted(opened, spans)  # the first tag of each record, and the one after its last
    counts = tags[:, 1] - tags[:, 0]
    sound, identities = _plain(body, data, opened, closed, spans, tags)
    skeleton, lengths = _skeleton(data, opened, closed, tags, identities)
    begins = np.cumsum(lengths) - lengths
    for count, length in np.unique(np.stack([counts, lengths], axis=1)[sound], axis=0):
        places = np.flatnonzero(sound & (counts == count) & (lengths == length))
        for _ in range(_SHAPES):
            if len(places) < _FEWEST:
                break
            if len(places) * length == len(skeleton):  # all that there are
                written = skeleton.reshape(-1, length)
            else:
                written = skeleton[begins[places][:, None] + np.arange(length)]
            same = (written == written[0]).all(axis=1)
            alike, places = places[same], places[~same]
            if len(alike) >= _FEWEST:
                inside = tags[alike, :1] + np.arange(count)
                first = body[spans[alike[0], 0] : spans[alike[0], 1]].decode()
                yield Alike(alike, first, data, closed[inside] + 1, np.append(opened, len(data))[inside + 1])


def _spans(body: bytes, name: str) -> _Places:
    """Where each element of a name begins, and where its end tag does; empty where that cannot be told."""
    begin, end = f"<{name}".encode(), f"</{name}>".encode()
    found = []
    after = 0
    while (place := body.find(end, after)) >= 0:
        start = body.find(begin, after, place)
        if start < 0:
            return np.empty((0, 2), np.int64)
        found.append((start, place))
        after = place + len(end)
    return np.array(found, np.int64).reshape(-1, 2)


def _plain(
    body: bytes, data: NDArray[np.uint8], opened: _Places, closed: _Places, spans: _Places, tags: _Places
) -> tuple[NDArray[np.bool_], tuple[_Places, _Places]]:
    """Which records have nothing odd; where the values of identities begin and end, in tags that are quoted throughout."""
    odd = [match.start() for one in _ODD if one in body for match in re.finditer(re.escape(one), body)]
    kinds = data[opened + 1]
    odd += opened[kinds == ord("?")].tolist()
    quotes = np.flatnonzero((data == _QUOTE) | (data == _APOSTROPHE))
    of = np.searchsorted(opened, quotes) - 1
    inside = (of >= 0) & (quotes < closed[of])
    quotes, of = quotes[inside], of[inside]
    # an apostrophe may quote, or stand in a value; a tag that ends within a value has an odd number of marks
    unsure = np.bincount(of, minlength=len(opened)) % 2 > 0
    unsure[of[data[quotes] == _APOSTROPHE]] = True
    odd += opened[unsure].tolist()
    quotes = quotes[~unsure[of]]
    begins, ends = quotes[0::2], quotes[1::2]
    named = (data[begins - 1] == _EQUALS) & (data[begins - 2] == ord("d")) & (data[begins - 3] == ord("i"))
    named &= (data[begins - 4] == _COLON) | (data[begins - 4] <= ord(" "))
    sound = np.ones(len(spans), bool)
    if odd:
        places = np.searchsorted(spans[:, 0], odd, side="right") - 1
        within = (places >= 0) & (np.array(odd) < spans[places, 1])
        sound[places[within]] = False
    return sound, (begins[named] + 1, ends[named])


def _skeleton(
    data: NDArray[np.uint8], opened: _Places, closed: _Places, tags: _Places, identities: tuple[_Places, _Places]
) -> tuple[NDArray[np.uint8], _Places]:
    """The tags of all records, one after the other, without the values of their identities; how long each record's are."""
    of = np.zeros(len(opened) + 1, np.int64)  # how many records begin before a tag, less those that end
    of[tags[:, 0]] += 1
    of[tags[:, 1]] -= 1
    taken = np.cumsum(of)[:-1] > 0
    step = np.zeros(len(data) + 1, np.int8)
    step[opened[taken]] = 1
    step[closed[taken] + 1] -= 1
    tag = np.searchsorted(opened, identities[0]) - 1
    begins, ends = (places[taken[tag]] for places in identities)
    step[begins] -= 1
    step[ends] += 1
    skeleton = data[np.cumsum(step[:-1], dtype=np.int8) > 0]
    sizes = np.where(taken, closed - opened + 1, 0)
    sizes -= np.bincount(tag, weights=identities[1] - identities[0], minlength=len(opened)).astype(np.int64) * taken
    total = np.concatenate([[0], np.cumsum(sizes)])
    return skeleton, total[tags[:, 1]] - total[tags[:, 0]]


def tokens(first: str) -> list[tuple[int, str, int]]:
    """The elements of a record as it is written: how deep each stands (its own element: 1), its name, its place for
    :meth:`Alike.text`; 0: its tag closes it."""
    found = []
    depth = 0
    for place, token in enumerate(first.split("<")[1:], 1):
        tag = token.partition(">")[0]
        if tag.startswith("/"):
            depth -= 1
            continue
        depth += 1
        closes = tag.endswith("/")
        found.append((depth, tag.rstrip("/").split()[0], 0 if closes else place))
        depth -= closes
    return found
