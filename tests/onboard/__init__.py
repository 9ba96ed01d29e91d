"""Connecting a system: sample, profile, draft, test."""
