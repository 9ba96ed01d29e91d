"""What is planted in a world: for every rule its defects, and beside them what looks alike and is none."""

from standins.world.defects.planting import Plant, plant_all

__all__ = ["Plant", "plant_all"]
