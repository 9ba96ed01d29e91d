"""A hub whose sources answer from memory, with the project's own declarations and mappings."""

from __future__ import annotations

from collections import defaultdict

import pytest

from pipeline import registry
from quality import validation
from tests.hub import hub, migrated  # noqa: F401
from tests.pipeline.fake import Answers, FakeConnector


@pytest.fixture
def world(hub, monkeypatch, request) -> dict[str, Answers]:  # noqa: F811
    """Feed id → what its source answers. The suites judge only where a test is marked ``suites``: they have their own
    tests, and take longer than a batch of three rows."""
    if request.node.get_closest_marker("suites") is None:
        monkeypatch.setattr(validation, "validate", lambda connection, staged: [])
    answers: dict[str, Answers] = defaultdict(Answers)
    monkeypatch.setattr(registry, "connector", lambda source: FakeConnector(source, answers))
    return answers
