"""Simulated worlds that tests share (never changed by a test, copied where one must), and stand-ins that serve one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from standins import world as told
from standins.testing import Running, running
from tests.standins import sample

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="session")
def default_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world of the default scale, 590 projects."""
    return told.make(tmp_path_factory.mktemp("worlds") / "default", projects=590, seed=1, today=TODAY)


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of 12 projects."""
    return told.make(tmp_path_factory.mktemp("worlds") / "tiny", projects=12, seed=1, today=TODAY)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample by hand, one a module: tests of serving may append to it."""
    return sample.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def _served(world: Path, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    url = postgres_server.format(database="postgres")
    with running(world, url, at=sample.CLOCK, home=tmp_path_factory.mktemp("home")) as stand:
        yield stand


@pytest.fixture
def stand(_served: Running) -> Iterator[Running]:
    """Stand-ins that serve the sample; each test finds them well."""
    yield _served
    _served.heal()
