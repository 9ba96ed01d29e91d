"""A hub whose sources answer from memory; the suites are the project's own, and judge."""

from __future__ import annotations

from collections import defaultdict

import pytest

from pipeline import registry
from tests.hub import hub, migrated  # noqa: F401
from tests.pipeline.fake import Answers, FakeConnector


@pytest.fixture
def world(hub, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answers]:  # noqa: F811
    """Feed id → what its source answers."""
    answers: dict[str, Answers] = defaultdict(Answers)
    monkeypatch.setattr(registry, "connector", lambda source: FakeConnector(source, answers))
    return answers
