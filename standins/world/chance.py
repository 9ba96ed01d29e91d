"""Chance by name: the draws of one thing never depend on those of another, so an edit here moves nothing there."""

from __future__ import annotations

import hashlib
import random
from typing import Any


def dice(*name: Any) -> random.Random:
    """A random stream of its own for whatever ``name`` names (seed first)."""
    return random.Random("|".join(map(str, name)))


def share(*name: Any) -> float:
    """One number in [0, 1) for ``name``: cheaper than a stream where a single draw is wanted."""
    digest = hashlib.blake2b("|".join(map(str, name)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
