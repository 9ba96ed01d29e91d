"""The systems that cases come from, as ``schemas/codes/channel.yaml`` declares them: the one place that says who they are.

A channel's code is what stands in the column ``channel`` of cases, events, materials, procedures and licences. Nothing in the
hub names a channel; what differs between them is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import cast

from core.declared import suggestion
from core.errors import ConfigurationError
from schemas import codes
from schemas.codes.model import KINDS, Carried, Channel, ChannelList, Kind

LIST = "channel"


def load() -> dict[str, Channel]:
    """Every channel by code, in the order of their ranks. :raises ConfigurationError: the file is wrong."""
    listed = cast(ChannelList, codes.load(LIST))
    return dict(sorted(listed.codes.items(), key=lambda entry: entry[1].rank))


def ranked() -> list[str]:
    """The codes, the one whose number a case goes by first."""
    return list(load())


def municipal() -> str:
    """The city's platform, the one window."""
    return of_kind("municipal")[0]


def of_kind(*kinds: Kind) -> list[str]:
    """The codes of some kinds, by rank."""
    return [code for code, channel in load().items() if channel.kind in kinds]


def carrying(what: Carried) -> list[str]:
    """The codes whose cases carry something, by rank."""
    return [code for code, channel in load().items() if what in channel.carries]


def precedence() -> dict[str, int]:
    """Code → whose time of a case holds, 0 first: channels of one kind are equal (docs/rules.md, "Whose time")."""
    return {code: KINDS.index(channel.kind) for code, channel in load().items()}


def department_feeds() -> dict[str, list[str]]:
    """Code of a department → patterns of the feeds of its own systems."""
    found: dict[str, list[str]] = {}
    for channel in load().values():
        for department, patterns in channel.departments.items():
            found.setdefault(department, []).extend(patterns)
    return found


def feeds(channel: Channel, among: Iterable[str]) -> list[str]:
    """Those of some feeds that are the channel's."""
    return [feed for feed in among if any(fnmatchcase(feed, pattern) for pattern in channel.feeds)]


def by_feed(among: Sequence[str]) -> dict[str, str]:
    """Feed → the code of the channel that it belongs to; feeds of no channel are absent."""
    found: dict[str, str] = {}
    for code, channel in load().items():
        for feed in feeds(channel, among):
            found.setdefault(feed, code)
    return found


def require(found: Iterable[str | None]) -> None:
    """:raises ConfigurationError: one of the codes, as the store holds them, is of no channel."""
    known = load()
    for code in sorted({code for code in found if code is not None} - known.keys()):
        raise ConfigurationError(
            f"the store holds cases of the channel {code!r}, which schemas/codes/channel.yaml does not know"
            f"{suggestion(code, known)}",
            remedy=f"declare {code} in schemas/codes/channel.yaml, or mend the mapping that says it and replay its feed",
            zh=f"库中有来源系统 {code} 的办件，而 schemas/codes/channel.yaml 未声明该系统；请补充声明，或更正映射后重放。",
        )
