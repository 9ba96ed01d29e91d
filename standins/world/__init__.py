"""The simulated world: a seeded truth about investment projects, and what every source system shows of it.

``make`` writes a world, ``advance`` moves its clock, ``load`` reads it. The folder's format: docs/world.md.
"""

from standins.world.folder import Reader, advance, load, make

__all__ = ["Reader", "advance", "load", "make"]
