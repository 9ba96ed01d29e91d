"""Records of an XML page that are written alike, in columns: what each element is called is looked at once, and not once a record.

Most pages hold records of a few shapes: the same tags in the same order, with other texts. A page that is known to be
well-formed is cut at its records; those of one shape have each text at the same place. What a text may hold that XML reads
otherwise than it stands (a reference by number, a line's end of CR) leaves its record out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from lxml import etree

from connectors.decoders import xml

_FEWEST = 8  # records of one shape that are worth it
_ODD = rf"""[\r{xml.DAMAGE}]|&#|<[!?]|='|="[^"<]*>[^"<]*\""""
_IDENTITY = r'\s[A-Za-z0-9_.-]*:?id="[^"]*"'


@dataclass(frozen=True, slots=True)
class Alike:
    """Records of one shape: ``places`` of them among all, from 0; ``first`` as it is written."""

    places: pl.Series
    first: str
    _cut: pl.Series

    def text(self, token: int) -> pl.Series:
        """What stands in the element that begins at a place of :func:`tokens`, up to the next tag."""
        after = self._cut.list.get(token).str.splitn(">", 2).struct.field("field_1")
        return xml.unescaped_all(after.fill_null(""))


def written(text: str, records: list[etree._Element]) -> list[str] | None:
    """What stands in each record of a document, from its own tag on; None: it cannot be told from the text."""
    if not records or "<!" in text:
        return None
    one = records[0]
    name = f"{one.prefix}:{xml.local(one)}" if one.prefix else xml.local(one)
    parts = text.split(f"</{name}>")
    if len(parts) != len(records) + 1 or any(other.tag != one.tag for other in records):
        return None
    return [part[part.find(f"<{name}") :] for part in parts[:-1]]


def groups(parts: list[str]) -> Iterator[Alike]:
    """Those of one shape together; records of a shape that few have are in none."""
    given = pl.Series("part", parts, dtype=pl.String)
    shape = given.str.replace_all(_IDENTITY, "").str.replace_all(">[^<]+", ">")
    sound = pl.DataFrame({"shape": shape.hash()}).with_row_index("place").filter(~given.str.contains(_ODD))
    for one in sound.partition_by("shape", maintain_order=True):
        if one.height >= _FEWEST:
            places = one["place"]
            yield Alike(places, parts[places[0]], given.gather(places).str.split("<"))


def tokens(first: str) -> list[tuple[int, str, int]]:
    """The elements of a record as it is written: how deep each stands (its own element: 1), its name, its place for
    :meth:`Alike.text`."""
    found = []
    depth = 0
    for place, token in enumerate(first.split("<")[1:], 1):
        tag = token.partition(">")[0]
        if tag.startswith("/"):
            depth -= 1
            continue
        depth += 1
        found.append((depth, tag.rstrip("/").split()[0], place))
        depth -= tag.endswith("/")
    return found
