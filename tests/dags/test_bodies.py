"""What tasks say to Airflow: times of the UI in the city's time, failures in the class of whose fault they are."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.errors import AuthenticationError, ConfigurationError, InternalError, ProviderError, TransientError
from dags import bodies


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, 8)),
        ("2026-11-01T00:00:00+08:00", datetime(2026, 11, 1)),
        ("2026-11-01T00:00:00", datetime(2026, 11, 1)),
        ("", None),
        (None, None),
    ],
)
def test_a_time_of_the_form_is_the_citys_local_time(text, time):
    assert bodies._local(text) == time


def test_a_word_that_is_no_time_is_ours_to_correct_and_not_tried_again():
    with pytest.raises(ConfigurationError, match="yesterday"):
        bodies._local("yesterday")


@pytest.mark.parametrize(
    ("outcome", "fault", "kind"),
    [
        ("failed", "configuration", ConfigurationError),
        ("failed", "authentication", AuthenticationError),
        ("failed", "transient", TransientError),
        ("failed", "provider", ProviderError),
        ("failed", "ours", InternalError),
        ("failed", None, InternalError),
        ("held", None, ProviderError),
    ],
)
def test_an_outcome_becomes_the_error_of_whose_fault_it_is(outcome, fault, kind):
    told = {"outcome": outcome, "fault": fault, "error": "e", "remedy": "r", "zh": "说明", "feed": "a.b"}
    error = bodies._error(told)
    assert type(error) is kind
    assert (error.feed, error.remedy, error.zh) == ("a.b", "r", "说明")
