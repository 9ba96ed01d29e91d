"""One set of stand-ins for all tests of a module; each test finds them well and with the sample's clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.testing import Running, running
from tests.standins import sample


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def _served(world: Path, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    url = postgres_server.format(database="postgres")
    with running(world, url, at=sample.CLOCK, home=tmp_path_factory.mktemp("home")) as stand:
        yield stand


@pytest.fixture
def stand(_served: Running) -> Iterator[Running]:
    yield _served
    _served.heal()
