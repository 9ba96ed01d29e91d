"""A migrated database and an archive of its own for every test of the store."""

from tests.hub import hub, migrated  # noqa: F401
