"""Identify and fold: the phase after the merges of all sources."""

from __future__ import annotations

from store import unify
from store.unify import Unified


def run() -> Unified:
    """Bring the unified store up to date with everything merged so far; idempotent, serialised by the store."""
    return unify.unify()


def refold(apply: bool = False) -> Unified:
    """Fold every record anew, as after a change of ``schemas/authority.yaml``; without ``apply`` only compare."""
    return unify.refold(apply)
