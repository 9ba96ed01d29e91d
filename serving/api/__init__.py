"""The REST API: ``serving.api.app:app``."""
