"""Tests stay out of the run folder of a hub that was started from the same checkout."""

from core import settings


def test_a_test_that_names_no_run_folder_has_one_of_the_tests():
    assert settings.home() != settings.ROOT / "var"
