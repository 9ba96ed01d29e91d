"""What a file of ``schemas/codes`` holds: the models of code lists, and of the one list whose codes are more than a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from schemas.departments import register

#: Kinds of channels, from the one whose word comes first to the one whose word comes last.
#: municipal: 市一体化平台, the one window. department: a department's own approval system. national: copies for the national
#: platform, which quote a department's number where no municipal case stands. register: filings and approval documents, whose
#: cases are no one else's.
Kind = Literal["municipal", "department", "national", "register"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: What the cases of a channel carry. item_list: they are filed under the city's item list, so that a code off it is an approval
#: off it (C9). project_code: every case names its project, so that none is a fault (C12). municipal_no: a case that came by the
#: one window states its number, so that none means it did not (C15).
Carried = Literal["item_list", "project_code", "municipal_no"]

Fault = tuple[tuple[str | int, ...], str]  # place in the file, message


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Strict):
    """One value: its Chinese label, what it means, how else it is written."""

    zh: str
    to: str | None = None
    also: list[str] = Field(default_factory=list)
    doc: str = ""


class CodeList(_Strict):
    """A list of codes, canonical or of a source."""

    name: str = Field(description="The file's name")
    zh: str
    doc: str = ""
    of: list[str] = Field(
        default_factory=list, description="Canonical lists that `to` stands in; none: canonical itself"
    )
    numeric: bool = Field(False, description="Leading zeros and .0 do not count")
    codes: Mapping[str, Code]

    @property
    def meaning(self) -> dict[str, str | None]:
        """Each way to write a code → its canonical value; None: known, without a value here."""
        means: dict[str, str | None] = {}
        for code, entry in self.codes.items():
            for written in (code, *entry.also):
                means[written] = entry.to if self.of else code
        return means

    def faults(self) -> Iterator[Fault]:
        """What is wrong within the list itself."""
        seen: set[str] = set()
        for code, entry in self.codes.items():
            written = (code, *entry.also)
            yield from ((("codes", code), f"{twice!r} stands twice") for twice in written if twice in seen)
            seen.update(written)
            if not self.of and entry.to is not None:
                yield ("codes", code, "to"), "only a list with `of` has `to`"

    @property
    def labels(self) -> dict[str, str]:
        """Code → Chinese label."""
        return {code: entry.zh for code, entry in self.codes.items()}


class Channel(Code):
    """A system that cases come from."""

    kind: Kind
    rank: int = Field(description="Whose number a case goes by: the lowest of those that know it; each has its own")
    feeds: list[str] = Field(min_length=1, description="Patterns of the feeds that its rows come by")
    departments: dict[str, list[str]] = Field(
        default_factory=dict, description="Code of a department → patterns of those of the feeds that are its own"
    )
    carries: list[Carried] = Field(default_factory=list)


class ChannelList(CodeList):
    """``channel.yaml``. :mod:`schemas.channels` answers what the hub asks of it."""

    codes: dict[str, Channel]

    def faults(self) -> Iterator[Fault]:
        """Besides those of every list: one municipal platform, ranks of their own, and in the order of the kinds."""
        yield from super().faults()
        municipal = [code for code, channel in self.codes.items() if channel.kind == "municipal"]
        if not municipal:
            yield ("codes",), "has no channel of kind municipal: one must be the city's platform"
        for code in municipal[1:]:
            yield ("codes", code, "kind"), f"{municipal[0]} is municipal, and there is one municipal platform"
        known = set(register()["code"])
        for code, channel in self.codes.items():
            if (channel.kind == "department") != bool(channel.departments):
                yield (
                    ("codes", code, "departments"),
                    "a channel of kind department, and no other, says whose its feeds are: {<code of a department>: [feeds]}",
                )
            for department in channel.departments:
                if department not in known:
                    yield ("codes", code, "departments", department), f"no department {department} in departments.csv"
        ranked = sorted(self.codes.items(), key=lambda entry: entry[1].rank)
        for (before, better), (code, channel) in pairwise(ranked):
            if better.rank == channel.rank:
                yield ("codes", code, "rank"), f"{channel.rank} is the rank of {before}: give each channel its own"
            elif KINDS.index(better.kind) > KINDS.index(channel.kind):
                yield (
                    ("codes", code, "rank"),
                    f"a {channel.kind} channel ranks before every {better.kind} one: {channel.rank} is behind "
                    f"{before} ({better.rank})",
                )
