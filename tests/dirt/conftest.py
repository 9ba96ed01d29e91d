"""A hub that every feed's dirt goes into, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from quality import validation
from tests.hub import environment, migrated, own_database  # noqa: F401


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> int:
    """Mutations a feed."""
    return request.config.getoption("--dirt")


@pytest.fixture(scope="session")
def day(request: pytest.FixtureRequest) -> int:
    """The seed: another every day, or the one given."""
    return request.config.getoption("--dirt-seed") or date.today().toordinal()


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Payloads of the day that are decoded again under limits."""
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def dirty(postgres_server: str, migrated: str, tmp_path_factory) -> Iterator[pytest.MonkeyPatch]:  # noqa: F811
    """One hub for all feeds; the suites have tests of their own."""
    home = tmp_path_factory.mktemp("dirt")
    with own_database(postgres_server, migrated) as name, environment(postgres_server, name, home) as patch:
        patch.setattr(validation, "validate", lambda connection, staged: [])
        yield patch
