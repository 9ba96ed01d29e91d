"""Identify and fold: the phase after the merges of all sources."""

from __future__ import annotations

from store.unify import Unified, unify


def run() -> Unified:
    """Bring the unified store up to date with everything merged so far; idempotent, serialised by the store."""
    return unify()
