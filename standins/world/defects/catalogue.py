"""Every recipe of every module, planted in a fixed order."""

from __future__ import annotations

from standins.world.chance import dice
from standins.world.defects import clocks, ground, order, references, repetition, stalls, unseen
from standins.world.defects.planting import WHOLE, Garden
from standins.world.lifecycle import Plan
from standins.world.model import Plant, World

MODULES = (stalls, order, unseen, clocks, repetition, references, ground)


def plant_all(world: World, plans: dict[int, Plan]) -> list[Plant]:
    """Plant every recipe of every module, in a fixed order."""
    garden = Garden(world, plans)
    recipes = [(name, recipe, count) for module in MODULES for name, (recipe, count) in module.RECIPES.items()]
    if world.projects < WHOLE:  # no room for all: one of each, of any rule
        dice(world.seed, "recipes").shuffle(recipes)
        recipes = [(name, recipe, 1) for name, recipe, _ in recipes]
    for name, recipe, count in recipes:
        garden.grow(name, recipe, count)
    return garden.plants
