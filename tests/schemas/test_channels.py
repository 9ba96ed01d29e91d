"""Channels are declared once; whatever is wrong with one is refused where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from mappings import compiler
from schemas import channels, codes

TEXT = (codes.FOLDER / "channel.yaml").read_text("utf-8")
OWN = ', departments: {"114419000001000445": [d99.*]}'
D99 = f"  D99: {{zh: 交通运输局, kind: department, rank: 29, feeds: [d99.*]{OWN}, carries: [item_list]}}\n"


def read(tmp_path: Path, text: str) -> codes.CodeList:
    path = tmp_path / "channel.yaml"
    path.write_text(text, "utf-8")
    return codes.read(path)


def test_a_department_more_is_one_line(tmp_path: Path) -> None:
    assert "D99" in read(tmp_path, TEXT + D99).codes
    with pytest.raises(ConfigurationError, match=r"codes\.D99\.departments: a channel of kind department"):
        read(tmp_path, TEXT + D99.replace(OWN, ""))


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("rank: 24", "rank: 23", "D4.rank: 23 is the rank of D3: give each channel its own"),
        ("rank: 24", "rank: 34", "codes.D4.rank: a department channel ranks before every national one"),
        ("kind: department\n    rank: 24", "kind: bureau\n    rank: 24", "codes.D4.kind"),
        (
            "kind: department\n    rank: 21",
            "kind: municipal\n    rank: 21",
            "codes.D1.kind: M2 is municipal, and there is one",
        ),
        ("kind: municipal, rank", "kind: register, rank", "has no channel of kind municipal"),
        ("114419000001000520", "114419000001000521", "no department 114419000001000521"),
        ("carries: [item_list]", "carries: [item_lists]", "codes.D3.carries"),
        ("feeds: [d3.*]", "feeds: []", "codes.D3.feeds"),
        ("    rank: 24\n", "", "codes.D4.rank: is missing"),
        ("rank: 24\n", "rank: 24\n    ranks: 2\n", "codes.D4.ranks: no such key"),
    ],
)
def test_a_wrong_channel_is_told_with_its_line(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    assert was in TEXT
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, TEXT.replace(was, becomes, 1))
    assert "channel.yaml:" in caught.value.message and says in caught.value.message


@pytest.mark.parametrize(
    ("becomes", "says"),
    [
        (
            "{const: D11}",
            "d1/cases.yaml:10: entities[0].columns.channel: 'D11' is not in the code list channel, did you mean D1?",
        ),
        ("YWLSH", "the channel is a constant, or read by map, contains or codes: channel"),
        ("{const: D3}", "d1.cases is no feed of the channel D3 (d3.*)"),
    ],
)
def test_a_mapping_with_an_unknown_channel_does_not_load(tmp_path: Path, becomes: str, says: str) -> None:
    path = tmp_path / "d1" / "cases.yaml"
    path.parent.mkdir()
    path.write_text(
        (compiler.FOLDER / "d1" / "cases.yaml").read_text("utf-8").replace("{const: D1}", becomes, 1), "utf-8"
    )
    with pytest.raises(ConfigurationError) as caught:
        compiler.read(path)
    assert says in caught.value.message, caught.value.message


def test_cases_of_a_channel_that_nobody_declares_are_named() -> None:
    channels.require(["M2", None, "D5"])
    with pytest.raises(ConfigurationError, match=r"channel 'd3'.*, did you mean D3\?"):
        channels.require(["M2", "d3"])


def test_every_mapping_writes_to_a_channel_of_its_own_feeds() -> None:
    assert set(channels.by_feed(list(compiler.load_all())).values()) == set(channels.ranked())
