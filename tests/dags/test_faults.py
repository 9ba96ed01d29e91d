"""Retries by whose fault it is."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from core.errors import (  # noqa: E402
    AuthenticationError,
    ConfigurationError,
    InternalError,
    ProviderError,
    TransientError,
)


@pytest.fixture
def policy(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    from dags.faults import ByFault

    return ByFault()


def decide(policy, error, try_number=1):
    return policy.evaluate(error, try_number, 4)


def test_a_transient_fault_is_tried_again_ever_later(policy):
    delays = [decide(policy, TransientError("busy"), n).retry_delay for n in (1, 2, 3, 4)]
    assert delays == sorted(set(delays))
    assert decide(policy, TransientError("busy")).action.value == "retry"
    assert decide(policy, TransientError("busy"), 30).retry_delay <= timedelta(minutes=30)


def test_the_sources_own_wish_for_a_pause_is_kept(policy):
    assert decide(policy, TransientError("quota", retry_after=7)).retry_delay == timedelta(seconds=7)
    assert decide(policy, TransientError("quota", retry_after=1e6)).retry_delay == timedelta(minutes=30)


@pytest.mark.parametrize("kind", [ConfigurationError, AuthenticationError, ProviderError, InternalError])
def test_what_will_not_mend_itself_fails_at_once(policy, kind):
    assert decide(policy, kind("no")).action.value == "fail"


def test_what_has_no_fault_is_left_to_airflow(policy):
    assert decide(policy, MemoryError()).action.value == "default"
