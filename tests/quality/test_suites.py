"""Every feed and every entity has its suite; each is checked when it is loaded, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from quality import suites
from schemas import entities, raw
from sources import loader

FEEDS = sorted(feed.id for source in loader.load_all().values() for feed in source.feeds.values())


def test_every_entity_has_a_suite_a_feed_may_and_no_suite_is_left_over() -> None:
    loaded = suites.load_all()
    assert {suite.subject for suite in loaded if suite.of == "feed"} <= set(FEEDS)
    assert sorted(suite.subject for suite in loaded if suite.of == "entity") == sorted(entities.names())
    assert set(raw.load_all()) <= set(FEEDS)


def test_every_suite_compiles_once_as_the_library_runs_it() -> None:
    for suite in suites.load_all():
        compiled = suite.compiled()
        assert len(compiled.expectations) == len(suite.checks)
        assert suite.compiled() is compiled
        assert [e.meta["check"] for e in compiled.expectations] == list(range(len(suite.checks)))


def test_every_feed_is_asked_for_a_clean_key_and_a_time_that_can_be() -> None:
    for feed in FEEDS:
        asked = {(check.code, check.columns) for check in suites.feed(feed).checks}
        assert {("key_mangled", ("record_key",)), ("implausible_time", ("source_time",))} <= asked


@pytest.mark.parametrize(
    ("code", "entity"),
    [
        ("time_inverted", "case"),
        ("project_code_invalid", "case"),
        ("not_in_code_list", "case_event"),
        ("negative_value", "item"),
        ("implausible_time", "licence"),
    ],
)
def test_what_supervision_has_to_see_rejects_no_row(code: str, entity: str) -> None:
    asked = [check for check in suites.entity(entity).checks if check.code == code]
    assert asked and not any(check.rejects for check in asked)


def test_an_item_is_rejected_for_nothing_but_its_key() -> None:
    """A case of an item that is missing from the catalogue would be off the list (C9)."""
    assert [check.columns for check in suites.entity("item").checks if check.rejects] == [("item_code",)]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (
            "feed: d3.log\nexpectations:\n  - {expect: column_values_to_not_be_null, column: NOPE, code: missing_value, severity: error}\n",
            3,
            "no column NOPE",
        ),
        (
            "feed: d3.log\nexpectations:\n  - {expect: column_values_to_not_be_null, column: BLZT, code: nope, severity: error}\n",
            3,
            "no code nope",
        ),
        (
            "feed: d3.log\nexpectations:\n  - {expect: column_values_to_not_be_null, column: BLZT, code: missing_value, severity: fatal}\n",
            3,
            "severity",
        ),
        ("feed: d3.item\nexpectations: []\n", 1, "as the file's name has it"),
        ("feed: d3.log\nexpectatons: []\n", 2, "no such key"),
    ],
)
def test_a_wrong_suite_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    path = tmp_path / "d3.log.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        suites._read(path)
    assert f"d3.log.yaml:{line}" in error.value.message
    assert told in error.value.message


def test_an_expectation_that_the_library_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "d3.log.yaml"
    path.write_text(
        "feed: d3.log\nexpectations:\n  - {expect: column_values_to_be_nice, column: BLZT, code: missing_value, severity: info}\n"
    )
    with pytest.raises(ConfigurationError, match="column_values_to_be_nice"):
        suites._read(path).compiled()


def test_suites_name_no_personal_value() -> None:
    personal = {
        (name, column)
        for name in entities.names()
        for column, told in entities.load(name).columns.items()
        if told.personal
    }
    for suite in suites.load_all():
        for check in suite.checks:
            if any((suite.subject, column) in personal for column in check.columns):
                assert check.personal
