"""A migrated database for every test that judges a store."""

from tests.hub import hub, migrated  # noqa: F401
