"""What a listing, a part sent again or the source's word takes away is told: in the progress line and in the summary."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rich.console import Console

from cli import output, source, summary
from cli.stack import first_sync
from pipeline.summary import summary as look
from tests.pipeline.rows import project, run, sheet


@pytest.fixture
def said(monkeypatch):
    """What the command line printed since it was last asked."""
    console = Console(width=400, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    monkeypatch.setattr(output, "out", console)
    return console.export_text


def line(outcome, said) -> str:
    said()
    source._progress(SimpleNamespace(label=outcome.feed), outcome)
    return said()


def listing(world, numbers):
    world["d2.projects"].pages = [[project(n) for n in numbers]]
    return run("d2.projects")


def test_one_record_that_a_listing_no_longer_has_is_told(world, said) -> None:
    assert "注销" not in line(listing(world, range(1, 21)), said)
    assert "注销 1（其中清单或重发部分已不含 1）" in line(listing(world, range(2, 21)), said)
    assert first_sync.counts(0)["d2"]["gone"] == 1
    summary.tables(look())
    assert "d2.projects 注销 1 条" in said()


def test_a_small_part_that_replaces_another_is_told_by_feed(world, said) -> None:
    world["d4.cases"].pages, world["d4.cases"].scopes = [[sheet(n) for n in (1, 2, 3)]], ["HB_1"]
    run("d4.cases")
    listing(world, range(1, 5))
    world["d4.cases"].pages = [[sheet(4)]]
    assert "注销 3" in line(run("d4.cases"), said)
    summary.tables(look())
    text = said()
    assert "d4.cases 注销 3 条" in text and "在库 1" in text
    assert "d2.projects 注销" not in text
