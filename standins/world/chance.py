"""Chance by name: the draws of one thing never depend on those of another, so an edit here moves nothing there."""

from __future__ import annotations

import hashlib
import random
from typing import Any


class Dice(random.Random):
    """Draws what :class:`random.Random` does, whole numbers at half its price: a world is made of little else."""

    def randint(self, a: int, b: int) -> int:
        """A whole number from ``a`` to ``b``, both included."""
        if b < a:
            raise ValueError(f"no whole number from {a} to {b}")
        bits = (width := b - a + 1).bit_length()
        while (drawn := self.getrandbits(bits)) >= width:
            pass
        return a + drawn


def dice(*name: Any) -> random.Random:
    """A random stream of its own for whatever ``name`` names (seed first)."""
    return Dice("|".join(map(str, name)))


def share(*name: Any) -> float:
    """One number in [0, 1) for ``name``: cheaper than a stream where a single draw is wanted."""
    digest = hashlib.blake2b("|".join(map(str, name)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
